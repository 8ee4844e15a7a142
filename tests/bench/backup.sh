#!/usr/bin/env bash
# Measures `backup run` against the floor and against what others do, and prints Markdown tables.
#
#   BENCH_MB=2048   size of the database by pg_database_size
#   ROUNDS=3        rounds over all rows; a table shows the median of each row
#
# The floor is what PostgreSQL needs to put the dump out at all: pg_dump into nothing. Every row has the
# same two cores for the PostgreSQL server, the S3 server and its own processes. The rows take turns,
# because machines have moods that outlast a row.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/lib/install.sh
. tests/lib/stand.sh
. tests/lib/build.sh
. tests/bench/common.sh

bench_mb=${BENCH_MB:-2048}
rounds=${ROUNDS:-3}

main() {
  need postgresql curl gzip aws:awscli /usr/bin/time:time
  build_programs
  stand_open backup-bench
  start_source
  server_pid=$(postmaster_pid source)
  start_s3 "$s3_server_bin"
  export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$S3_SECRET_ACCESS_KEY
  export AWS_DEFAULT_REGION=$S3_REGION AWS_EC2_METADATA_DISABLED=true
  export PG_BIN_DIR=$pg_bin LOG_FORMAT=text
  results=$stand/results
  : >"$results"

  make_database quarter $((bench_mb / 4))
  make_database bench "$bench_mb"

  local recipient passphrase
  recipient=$("$backup_bin" keygen 2>/dev/null | sed -n 's/^# public key: //p')
  passphrase=$(random_hex 32)

  # The first pass warms the cache and is not counted.
  say "warm up"
  pg_dump -Fc -Z0 "$source_url/quarter" >/dev/null
  pg_dump -Fc -Z0 "$source_url/bench" >/dev/null
  sleep 1 # as in `measure`
  local round
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    measure quarter floor floor
    measure quarter zstd backup_run
    measure bench floor floor
    measure bench zstd backup_run
    measure bench age backup_run AGE_RECIPIENTS="$recipient"
    measure bench cbc backup_run BACKUP_ENCRYPTION=true BACKUP_ENCRYPTION_KEY="$passphrase"
    measure bench gzip backup_run COMPRESSION=gzip COMPRESSION_LEVEL=6
    measure bench pipe dump_gzip_upload
    measure bench file dump_file_upload
  done
  report
}

# The rows. Each is a command of its own, so that GNU time sees it and all its children.
floor() { timed pg_dump -Fc -Z0 "$source_url/$1"; }
backup_run() {
  local database=$1
  shift
  timed env "$@" DATABASE_URL="$source_url/$database" "$backup_bin" run
}
dump_gzip_upload() { timed tests/bench/others.sh pipe "$source_url/$1" "$S3_ENDPOINT" "s3://$S3_BUCKET/others/$1.sql.gz"; }
dump_file_upload() { timed tests/bench/others.sh file "$source_url/$1" "$S3_ENDPOINT" "s3://$S3_BUCKET/others/$1.dump" "$stand/spool.dump"; }

# Runs one row and appends `database row wall cpu rss_kib stored_bytes server_cpu s3_cpu` to the results.
measure() {
  local database=$1 row=$2 server_before s3_before wall user sys rss stored
  shift 2
  empty_bucket
  server_before=$(children_cpu "$server_pid")
  s3_before=$(own_cpu "$stand_s3_pid")
  "$1" "$database" "${@:2}"
  sleep 0.5 # The server reaps its session a moment after the client has gone.
  read -r wall user sys rss <"$stand/time"
  stored=$(find "$stand/s3/$S3_BUCKET" -type f -size +1M -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')
  awk -v OFS=' ' -v d="$database" -v row="$row" -v w="$wall" -v u="$user" -v s="$sys" -v r="$rss" -v b="$stored" \
    -v server="$(children_cpu "$server_pid") $server_before" -v s3="$(own_cpu "$stand_s3_pid") $s3_before" \
    'BEGIN { split(server, a); split(s3, c); print d, row, w, u + s, r, b, a[1] - a[2], c[1] - c[2] }' >>"$results"
  say "  $(tail -n 1 "$results")"
}

empty_bucket() { find "$stand/s3/$S3_BUCKET" -mindepth 1 -delete; }

report() {
  printf '\nDatabase of %s MiB, %s cores, PostgreSQL %s, median of %s rounds.\n\n' "$(database_mib bench)" "$(nproc)" \
    "$(psql --no-psqlrc -At --command='show server_version' "$source_url/postgres" | cut -d' ' -f1)" "$rounds"
  awk -v database=bench -f tests/bench/median.awk -f tests/bench/report.awk "$results"
  printf '\nThe same with a database of %s MiB: memory must not grow with the database.\n\n' "$(database_mib quarter)"
  awk -v database=quarter -f tests/bench/median.awk -f tests/bench/report.awk "$results"
}

main
