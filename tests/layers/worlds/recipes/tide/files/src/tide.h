/* What tide is worth. */
int tide_value(void);
