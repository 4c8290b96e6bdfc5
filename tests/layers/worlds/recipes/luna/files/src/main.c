#include <stdio.h>
#include <moon.h>

int main(void)
{
	printf("luna %d\n", moon_value());
	return 0;
}
