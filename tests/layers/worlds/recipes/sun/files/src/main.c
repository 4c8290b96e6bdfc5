#include <stdio.h>
#include <star.h>

int main(void)
{
	printf("sun %d\n", star_value());
	return 0;
}
