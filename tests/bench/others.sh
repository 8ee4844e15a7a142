#!/usr/bin/env bash
# How most scripts make a backup, for the benchmark:
#
#   others.sh pipe DATABASE_URL S3_ENDPOINT S3_URL          plain SQL through gzip into the bucket
#   others.sh file DATABASE_URL S3_ENDPOINT S3_URL FILE     an archive into FILE, then into the bucket
set -euo pipefail
case $1 in
  pipe) pg_dump "$2" | gzip | aws --endpoint-url "$3" s3 cp --quiet - "$4" ;;
  file)
    trap 'rm -f "$5"' EXIT
    pg_dump -Fc "$2" >"$5"
    aws --endpoint-url "$3" s3 cp --quiet "$5" "$4"
    ;;
esac
