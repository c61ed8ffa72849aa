#!/bin/bash
# Written by hwr_jax's Slurm launcher. The processes of a job watch each other, so srun need not end them.
cd {{ checkout }} || exit 1
srun --kill-on-bad-exit=0 --wait=0 {{ task }} run {{ jobs }} "$SLURM_ARRAY_TASK_ID"
code=$?
{{ task }} ended {{ jobs }} "$SLURM_ARRAY_TASK_ID" "$code"
# Stopped after a save: ahead of the time limit, or by scancel --signal=TERM. SLURM_JOB_ID may mean the whole array.
if [ "$code" -eq 75 ]; then scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"; fi
exit "$code"
