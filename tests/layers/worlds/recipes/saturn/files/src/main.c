#include <stdio.h>
#include <ring.h>
#include <gas.h>

int main(void)
{
	printf("saturn %d\n", ring_value() + gas_value());
	return 0;
}
