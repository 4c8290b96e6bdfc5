#include <stdio.h>
#include <river.h>
#include <gas.h>

int main(void)
{
	printf("titan %d\n", river_value() + gas_value());
	return 0;
}
