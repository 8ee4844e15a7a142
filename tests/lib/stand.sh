# shellcheck shell=bash
# A throwaway stand: PostgreSQL servers and an S3 server on loopback, everything in one folder.
#
# A script sources this after install.sh, calls `stand_open` once, and may then start servers. All that was
# started is stopped and the folder is removed when the script ends, in whichever way it ends.

stand=             # the folder
stand_clusters=()  # data folders of running servers
stand_s3_pid=
stand_daemons=()   # processes of services

stand_open() {
  umask 077
  stand=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
  # The servers run as another user and must be able to walk through, but not to look around.
  chmod 711 "$stand"
  trap stand_close EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  pg_bin=$(find_pg_bin)
  PATH=$pg_bin:$PATH
}

stand_close() {
  local status=$? cluster daemon
  trap '' INT TERM HUP
  for daemon in "${stand_daemons[@]}"; do
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  done
  for cluster in "${stand_clusters[@]}"; do
    as_server pg_ctl stop --silent --wait --mode=immediate --pgdata="$cluster" >/dev/null 2>&1 || true
  done
  if [[ -n $stand_s3_pid ]]; then
    kill "$stand_s3_pid" 2>/dev/null || true
    wait "$stand_s3_pid" 2>/dev/null || true
  fi
  if [[ ${KEEP:-0} == 1 ]]; then
    echo "Kept: $stand"
  else
    rm -rf "$stand"
  fi
  exit "$status"
}

# Runs a server program as a user that PostgreSQL accepts: it refuses root.
as_server() {
  if [[ $(id -u) -eq 0 ]]; then
    (cd "$stand" && setpriv --reuid=postgres --regid=postgres --clear-groups env PATH="$PATH" "$@")
  else
    "$@"
  fi
}

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# Prints a port of loopback that is free just now.
free_port() {
  local port
  for _ in {1..50}; do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  return 1
}

# Starts an empty server called $1 with a password of its own, with further settings as `name=value`.
# Sets `pg_port` and `pg_url`, the connection string up to the name of the database.
start_postgres() {
  local name=$1 setting password
  shift
  local folder=$stand/$name options="-c listen_addresses=127.0.0.1"
  # A throwaway server need not survive a power cut.
  for setting in fsync=off "$@"; do options+=" -c $setting"; done
  password=$(random_hex 16)
  mkdir "$folder"
  printf '%s' "$password" >"$folder/password"
  [[ $(id -u) -ne 0 ]] || chown -R postgres:postgres "$folder"
  as_server initdb --pgdata="$folder/data" --username=postgres --pwfile="$folder/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$stand/$name.initdb.log" 2>&1 ||
    { cat "$stand/$name.initdb.log" >&2; return 1; }

  # Another process may take the port between the look and the start, so a start gets a few attempts.
  stand_clusters+=("$folder/data")
  for _ in {1..5}; do
    pg_port=$(free_port)
    # shellcheck disable=SC2034  # Read by the scripts that source this.
    pg_url="postgresql://postgres:$password@127.0.0.1:$pg_port"
    if as_server pg_ctl start --silent --wait --timeout=60 --pgdata="$folder/data" \
      --log="$folder/server.log" -o "$options -p $pg_port -k $folder" >/dev/null 2>&1; then
      return
    fi
  done
  tail -n 20 "$folder/server.log" >&2
  return 1
}

stop_postgres() {
  as_server pg_ctl stop --silent --wait --mode=fast --pgdata="$stand/$1/data" >/dev/null
}

# Starts the stopped server $1 again, where it was.
restart_postgres() {
  as_server pg_ctl restart --silent --wait --timeout=60 --pgdata="$stand/$1/data" --log="$stand/$1/server.log" >/dev/null 2>&1
}

# Starts the S3 server of the test harness ($1) and exports the `S3_*` variables that lead to it.
start_s3() {
  local line
  export S3_BUCKET=backups S3_REGION=us-east-1
  S3_ACCESS_KEY_ID=$(random_hex 10)
  S3_SECRET_ACCESS_KEY=$(random_hex 20)
  export S3_ACCESS_KEY_ID S3_SECRET_ACCESS_KEY
  mkdir "$stand/s3"
  : >"$stand/s3.log"
  "$1" --root "$stand/s3" --port 0 --bucket "$S3_BUCKET" --access-key "$S3_ACCESS_KEY_ID" \
    --secret-key "$S3_SECRET_ACCESS_KEY" >"$stand/s3.log" 2>&1 </dev/null &
  stand_s3_pid=$!
  for _ in {1..100}; do
    line=$(grep --max-count=1 '^listening on ' "$stand/s3.log" || true)
    if [[ -n $line ]]; then
      export S3_ENDPOINT=${line#listening on }
      return
    fi
    kill -0 "$stand_s3_pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "The S3 server did not start:" >&2
  cat "$stand/s3.log" >&2
  return 1
}

# Asks the bucket with curl, which signs the request; the keys stay out of the list of processes. S3
# wants the header, and the curl of Debian 12 does not send it by itself.
s3_curl() {
  curl --silent --show-error --fail --aws-sigv4 "aws:amz:$S3_REGION:s3" \
    --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
    --config <(printf 'user = "%s:%s"\n' "$S3_ACCESS_KEY_ID" "$S3_SECRET_ACCESS_KEY") "$@"
}
