# shellcheck shell=bash
# What the benchmarks need: the database, and a clock. Sourced after the files of tests/lib.
# shellcheck disable=SC2154  # `stand` and `pg_url` are of tests/lib/stand.sh.

say() { printf '%s\n' "$*" >&2; }

# Starts the server of the database to back up. Sets `source_url`, as `pg_url`.
start_source() {
  start_postgres source wal_level=minimal max_wal_senders=0 shared_buffers=256MB max_wal_size=8GB \
    checkpoint_timeout=1h autovacuum=off jit=off
  source_url=$pg_url
}

postmaster_pid() {
  head -n 1 "$stand/$1/data/postmaster.pid" 2>/dev/null || as_server head -n 1 "$stand/$1/data/postmaster.pid"
}

# Makes the database $1 of $2 MiB. Two sessions share the work; afterwards nothing is left for the
# server to tidy up, so that the first row measured does not pay for it.
make_database() {
  local started=$SECONDS other rows_mib=$(($2 - 30)) # an empty one with 300 tables has about 30
  psql --no-psqlrc --quiet --command="create database $1" "$source_url/postgres"
  psql --no-psqlrc --set=mb="$rows_mib" --set=part=events --file=tests/bench/load.sql "$source_url/$1" &
  other=$!
  psql --no-psqlrc --set=mb="$rows_mib" --set=part=rest --file=tests/bench/load.sql "$source_url/$1"
  wait "$other"
  psql --no-psqlrc --quiet --command='vacuum (freeze, analyze)' --command=checkpoint "$source_url/$1"
  say "database $1: $(database_mib "$1") MiB, made in $((SECONDS - started)) s"
}

database_mib() {
  psql --no-psqlrc -At --command="select pg_database_size('$1') / 1048576" "$source_url/postgres"
}

# A virtual machine may have given its free memory back to the host, and then the first touch of each page costs ten
# times what a later one does. No row shall pay for what another one has touched before it.
touch_memory() {
  local mib
  mib=$(awk '/^MemAvailable:/ { print int($2 / 1024 / 3) }' /proc/meminfo)
  dd if=/dev/zero of=/dev/shm/bench-touch.$$ bs=1M count="$((mib < 6144 ? mib : 6144))" 2>/dev/null
  rm -f "/dev/shm/bench-touch.$$"
}

# The peak that GNU time reports is that of the largest single process, not a sum: for `backup run` it is
# `backup` itself, as pg_dump beside it stays near the peak of the floor.
timed() {
  /usr/bin/time --format='%e %U %S %M' --output="$stand/time" "$@" >/dev/null 2>"$stand/stderr" </dev/null || {
    say "failed: $*"
    tail -n 20 "$stand/stderr" >&2
    exit 1
  }
}

# CPU seconds of a process, and of its children that have ended (all sessions, for the postmaster).
own_cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hz }' "/proc/$1/stat"; }
children_cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($16 + $17) / hz }' "/proc/$1/stat"; }
