#!/bin/sh
#SBATCH --job-name=gpu
#SBATCH --ntasks=2
#SBATCH --gpus-per-task=1
#SBATCH --output=gpu.out
# Each task has the GPU that Slurm has given it, and no other.
exec srun sealift exec --nv --contain "${IMAGE:-tools.sif}" sh -c 'echo "task $SLURM_PROCID:" /dev/nvidia[0-9]*'
