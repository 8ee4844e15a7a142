# shellcheck shell=bash
# Where the project's own programs come from.

# Builds them for release and sets `backup_bin` and `s3_server_bin`. Where BACKUP_BIN and S3_SERVER_BIN
# name programs that exist already, those are taken and nothing is built.
build_programs() {
  backup_bin=${BACKUP_BIN:-}
  s3_server_bin=${S3_SERVER_BIN:-}
  [[ -z $backup_bin || -z $s3_server_bin ]] || return 0
  need_cargo
  cargo build --release --locked --quiet -p backup -p e2e --bin backup --bin s3-server </dev/null
  local target
  target=$(cargo metadata --format-version 1 --no-deps --locked | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
  backup_bin=${backup_bin:-$target/release/backup}
  s3_server_bin=${s3_server_bin:-$target/release/s3-server}
}
