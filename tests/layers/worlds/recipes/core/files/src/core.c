#include "core.h"

int core_value(void)
{
	return 3;
}
