#include "crust.h"
#include <mantle.h>

int crust_value(void)
{
	return 1 + mantle_value();
}
