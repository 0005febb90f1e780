#include <stdio.h>
#include <stdlib.h>

/* Prints how many primes there are below a number. */
int main(int argc, char **argv) {
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 100, count = 0;
	char *composite = calloc(n > 2 ? n : 2, 1);
	if (!composite) return 1;
	for (long i = 2; i < n; i++) {
		if (composite[i]) continue;
		count++;
		for (long j = i * i; j < n; j += i) composite[j] = 1;
	}
	printf("%ld primes below %ld\n", count, n);
	free(composite);
	return 0;
}
