#include "wind.h"

int wind_value(void)
{
	return 7;
}
