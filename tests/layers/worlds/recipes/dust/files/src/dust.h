/* What dust is worth. */
int dust_value(void);
