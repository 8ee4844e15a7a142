# shellcheck shell=bash
# Where the project's own programs come from.

# Builds them for release and sets `backup_bin`, `verify_bin` and `s3_server_bin`. If PREBUILT_BACKUP,
# PREBUILT_VERIFY and PREBUILT_S3_SERVER name programs that exist already, those are taken; with all three,
# nothing is built.
build_programs() {
  backup_bin=${PREBUILT_BACKUP:-}
  verify_bin=${PREBUILT_VERIFY:-}
  s3_server_bin=${PREBUILT_S3_SERVER:-}
  [[ -z $backup_bin || -z $verify_bin || -z $s3_server_bin ]] || return 0
  need_cargo
  cargo build --release --locked -p backup -p verify -p s3-server </dev/null
  local target
  target=$(cargo metadata --format-version 1 --no-deps --locked | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
  backup_bin=${backup_bin:-$target/release/backup}
  # shellcheck disable=SC2034  # Not every script that sources this drills.
  verify_bin=${verify_bin:-$target/release/verify}
  s3_server_bin=${s3_server_bin:-$target/release/s3-server}
}
