#include <stdio.h>
#include <cloud.h>
#include <crust.h>

int main(void)
{
	printf("venus %d\n", cloud_value() + crust_value());
	return 0;
}
