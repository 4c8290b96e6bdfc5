#include "ring.h"
#include <dust.h>
#include <gas.h>

int ring_value(void)
{
	return 15 + dust_value() + gas_value();
}
