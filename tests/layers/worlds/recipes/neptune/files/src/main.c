#include <stdio.h>
#include <wind.h>
#include <gas.h>

int main(void)
{
	printf("neptune %d\n", wind_value() + gas_value());
	return 0;
}
