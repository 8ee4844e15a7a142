# shellcheck shell=bash
# Where the project's own programs come from.

# Builds them for release and sets `backup_bin` and `s3_server_bin`. Where PREBUILT_BACKUP and PREBUILT_S3_SERVER
# name programs that exist already, those are taken and nothing is built.
build_programs() {
  backup_bin=${PREBUILT_BACKUP:-}
  s3_server_bin=${PREBUILT_S3_SERVER:-}
  [[ -z $backup_bin || -z $s3_server_bin ]] || return 0
  need_cargo
  cargo build --release --locked -p backup -p e2e --bin backup --bin s3-server </dev/null
  local target
  target=$(cargo metadata --format-version 1 --no-deps --locked | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
  backup_bin=${backup_bin:-$target/release/backup}
  s3_server_bin=${s3_server_bin:-$target/release/s3-server}
}
