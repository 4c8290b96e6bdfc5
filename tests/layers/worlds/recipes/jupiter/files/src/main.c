#include <stdio.h>
#include <gas.h>
#include <ring.h>
#include <orbit.h>

int main(void)
{
	printf("jupiter %d\n", gas_value() + ring_value() + orbit_value());
	return 0;
}
