#!/usr/bin/env bash
# A Slurm of one node for the tests: slurm.sh start DIR, slurm.sh stop DIR. All of it lies in DIR.
#
# Needs Debian's slurm-wlm and munge, and root. Installs them only where HWR_JAX_TEST_SLURM=install is set.
# Exits with 3 and says why where there can be no Slurm.
set -euo pipefail
action=$1 folder=$2

no_slurm() {
  echo "no Slurm: $1" >&2
  exit 3
}

if [ "$action" = stop ]; then
  for name in slurmd slurmctld munged; do
    if [ -s "$folder/$name.pid" ]; then kill "$(cat "$folder/$name.pid")" 2>/dev/null || true; fi
  done
  exit 0
fi

[ "$(id -u)" = 0 ] || no_slurm "slurmd needs root"
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
  [ "${HWR_JAX_TEST_SLURM:-}" = install ] || no_slurm "slurmctld and munged are not installed (HWR_JAX_TEST_SLURM=install installs them)"
  command -v apt-get >/dev/null || no_slurm "there is no apt-get to install it with"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; } >"$folder/apt.log" 2>&1 ||
    no_slurm "apt-get: $(tail -n 1 "$folder/apt.log")"
fi

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
}

host=$(hostname -s)
head -c 1024 /dev/urandom >"$folder/munge.key"
chmod 600 "$folder/munge.key"
mkdir -p "$folder/state" "$folder/spool"
cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=60
MpiDefault=none
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
export SLURM_CONF=$folder/slurm.conf
# --force: the tests' folder need not be root's alone.
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
  --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" || no_slurm "munged: $(tail -n 1 "$folder/munged.log")"
slurmctld -c || no_slurm "slurmctld: $(tail -n 1 "$folder/slurmctld.log")"
slurmd -c || no_slurm "slurmd: $(tail -n 1 "$folder/slurmd.log")"
for _ in $(seq 300); do
  if [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then exit 0; fi
  sleep 0.1
done
no_slurm "the node is $(sinfo --noheader --format='%T %E' 2>&1) after 30 s; see $folder/slurmd.log"
