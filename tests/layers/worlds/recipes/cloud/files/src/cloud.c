#include "cloud.h"
#include <ocean.h>
#include <wind.h>

int cloud_value(void)
{
	return 6 + ocean_value() + wind_value();
}
