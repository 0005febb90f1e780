#!/bin/sh
#SBATCH --job-name=array
#SBATCH --array=0-3
#SBATCH --output=array-%a.out
# Each task of the array does its part of the work: every fourth number.
exec srun --ntasks=1 sealift exec "${IMAGE:-tools.sif}" python3 -c '
import os
part = int(os.environ["SLURM_ARRAY_TASK_ID"])
parts = int(os.environ["SLURM_ARRAY_TASK_COUNT"])
print(part, sum(range(part, 1000, parts)))'
