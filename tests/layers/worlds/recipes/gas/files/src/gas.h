/* What gas is worth. */
int gas_value(void);
