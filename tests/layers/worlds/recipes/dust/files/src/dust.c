#include "dust.h"

int dust_value(void)
{
	return 13;
}
