#include <stdio.h>
#include <comet.h>

int main(void)
{
	printf("pluto %d\n", comet_value());
	return 0;
}
