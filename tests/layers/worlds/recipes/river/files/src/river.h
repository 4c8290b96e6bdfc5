/* What river is worth. */
int river_value(void);
