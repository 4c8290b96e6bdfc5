#include "orbit.h"
#include <moon.h>
#include <star.h>

int orbit_value(void)
{
	return 11 + moon_value() + star_value();
}
