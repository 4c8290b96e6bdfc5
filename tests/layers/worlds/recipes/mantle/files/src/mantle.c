#include "mantle.h"
#include <core.h>

int mantle_value(void)
{
	return 2 + core_value();
}
