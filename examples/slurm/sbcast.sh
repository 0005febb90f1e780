#!/bin/sh
#SBATCH --job-name=sbcast
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --output=sbcast.out
# The image is copied to a disk of each node, once for all tasks, which spares the shared
# file system. It is used there only if its digest is that of the original.
set -eu
image=${IMAGE:-tools.sif}
copy=${LOCAL:-/tmp}/tools-$SLURM_JOB_ID.sif
trap 'srun rm -f "$copy"' EXIT
digest=$(sha256sum <"$image")
sbcast --force "$image" "$copy"
srun sh -c '[ "$(sha256sum <"$1")" = "$2" ] || { echo "$SLURMD_NODENAME has another image" >&2; exit 1; }' sh "$copy" "$digest"
srun sealift exec "$copy" sh -c 'echo "$SLURMD_NODENAME runs $SEALIFT_NAME"'
