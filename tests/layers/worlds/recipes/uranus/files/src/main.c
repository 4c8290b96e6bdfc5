#include <stdio.h>
#include <ring.h>

int main(void)
{
	printf("uranus %d\n", ring_value());
	return 0;
}
