/* What comet is worth. */
int comet_value(void);
