#include <mpi.h>
#include <omp.h>
#include <stdio.h>

/* Each rank adds the numbers of its part with all its threads; rank 0 tells the sum. */
int main(int argc, char **argv) {
	const long last = 1000000;
	long part = 0, sum = 0;
	int rank, size, threads = 0, given;
	MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &given);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
#pragma omp parallel reduction(+ : part)
	{
#pragma omp single
		threads = omp_get_num_threads();
#pragma omp for
		for (long i = 1; i <= last; i++)
			if (i % size == rank) part += i;
	}
	MPI_Reduce(&part, &sum, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
	if (rank == 0) printf("%d ranks, %d threads each, sum %ld\n", size, threads, sum);
	MPI_Finalize();
	return 0;
}
