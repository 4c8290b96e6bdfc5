#include "tide.h"
#include <moon.h>
#include <ocean.h>

int tide_value(void)
{
	return 8 + moon_value() + ocean_value();
}
