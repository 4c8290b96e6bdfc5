/* What ring is worth. */
int ring_value(void);
