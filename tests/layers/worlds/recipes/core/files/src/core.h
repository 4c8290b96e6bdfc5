/* What core is worth. */
int core_value(void);
