#!/usr/bin/env bash
# Shows the whole way of a backup on one machine: a real PostgreSQL database goes through `backup run`
# into an S3 bucket, `verify run` proves the backup and catches a damaged one, and then it is restored
# with stock tools alone, and compared.
#
#   ./demo.sh           everything it starts is stopped and removed at the end
#   KEEP=1 ./demo.sh    keeps both daemons running for a look at their pages, until Ctrl-C, and then the folder with
#                       the bucket and the downloads
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. tests/lib/install.sh
. tests/lib/stand.sh
. tests/lib/build.sh

step_number=0
step() {
  step_number=$((step_number + 1))
  printf '\n%s. %s\n' "$step_number" "$*"
}
say() { printf '   %s\n' "$*"; }
indent() { sed 's/^/   /'; }
fail() {
  printf '\nFAILED: %s\n' "$*" >&2
  exit 1
}
query() { psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "$@"; }
facts() { psql --no-psqlrc --file=tests/demo/facts.sql "$1"; }

main() {
  step 'Look for PostgreSQL, curl and zstd; build the programs'
  need postgresql curl zstd
  build_programs
  stand_open backup-demo
  say "PostgreSQL: $(postgres --version), ours: $("$backup_bin" --version), $("$verify_bin" --version)"

  local started=$SECONDS
  step 'Start a throwaway PostgreSQL with the sample database shop'
  start_postgres source
  local source_url=$pg_url
  query "$source_url/postgres" --command='create database shop'
  psql --no-psqlrc --file=tests/demo/sample.sql "$source_url/shop"
  facts "$source_url/shop" >"$stand/source.facts"
  say "$(count_facts table) tables, $(total_rows) rows, $(count_facts 'large object') large objects," \
    "$(query "$source_url/shop" --command="select pg_size_pretty(pg_database_size('shop'))") on 127.0.0.1:$pg_port"

  step 'Start an S3 server that checks every signature'
  start_s3 "$s3_server_bin"
  say "$S3_ENDPOINT, bucket $S3_BUCKET"

  export DATABASE_URL=$source_url/shop PG_BIN_DIR=$pg_bin LOG_FORMAT=text
  step 'backup check: is everything in place, and what will the backup not contain?'
  "$backup_bin" check 2>&1 </dev/null | indent || fail 'backup check'

  step 'backup run: make one backup'
  # Not through a pipe, so that a terminal shows the progress.
  "$backup_bin" run </dev/null || fail 'backup run'

  step 'backup list: what is in the bucket'
  "$backup_bin" list 2>&1 </dev/null | indent || fail 'backup list'

  # `verify` gets the bucket and nothing else: a DATABASE_URL would be the server to drill on.
  stop_postgres source
  unset DATABASE_URL
  export VERIFY_SPOOL_DIR=$stand
  step 'verify run: restore it into a server that lives as long as the drill, and prove it'
  "$verify_bin" run </dev/null || fail 'verify run'

  step 'verify run: the same backup with one bit flipped in the bucket'
  damaged_copy

  step 'verify: the daemon, with a page to look at'
  start_verify

  # From here on the project's programs have no part in the restore.
  step 'Restore by hand: download with curl'
  download

  step 'Restore by hand: zstd and pg_restore, into a second, empty PostgreSQL'
  start_postgres restored
  restore "$pg_url"

  step 'Compare'
  compare "$pg_url/shop"

  step 'What the page says by now'
  wait_for_page

  step "Done in $((SECONDS - started)) seconds after the build"
  where_everything_was
  [[ ${KEEP:-0} != 1 ]] || keep_running
}

# Both daemons as they would run somewhere, with a backup every five minutes, which a drill follows.
keep_running() {
  local port
  step 'Both daemons go on, until Ctrl-C'
  restart_postgres source || fail 'the source does not start again'
  port=$(free_port)
  DATABASE_URL=$source_url/shop PORT=$port BACKUP_SCHEDULE='*/5 * * * *' RUN_ON_STARTUP=true \
    "$backup_bin" </dev/null >"$stand/backup.log" 2>&1 &
  stand_daemons+=("$!")
  say "backup: http://127.0.0.1:$port/, its log in $stand/backup.log"
  say "verify: $page, its log in $stand/verify.log"
  wait -n "${stand_daemons[@]}" || true
  tail -n 5 "$stand/backup.log" "$stand/verify.log" | indent
  fail 'a daemon has ended'
}

count_facts() { grep -c "^$1|" "$stand/source.facts"; }
total_rows() { awk '/^table\|/ { sub(/.*\|/, ""); rows += $1 } END { print rows }' "$stand/source.facts"; }

# Flips a bit in the middle of the stored dump, drills, and puts the byte back.
damaged_copy() {
  local dump position byte status=0
  dump=$(find "$stand/s3/$S3_BUCKET" -name 'shop.dump.zst')
  position=$(($(stat --format=%s "$dump") / 2))
  byte=$(od -An -tu1 -j"$position" -N1 "$dump" | tr -d ' ')
  say "byte $position of $(basename "$dump"): $byte becomes $((byte ^ 1))"
  put_byte "$dump" "$position" $((byte ^ 1))
  "$verify_bin" run </dev/null || status=$?
  put_byte "$dump" "$position" "$byte"
  say "exit code $status"
  [[ $status -eq 1 ]] || fail 'the damaged copy was not found to be one'
}

# Starts the daemon, whose first drill begins at once.
start_verify() {
  local port
  port=$(free_port)
  page=http://127.0.0.1:$port/
  PORT=$port RUN_ON_STARTUP=true VERIFY_ATTEST=true "$verify_bin" </dev/null >"$stand/verify.log" 2>&1 &
  stand_daemons+=("$!")
  say "as long as this goes on: $page"
}

wait_for_page() {
  local words
  for _ in {1..120}; do
    words=$(curl --silent "$page" | grep -o '<h1>.*</h1>' | sed 's/<[^>]*>//g' || true)
    [[ $words != Proven* ]] || break
    sleep 1
  done
  say "$words"
  [[ $words == Proven* ]] || { indent <"$stand/verify.log"; fail 'the daemon has proven nothing'; }
}

# Writes the byte with the value $3 at the position $2 of the file $1.
put_byte() {
  # shellcheck disable=SC2059  # The format is the byte.
  printf "\\x$(printf %x "$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Downloads the newest backup. A backup exists if its manifest exists, and ids sort by time.
download() {
  local keys newest
  keys=$(s3_curl "$S3_ENDPOINT/$S3_BUCKET?list-type=2&prefix=postgres-backups%2Fshop%2F" |
    grep -o '<Key>[^<]*</Key>' | sed 's/<[^>]*>//g')
  newest=$(grep '/manifest\.json$' <<<"$keys" | sort | tail -n 1)
  [[ -n $newest ]] || fail 'no manifest.json in the bucket'
  backup_folder=${newest%/manifest.json}
  mkdir "$stand/download"
  say "curl --aws-sigv4 aws:amz:$S3_REGION:s3 --user KEY:SECRET -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -O"
  local name
  for name in manifest.json shop.dump.zst globals.sql.zst; do
    say "  $S3_ENDPOINT/$S3_BUCKET/$backup_folder/$name"
    s3_curl --output "$stand/download/$name" "$S3_ENDPOINT/$S3_BUCKET/$backup_folder/$name"
  done
  for name in shop.dump.zst globals.sql.zst; do
    grep --quiet "$(sha256sum <"$stand/download/$name" | cut -d' ' -f1)" "$stand/download/manifest.json" ||
      fail "sha256sum of $name is not the one in the manifest"
  done
  say 'sha256sum of both files: as the manifest says'
}

restore() {
  local url=$1 dump=$stand/download/shop.dump
  zstd --quiet -d "$dump.zst" -o "$dump"
  say 'zstd -d globals.sql.zst -c | psql postgres'
  # The role that initdb made is in the way of its own copy, which is expected and the only complaint.
  zstd --quiet -d "$stand/download/globals.sql.zst" -c | psql --no-psqlrc --quiet "$url/postgres" 2>&1 >/dev/null |
    grep -v 'role "postgres" already exists' >"$stand/globals.errors" || true
  [[ ! -s $stand/globals.errors ]] || { indent <"$stand/globals.errors"; fail 'globals.sql did not restore cleanly'; }
  say 'zstd -d shop.dump.zst'
  say 'createdb --template=template0 shop'
  createdb --maintenance-db="$url/postgres" --template=template0 shop
  # Section by section: pg_restore --jobs alone may create a trigger of a partitioned table before the
  # rows of its partitions are in, and the trigger then changes them.
  local section
  for section in pre-data data post-data; do
    say "pg_restore --exit-on-error --jobs=2 --section=$section --dbname=shop shop.dump"
    pg_restore --exit-on-error --jobs=2 --section="$section" --dbname="$url/shop" "$dump" || fail 'pg_restore'
  done
}

# Compares the restored database with what the source was, and with what the manifest promises.
compare() {
  facts "$1" >"$stand/restored.facts"
  psql --no-psqlrc --set=manifest_file="$stand/download/manifest.json" --file=tests/demo/promised.sql "$1" >"$stand/promised"
  awk -f tests/demo/compare.awk "$stand/promised" "$stand/source.facts" "$stand/restored.facts" | indent ||
    fail 'what came back is not what was there'
}

where_everything_was() {
  say "source:    database shop, $(query "$pg_url/shop" --command='select version()' | cut -d, -f1), in $stand/source"
  say "bucket:    $S3_ENDPOINT/$S3_BUCKET, in $stand/s3, the backup under $backup_folder/"
  say "downloads: $stand/download"
  say "restored:  database shop of a second server, in $stand/restored"
  [[ ${KEEP:-0} == 1 ]] || say 'All of it is removed now. KEEP=1 ./demo.sh keeps both daemons running, and the folder.'
}

main
