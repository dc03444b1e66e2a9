#!/usr/bin/env bash
# A million pictures with a Slurm array: 200 000 places in 64 parts, then joined.
#   sbatch --array=0-63 trainer/gather/deploy/slurm.sh          and, when all parts are done:  trainer gather merge "$OUT"
# A part that is killed or runs out of time is continued by submitting it again.
#SBATCH --job-name=gather --cpus-per-task=2 --mem=4G --time=12:00:00 --requeue
set -euo pipefail
OUT=${OUT:-$SCRATCH/s2}
srun trainer gather --locations 200000 --tar 100 --seed 42 --reference-date 2025-09-01 \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --concurrency 64 --out "$OUT"
