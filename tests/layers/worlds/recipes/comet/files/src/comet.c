#include "comet.h"
#include <dust.h>

int comet_value(void)
{
	return 10 + dust_value();
}
