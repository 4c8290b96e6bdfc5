/* What crust is worth. */
int crust_value(void);
