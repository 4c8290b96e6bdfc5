/* What mantle is worth. */
int mantle_value(void);
