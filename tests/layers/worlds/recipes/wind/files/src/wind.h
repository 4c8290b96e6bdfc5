/* What wind is worth. */
int wind_value(void);
