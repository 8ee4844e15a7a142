#!/usr/bin/env bash
# Measures what both daemons take while nothing runs, with 1,000 backups in the bucket: memory, CPU time, and how long a
# scrape and a page take. Prints a Markdown table.
#
#   IDLE_SECONDS=600   how long to look; the bucket is polled every 300 s, as by default
#   BACKUPS=1000       backups in the bucket
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/lib/install.sh
. tests/lib/stand.sh
. tests/lib/build.sh
. tests/bench/common.sh

idle_seconds=${IDLE_SECONDS:-600}
backups=${BACKUPS:-1000}
requests=50
declare -A pid port cpu row # of each daemon

main() {
  need postgresql curl
  build_programs
  stand_open idle-bench
  start_source
  start_s3 "$s3_server_bin"
  HTTP_TOKEN=$(random_hex 16)
  export HTTP_TOKEN PG_BIN_DIR=$pg_bin LOG_FORMAT=text PORT=0 TMPDIR=$stand
  export BACKUP_RETENTION_DAYS=36500 BACKUP_MAX_AGE=31622400 VERIFY_MAX_AGE=31622400
  psql --no-psqlrc --quiet --command='create table t as select g, md5(g::text) from generate_series(1, 1000) g' \
    "$source_url/postgres"
  DATABASE_URL=$source_url/postgres "$backup_bin" run >"$stand/run.log" 2>&1 </dev/null
  # With a record, `verify` has no reason to drill at its start.
  VERIFY_ATTEST=true "$verify_bin" run >>"$stand/run.log" 2>&1 </dev/null
  copy_backups
  # Neither runs by itself while this looks.
  daemon backup env DATABASE_URL="$source_url/postgres" BACKUP_SCHEDULE='0 0 1 1 *' "$backup_bin"
  daemon verify env VERIFY_ATTEST=true VERIFY_SCHEDULE='0 0 1 1 *' VERIFY_AFTER_BACKUP=false "$verify_bin"
  look
  measure_idle backup
  measure_idle verify
  ask backup /api/v1/backups
  ask verify /api/v1/drills
  report
}

# Makes the one backup in the bucket to many, an hour apart.
copy_backups() {
  local folder first id name number when
  folder=$(find "$stand/s3/$S3_BUCKET" -name manifest.json -printf '%h\n')
  first=${folder##*/}
  for ((number = 1; number < backups; number++)); do
    when=$(date --utc --date="-$number hours" +%Y%m%dT%H%M%SZ)
    id=${folder%/*}/$when-${first#*-}
    mkdir "$id"
    for name in "$folder"/*; do
      [[ $name == */drill-* ]] || cp "$name" "$id"
    done
    find "$id" -exec touch --date="-$number hours" {} +
  done
}

# Starts a daemon called $1.
daemon() {
  local name=$1 log=$stand/$1.log
  shift
  "$@" >"$log" 2>&1 </dev/null &
  stand_daemons+=($!)
  pid[$name]=$!
  until [[ -n ${port[$name]:-} ]]; do
    kill -0 "${pid[$name]}" 2>/dev/null || { cat "$log" >&2; exit 1; }
    sleep 0.1
    port[$name]=$(sed -n 's/.*daemon started port=\([0-9]*\).*/\1/p' "$log")
  done
}

page() { curl --silent --show-error --output /dev/null --header "Authorization: Bearer $HTTP_TOKEN" "$@"; }

resident() { awk '/^VmRSS:/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }

# A start lists the bucket, which is not idle yet.
look() {
  local name
  sleep 20
  say "looking for $idle_seconds s"
  for name in backup verify; do cpu[$name]=$(own_cpu "${pid[$name]}"); done
  sleep "$idle_seconds"
  for name in backup verify; do
    cpu[$name]=$(awk -v a="$(own_cpu "${pid[$name]}")" -v b="${cpu[$name]}" 'BEGIN { print a - b }')
  done
}

# The median of a path of $1, in milliseconds.
median_ms() {
  local number
  for ((number = 0; number < requests; number++)); do
    page --write-out '%{time_total}\n' "http://127.0.0.1:$1$2"
  done | sort -n | awk '{ all[NR] = $1 } END { printf "%.1f", all[int((NR + 1) / 2)] * 1000 }'
}

measure_idle() {
  local percent
  percent=$(awk -v cpu="${cpu[$1]}" -v s="$idle_seconds" 'BEGIN { printf "%.3f", 100 * cpu / s }')
  row[$1]="$(resident "${pid[$1]}") | $percent | $(median_ms "${port[$1]}" /metrics) | $(median_ms "${port[$1]}" /)"
}

# Asks $1 for a run by the path $2, and adds what is resident ten seconds after it.
ask() {
  local ends='committed|drill passed' before
  before=$(grep -cE "$ends" "$stand/$1.log" || true)
  page --request POST "http://127.0.0.1:${port[$1]}$2"
  for _ in {1..300}; do
    [[ $(grep -cE "$ends" "$stand/$1.log" || true) == "$before" ]] || break
    sleep 0.2
  done
  sleep 10
  row[$1]+=" | $(resident "${pid[$1]}")"
}

report() {
  printf '\n%s backups in the bucket, %s s, %s cores.\n\n' "$backups" "$idle_seconds" "$(nproc)"
  printf '%s\n' '| Daemon | memory MiB | CPU % of a core | scrape ms | page ms | memory MiB after a run |' \
    '| --- | ---: | ---: | ---: | ---: | ---: |' "| \`backup\` | ${row[backup]} |" "| \`verify\` | ${row[verify]} |"
}

main
