#include <stdio.h>
#include <crust.h>
#include <ocean.h>
#include <cloud.h>
#include <tide.h>
#include <moon.h>

int main(void)
{
	printf("earth %d\n", crust_value() + ocean_value() + cloud_value() + tide_value() + moon_value());
	return 0;
}
