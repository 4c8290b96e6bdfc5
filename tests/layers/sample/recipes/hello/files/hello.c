#include <stdio.h>

int main(int argc, char **argv)
{
	printf("%s, world\n", GREETING);
	return 0;
}
