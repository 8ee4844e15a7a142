#!/usr/bin/env bash
# Measures `backup run` or `verify run` of two builds, one after the other and in turn, and prints the ratio of their
# medians. So a change of the program shows, and a mood of the machine does not.
#
#   tests/bench/versions.sh OLD NEW   two programs `backup`, or two programs `verify`
#   PREBUILT_BACKUP=PROGRAM           what makes the backup for two programs `verify`
#   BENCH_MB=512                      size of the database
#   ROUNDS=7                          rounds
set -euo pipefail
[[ $# -eq 2 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 64; }
old=$(realpath "$1")
new=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/lib/install.sh
. tests/lib/stand.sh
. tests/lib/build.sh
. tests/bench/common.sh

main() {
  local rounds=${ROUNDS:-7} round name
  need postgresql /usr/bin/time:time
  # Only the S3 server may have to be built, and for drills what makes the backup.
  [[ $(basename "$new") == verify ]] || export PREBUILT_BACKUP=$new
  PREBUILT_VERIFY=$new build_programs
  stand_open versions-bench
  start_source
  start_s3 "$s3_server_bin"
  export PG_BIN_DIR=$pg_bin LOG_FORMAT=text
  make_database bench "${BENCH_MB:-512}"
  export DATABASE_URL=$source_url/bench
  pg_dump -Fc -Z0 "$DATABASE_URL" >/dev/null # fills the cache
  if [[ $(basename "$new") == verify ]]; then
    "$backup_bin" run >/dev/null 2>"$stand/stderr" </dev/null || { tail -n 20 "$stand/stderr" >&2; exit 1; }
    unset DATABASE_URL
    export VERIFY_JOBS=2 VERIFY_SPOOL_DIR=$stand
  fi
  for ((round = 1; round <= rounds; round++)); do
    measure old "$old"
    measure new "$new"
  done
  printf '\n%s MiB, %s rounds, %s cores; medians, and the new build over the old one.\n\n' "$(database_mib bench)" "$rounds" \
    "$(nproc)"
  printf '| | old | new | ratio |\n| --- | ---: | ---: | ---: |\n'
  for name in wall:2 cpu:3 peak:4; do row "${name%:*}" "${name#*:}"; done
}

# One run of the program $2 by the name $1; a backup goes into an empty bucket.
measure() {
  local wall user sys rss
  [[ $(basename "$2") == verify ]] || find "$stand/s3/$S3_BUCKET" -mindepth 1 -delete
  touch_memory
  timed "$2" run
  read -r wall user sys rss <"$stand/time"
  printf '%s %s %s %s\n' "$1" "$wall" "$(awk -v a="$user" -v b="$sys" 'BEGIN { print a + b }')" "$((rss / 1024))" |
    tee -a "$stand/results" >&2
}

median() { awk -v who="$1" -v field="$2" '$1 == who { print $field }' "$stand/results" | sort -n |
  awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

row() {
  local before after
  before=$(median old "$2")
  after=$(median new "$2")
  awk -v what="$1" -v a="$before" -v b="$after" 'BEGIN { printf "| %s | %s | %s | %.2f |\n", what, a, b, b / a }'
}

main
