/* Processes of MPI on one host: a ring, a sum, and a barrier at every step. Usage: mpirun -n 2 mpi SECONDS */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check(int condition, const char *what, int step)
{
    if (!condition) {
        fprintf(stderr, "%s at step %d\n", what, step);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

int main(int argc, char **argv)
{
    static double block[100000];
    int rank, size, steps;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    steps = argc > 1 ? (int)strtol(argv[1], NULL, 10) * 20 : 20;
    long total = 0;
    for (int i = 0; i < steps; i++) {
        if (rank == 0) {
            printf("%d\n", i);
            fflush(stdout);
        }
        int mine = i * size + rank, before = -1;
        MPI_Sendrecv(&mine, 1, MPI_INT, (rank + 1) % size, 7, &before, 1, MPI_INT, (rank + size - 1) % size, 7, MPI_COMM_WORLD,
            MPI_STATUS_IGNORE);
        check(before == i * size + (rank + size - 1) % size, "the neighbour says something else", i);
        long value = i + rank, sum = 0;
        MPI_Allreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
        check(sum == (long)i * size + size * (size - 1) / 2, "another sum", i);
        block[99999] = i;
        MPI_Bcast(block, 100000, MPI_DOUBLE, i % size, MPI_COMM_WORLD);
        check(block[99999] == i, "another block", i);
        total += sum;
        usleep(50000);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    check(total == (long)size * steps * (steps - 1) / 2 + (long)steps * size * (size - 1) / 2, "another total", steps);
    if (rank == 0) {
        printf("ok mpi\n");
        fflush(stdout);
    }
    return MPI_Finalize();
}
