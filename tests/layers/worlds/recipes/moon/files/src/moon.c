#include "moon.h"

int moon_value(void)
{
	return 9;
}
