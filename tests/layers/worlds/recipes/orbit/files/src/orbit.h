/* What orbit is worth. */
int orbit_value(void);
