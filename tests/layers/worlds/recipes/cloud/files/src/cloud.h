/* What cloud is worth. */
int cloud_value(void);
