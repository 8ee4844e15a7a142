#!/usr/bin/env bash
# Measures one `backup run` of many databases against a loop of single runs, and prints a Markdown table.
#
#   BENCH_DATABASES=200   number of databases
#   BENCH_MB=5            rows of each, in MiB
#   ROUNDS=3              pairs of rows; a table shows the median of each row
#
# The rows take turns, because machines have moods that outlast a row. Connections are those of the server, looked at
# five times a second, without the one that looks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/lib/install.sh
. tests/lib/stand.sh
. tests/lib/build.sh
. tests/bench/common.sh

databases=${BENCH_DATABASES:-200}
bench_mb=${BENCH_MB:-5}
rounds=${ROUNDS:-3}

main() {
  need postgresql /usr/bin/time:time
  build_programs
  stand_open databases-bench
  start_source
  start_s3 "$s3_server_bin"
  export PG_BIN_DIR=$pg_bin LOG_FORMAT=text
  results=$stand/results
  : >"$results"
  make_databases
  say "warm up"
  env DATABASE_URL="$source_url/postgres" DATABASES='bench_1,bench_2' "$backup_bin" run >/dev/null 2>&1
  local round
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    measure together
    measure loop
  done
  measure few
  report
}

# A template with the rows is copied, which is quicker than to make them again.
make_databases() {
  local number
  psql --no-psqlrc --quiet --command='create database bench_0' "$source_url/postgres"
  psql --no-psqlrc --quiet --command="create table t as select g as id, md5(g::text) || md5((g * 7)::text) as v
    from generate_series(1, $((bench_mb * 10500))) g" --command='vacuum (freeze, analyze) t' "$source_url/bench_0"
  for ((number = 1; number <= databases; number++)); do
    printf 'create database bench_%s template bench_0;\n' "$number"
  done | psql --no-psqlrc --quiet "$source_url/postgres"
  psql --no-psqlrc --quiet --command='drop database bench_0' --command=checkpoint "$source_url/postgres"
  say "$databases databases of $(database_mib bench_1) MiB"
}

# The rows. Each is a command of its own, so that GNU time sees it and all its children.
together() { timed env DATABASE_URL="$source_url/postgres" DATABASES='bench_*' "$backup_bin" run; }
few() { timed env DATABASE_URL="$source_url/postgres" DATABASES='bench_1?' "$backup_bin" run; }
loop() {
  # shellcheck disable=SC2016  # The shell that is started expands it.
  timed bash -c 'for ((n = 1; n <= $1; n++)); do DATABASE_URL=$2/bench_$n "$3" run || exit 1; done' loop \
    "$databases" "$source_url" "$backup_bin"
}

# Runs one row and appends `row wall cpu rss_kib connections` to the results.
measure() {
  local row=$1 watcher wall user sys rss
  find "$stand/s3/$S3_BUCKET" -mindepth 1 -delete
  : >"$stand/watching"
  watch_connections &
  watcher=$!
  "$row"
  rm "$stand/watching"
  wait "$watcher"
  read -r wall user sys rss <"$stand/time"
  awk -v OFS=' ' -v row="$row" -v w="$wall" -v u="$user" -v s="$sys" -v r="$rss" -v c="$(sort -n "$stand/connections" | tail -n 1)" \
    'BEGIN { print row, w, u + s, r, c }' >>"$results"
  say "  $(tail -n 1 "$results")"
}

watch_connections() {
  while [[ -e $stand/watching ]]; do
    printf '%s\n' "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid();"
    sleep 0.2
  done | psql --no-psqlrc -At "$source_url/postgres" >"$stand/connections"
}

report() {
  printf '\n%s databases of %s MiB, %s cores, PostgreSQL %s, median of %s pairs.\n\n' "$databases" "$(database_mib bench_1)" \
    "$(nproc)" "$(psql --no-psqlrc -At --command='show server_version' "$source_url/postgres" | cut -d' ' -f1)" "$rounds"
  printf '| | seconds | seconds per database | CPU seconds | peak MiB | connections |\n| --- | ---: | ---: | ---: | ---: | ---: |\n'
  line together "one \`backup run\` of all" "$databases"
  line loop 'a loop of single runs' "$databases"
  line few "one \`backup run\` of ten of them" 10
}

line() {
  grep "^$1 " "$results" | sort -n -k2 | awk -v name="$2" -v n="$3" '
    { wall[NR] = $2; cpu[NR] = $3; rss[NR] = $4; connections[NR] = $5 }
    END { m = int((NR + 1) / 2); printf "| %s | %.1f | %.2f | %.1f | %.0f | %s |\n", name, wall[m], wall[m] / n, cpu[m], rss[m] / 1024, connections[m] }'
}

main
