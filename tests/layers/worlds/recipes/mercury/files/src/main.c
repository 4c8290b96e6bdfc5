#include <stdio.h>
#include <crust.h>
#include <star.h>

int main(void)
{
	printf("mercury %d\n", crust_value() + star_value());
	return 0;
}
