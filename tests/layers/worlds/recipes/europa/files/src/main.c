#include <stdio.h>
#include <ocean.h>
#include <tide.h>

int main(void)
{
	printf("europa %d\n", ocean_value() + tide_value());
	return 0;
}
