/*
 * ranks SIZE [BYTES ROUNDS]: what an MPI program needs of the place that it runs in.
 *
 * Every rank compares the number of ranks with SIZE, as ranks that do not find each
 * other are each the only one, without an error; exchanges messages with every other
 * rank; and takes part in a sum. Rank 0 then tells "SIZE ranks are well". With BYTES
 * the ranks 0 and 1 play ping-pong instead, and rank 0 tells the median and the best
 * bandwidth of one way, in MB/s.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size;

static void fail(const char *what, int with) {
	fprintf(stderr, "rank %d of %d: %s %d\n", rank, size, what, with);
	MPI_Abort(MPI_COMM_WORLD, 9);
	exit(9);
}

static char pattern(int from, size_t at) { return (char)(from * 31 + at * 7 + at / 4093); }

/* exchange sends length bytes to a partner and compares what it gets. */
static void exchange(int partner, size_t length, char *out, char *in) {
	for (size_t i = 0; i < length; i++) out[i] = pattern(rank, i);
	memset(in, 0, length);
	MPI_Sendrecv(out, (int)length, MPI_CHAR, partner, 1, in, (int)length, MPI_CHAR, partner, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	for (size_t i = 0; i < length; i++)
		if (in[i] != pattern(partner, i)) fail("other bytes than sent by rank", partner);
}

static void exchanges(void) {
	static const size_t lengths[] = {1, 4000, 70000, 4 << 20};
	char *out = malloc(4 << 20), *in = malloc(4 << 20);
	for (int mask = 1; mask < size; mask++) {
		int partner = rank ^ mask;
		for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
			if (partner < size) exchange(partner, lengths[l], out, in);
	}
	free(out);
	free(in);
}

static void sum(void) {
	enum { length = 100000 };
	long *mine = malloc(length * sizeof *mine), *all = malloc(length * sizeof *all);
	for (long i = 0; i < length; i++) mine[i] = i * (rank + 1);
	MPI_Allreduce(mine, all, length, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	for (long i = 0; i < length; i++)
		if (all[i] != i * size * (size + 1) / 2) fail("a wrong sum at", (int)i);
	free(mine);
	free(all);
}

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void pingpong(int bytes, int rounds) {
	enum { warm = 5 };
	char *buffer = malloc(bytes);
	double *took = malloc(rounds * sizeof *took);
	memset(buffer, rank, bytes);
	for (int i = -warm; i < rounds && rank < 2; i++) {
		double begun = MPI_Wtime();
		if (rank == 0) MPI_Send(buffer, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
		MPI_Recv(buffer, bytes, MPI_CHAR, 1 - rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (rank == 1) MPI_Send(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
		if (i >= 0) took[i] = (MPI_Wtime() - begun) / 2;
	}
	if (rank == 0) {
		qsort(took, rounds, sizeof *took, ascending);
		printf("%.0f %.0f\n", bytes / took[rounds / 2] / 1e6, bytes / took[0] / 1e6);
	}
	free(buffer);
	free(took);
}

int main(int argc, char **argv) {
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (argc < 2 || size != atoi(argv[1])) fail("the number of ranks is not", argc < 2 ? 0 : atoi(argv[1]));
	if (argc == 4) {
		pingpong(atoi(argv[2]), atoi(argv[3]));
	} else {
		exchanges();
		sum();
		if (rank == 0) printf("%d ranks are well\n", size);
	}
	MPI_Finalize();
	return 0;
}
