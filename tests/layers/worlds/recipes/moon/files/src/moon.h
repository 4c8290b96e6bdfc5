/* What moon is worth. */
int moon_value(void);
