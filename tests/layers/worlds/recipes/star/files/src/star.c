#include "star.h"
#include <gas.h>

int star_value(void)
{
	return 12 + gas_value();
}
