#!/usr/bin/env bash
# How most scripts make a backup, and how a person restores one, for the benchmarks:
#
#   others.sh pipe DATABASE_URL S3_ENDPOINT S3_URL          plain SQL through gzip into the bucket
#   others.sh file DATABASE_URL S3_ENDPOINT S3_URL FILE     an archive into FILE, then into the bucket
#   others.sh restore SERVER_URL DATABASE FILE              the archive in FILE into a new database
#   others.sh steps FOLDER KEY                              what a drill does, without the comparing: the object of
#                                                           KEY into a file with both digests, a new server in
#                                                           FOLDER, a restore, every row read back
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
  steps)
    cd "$(dirname "${BASH_SOURCE[0]}")/../.."
    . tests/lib/stand.sh
    stand=$2
    server=$stand/steps
    # In any case, nothing stays: neither the server nor its files.
    trap 'kill -QUIT "$(head -n 1 "$server/pg/data/postmaster.pid")" 2>/dev/null || true; wait; rm -rf "$server"' EXIT
    mkdir -m 711 "$server"
    s3_curl "$S3_ENDPOINT/$S3_BUCKET/$3" | tee >(sha256sum >"$server/stored") | zstd -dc | tee "$server/dump" |
      sha256sum >"$server/plain"
    mkdir "$server/pg"
    [[ $(id -u) -ne 0 ]] || chown postgres:postgres "$server/pg"
    as_server initdb --pgdata="$server/pg/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
      --no-sync >/dev/null
    # Not by `start_postgres`: only of a child is the CPU time in what GNU time reports. The settings are those of
    # crates/core/src/postgres/throwaway/settings.rs that cost or save time.
    as_server postgres -D "$server/pg/data" -c listen_addresses= -c unix_socket_directories="$server/pg" \
      -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 \
      -c wal_skip_threshold=0 -c max_wal_size=2GB -c checkpoint_timeout=1d -c autovacuum=off -c jit=off \
      -c shared_buffers=256MB -c maintenance_work_mem=512MB >"$server/log" 2>&1 &
    server_shell=$!
    export PGHOST=$server/pg PGUSER=postgres
    until pg_isready --quiet; do
      kill -0 "$server_shell" 2>/dev/null || { cat "$server/log" >&2; exit 1; }
      sleep 0.02
    done
    createdb --template=template0 restored
    pg_restore --exit-on-error --jobs=2 --dbname=restored --section=pre-data --section=data "$server/dump"
    pg_restore --exit-on-error --jobs=2 --dbname=restored --section=post-data "$server/dump"
    # Two sessions: one has the largest table, the other one all others.
    export PGDATABASE=restored
    tables="select format('copy %s to stdout;', oid::regclass) from pg_class
      where relkind = 'r' and relnamespace = 'public'::regnamespace order by pg_table_size(oid) desc"
    copy=(psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1)
    psql --no-psqlrc -Atc "$tables limit 1" | "${copy[@]}" >/dev/null &
    reader=$!
    psql --no-psqlrc -Atc "$tables offset 1" | "${copy[@]}" >/dev/null
    wait "$reader"
    ;;
esac
