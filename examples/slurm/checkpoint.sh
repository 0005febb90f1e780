#!/bin/sh
#SBATCH --job-name=checkpoint
#SBATCH --time=10
#SBATCH --signal=USR1@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=checkpoint.out
# A minute before its time is over the program is sent SIGUSR1: it saves its state, says so
# by status 75, and the job is queued again, to go on from there.
srun --ntasks=1 sealift exec "${IMAGE:-tools.sif}" python3 /opt/steps.py "${1:-100}"
status=$?
if [ $status = 75 ]; then
	scontrol requeue "$SLURM_JOB_ID"
	sleep 60 # until Slurm ends this script
fi
exit $status
