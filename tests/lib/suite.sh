# shellcheck shell=bash
# Running one suite of tests/suites/ as a whole. To be sourced, after install.sh.

# Runs the test $1 of the end-to-end tests over the items that the other arguments name, or over all, and prints the table
# of what became of each. The exit status is that of the test.
run_suite() {
  local test=$1 status=0 items table
  shift
  items=$(IFS=,; echo "$*")
  table=$(mktemp)
  need postgresql curl zstd
  need_cargo
  # Programs and tests in one go, as `cargo test --workspace` does: another selection has other features.
  cargo test --workspace --locked --quiet --no-run
  SUITE=${items:-all} SUITE_TABLE=$table E2E_PREBUILT=1 RUST_BACKTRACE=0 TEST_PG_BIN=${TEST_PG_BIN:-$(find_pg_bin)} \
    cargo test --workspace --locked --quiet --test e2e "$test" -- --exact --nocapture </dev/null >&2 || status=$?
  cat "$table"
  rm -f "$table"
  return "$status"
}
