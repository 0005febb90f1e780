#!/bin/sh
#SBATCH --job-name=mpi
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=2
#SBATCH --output=mpi.out
# usage: sbatch mpi.sh [openmpi|mpich]. The ranks of a node share one container, so that
# they read each other's memory; nothing has to be said for that.
case "${1:-openmpi}" in
openmpi) pmi=pmix ;;
mpich) pmi=pmi2 ;;
*) echo "usage: mpi.sh [openmpi|mpich]" >&2; exit 2 ;;
esac
export OMP_NUM_THREADS=1
exec srun --mpi=$pmi sealift exec "${IMAGE:-tools.sif}" "hybrid.${1:-openmpi}"
