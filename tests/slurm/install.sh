#!/bin/sh
# Slurm's programs from Debian's packages, if they are missing and can be installed; starts nothing.
# Never fails: without them the tests are skipped, and say so.
PATH=$PATH:/usr/sbin:/sbin
packages="slurmctld slurmd slurm-client munge"

missing=
for program in slurmctld slurmd sbatch squeue munged; do
    command -v "$program" >/dev/null || missing=1
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "tests/slurm: no Slurm here, and no apt-get to install it"
elif [ "$(id -u)" != 0 ]; then
    echo "tests/slurm: no Slurm here; root can install it: apt-get install $packages"
else
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    if ! { apt-get update && apt-get install -y --no-install-recommends $packages; } >"$log" 2>&1; then
        echo "tests/slurm: Slurm could not be installed:"
        tail -n 3 "$log"
    fi
    rm -f "$log"
fi
exit 0
