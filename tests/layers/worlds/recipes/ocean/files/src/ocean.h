/* What ocean is worth. */
int ocean_value(void);
