/* What star is worth. */
int star_value(void);
