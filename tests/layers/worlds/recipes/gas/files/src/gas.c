#include "gas.h"

int gas_value(void)
{
	return 14;
}
