#include "river.h"
#include <ocean.h>

int river_value(void)
{
	return 5 + ocean_value();
}
