#include <stdio.h>
#include <dust.h>

int main(void)
{
	printf("ceres %d\n", dust_value());
	return 0;
}
