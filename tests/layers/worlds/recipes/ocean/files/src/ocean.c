#include "ocean.h"

int ocean_value(void)
{
	return 4;
}
