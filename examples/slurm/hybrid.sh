#!/bin/sh
#SBATCH --job-name=hybrid
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=2
#SBATCH --output=hybrid.out
# Ranks with threads. Since version 22.05 a step has to be told of --cpus-per-task, too.
export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK" OMP_PROC_BIND=true
exec srun --mpi=pmix --cpus-per-task="$SLURM_CPUS_PER_TASK" sealift exec "${IMAGE:-tools.sif}" hybrid.openmpi
