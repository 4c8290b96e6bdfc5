#include <stdio.h>
#include <orbit.h>
#include <tide.h>

int main(void)
{
	printf("io %d\n", orbit_value() + tide_value());
	return 0;
}
