#include <stdio.h>
#include <crust.h>
#include <dust.h>

int main(void)
{
	printf("mars %d\n", crust_value() + dust_value());
	return 0;
}
