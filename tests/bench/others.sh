#!/usr/bin/env bash
# How most scripts make a backup, and how a person restores one, for the benchmarks:
#
#   others.sh pipe DATABASE_URL S3_ENDPOINT S3_URL          plain SQL through gzip into the bucket
#   others.sh file DATABASE_URL S3_ENDPOINT S3_URL FILE     an archive into FILE, then into the bucket
#   others.sh restore SERVER_URL DATABASE FILE              the archive in FILE into a new database
set -euo pipefail
case $1 in
  pipe) pg_dump "$2" | gzip | aws --endpoint-url "$3" s3 cp --quiet - "$4" ;;
  file)
    trap 'rm -f "$5"' EXIT
    pg_dump -Fc "$2" >"$5"
    aws --endpoint-url "$3" s3 cp --quiet "$5" "$4"
    ;;
  restore)
    createdb --maintenance-db="$2/postgres" --template=template0 "$3"
    pg_restore --exit-on-error --jobs=2 --dbname="$2/$3" "$4"
    ;;
esac
