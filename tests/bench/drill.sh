#!/usr/bin/env bash
# Measures `verify run` against what a person does who restores the same backup, and prints Markdown tables.
#
#   BENCH_MB=2048   size of the database by pg_database_size
#   ROUNDS=3        rounds over all rows; a table shows the median of each row
#
# The person has the archive in a local file already, decoded, and a running server with stock settings. A
# drill begins with a bucket: it downloads, checks, decodes, starts a server, restores, and proves. The rows
# take turns, because machines have moods that outlast a row.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/lib/install.sh
. tests/lib/stand.sh
. tests/lib/build.sh
. tests/bench/common.sh

bench_mb=${BENCH_MB:-2048}
rounds=${ROUNDS:-3}
phases=(fetch server restore_data restore_post_data checks total)

main() {
  need postgresql zstd /usr/bin/time:time
  build_programs
  stand_open drill-bench
  start_source
  start_s3 "$s3_server_bin"
  export PG_BIN_DIR=$pg_bin LOG_FORMAT=text VERIFY_JOBS=2 VERIFY_SPOOL_DIR=$stand
  make_database bench "$bench_mb"
  source_mib=$(database_mib bench)
  say "backup run"
  DATABASE_URL=$source_url/bench "$backup_bin" run >/dev/null 2>"$stand/stderr" </dev/null ||
    { tail -n 20 "$stand/stderr" >&2; exit 1; }
  stop_postgres source
  rm -r "${stand:?}/source"
  archive=$stand/bench.dump
  key=$(cd "$stand/s3/$S3_BUCKET" && find . -name 'bench.dump.zst' | cut -c 3-)
  zstd --quiet -d "$(find "$stand/s3/$S3_BUCKET" -name 'bench.dump.zst')" -o "$archive"

  # Stock, but for what `start_postgres` sets for servers without a purpose: fsync is on again.
  start_postgres person fsync=on
  person_url=$pg_url
  server_pid=$(postmaster_pid person)
  results=$stand/results
  : >"$results"
  local round
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    person
    steps
    drill off
    drill full
  done
  report
}

person() {
  local before wall user sys rss
  touch_memory
  before=$(children_cpu "$server_pid")
  timed tests/bench/others.sh restore "$person_url" bench "$archive"
  sleep 0.5 # The server reaps its sessions a moment after the clients have gone.
  read -r wall user sys rss <"$stand/time"
  result person "$wall" "$(awk -v a="$user" -v b="$sys" -v c="$(children_cpu "$server_pid")" -v d="$before" \
    'BEGIN { print a + b + c - d }')" "$rss"
  # The next row does not pay for what this one has left to write.
  dropdb --maintenance-db="$person_url/postgres" bench
  psql --no-psqlrc --quiet --command=checkpoint "$person_url/postgres"
}

# The steps of a full drill, but for all comparing, by the programs that there are for each: what is left to gain.
steps() {
  local wall user sys rss
  touch_memory
  timed tests/bench/others.sh steps "$stand" "$key"
  read -r wall user sys rss <"$stand/time"
  result steps "$wall" "$(awk -v a="$user" -v b="$sys" 'BEGIN { print a + b }')" "$rss"
}

# One drill with VERIFY_CONTENT=$1. The throwaway server is a child of the drill, so that its CPU time is in
# what GNU time reports; the peak of `verify` alone is what the kernel says of that process.
drill() {
  local time_pid pid status=0 peak=0 now wall user sys phase phase_seconds=()
  touch_memory
  VERIFY_CONTENT=$1 /usr/bin/time --format='%e %U %S' --output="$stand/time" \
    "$verify_bin" run --report "$stand/report.json" >"$stand/stdout" 2>&1 </dev/null &
  time_pid=$!
  while kill -0 "$time_pid" 2>/dev/null; do
    pid=$(cut -d' ' -f1 "/proc/$time_pid/task/$time_pid/children" 2>/dev/null || true)
    now=$(awk '/^VmHWM:/ { print $2 }' "/proc/${pid:-0}/status" 2>/dev/null || true)
    [[ -z $now ]] || peak=$now
    sleep 0.1
  done
  wait "$time_pid" || status=$?
  [[ $status -eq 0 ]] || { say "failed: verify run"; tail -n 40 "$stand/stdout" >&2; exit 1; }
  read -r wall user sys <"$stand/time"
  for phase in "${phases[@]}"; do
    phase_seconds+=("$(sed -n "s/^ *\"${phase}_seconds\": \([0-9.]*\).*/\1/p" "$stand/report.json")")
  done
  result "$1" "$wall" "$(awk -v a="$user" -v b="$sys" 'BEGIN { print a + b }')" "$peak" "${phase_seconds[@]}"
}

# Appends `row wall cpu peak_kib`, and of a drill the seconds of its phases, to the results.
result() {
  say "  $*"
  printf '%s\n' "$*" >>"$results"
}

report() {
  printf '\nDatabase of %s MiB, archive of %s MiB, %s cores, PostgreSQL %s, median of %s rounds.\n\n' "$source_mib" \
    "$(($(stat --format=%s "$archive") / 1048576))" "$(nproc)" \
    "$(psql --no-psqlrc -At --command='show server_version' "$person_url/postgres" | cut -d' ' -f1)" "$rounds"
  awk -f tests/bench/median.awk -f tests/bench/drill.awk "$results"
}

main
