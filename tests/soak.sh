#!/usr/bin/env bash
# Runs both daemons for long under one fault after the other, and holds what they say against what was really wrong. Prints
# figures.
#
#   tests/soak.sh             45 minutes: two pairs of daemons, one of them with an external drill server
#   tests/soak.sh 300         about so many seconds
#   SOAK_SEED=7 tests/soak.sh the same faults again
#
# The exit status is 0 if no alarm was missed, none was false and none stayed, nothing failed without a fault, and nothing has
# grown or was left. SOAK_LOGS names a folder for the logs of daemons that were found wrong.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/lib/install.sh
. tests/lib/faketime.sh

need postgresql curl zstd
need_cargo
find_faketime
seconds=${1:-2700}
figures=$(mktemp)
status=0
cargo test --workspace --locked --quiet --no-run
# A pair makes about a run every six seconds.
SOAK_SECONDS=$seconds SOAK_MIN_RUNS=$((seconds > 600 ? seconds / 12 : 0)) SOAK_FIGURES=$figures E2E_PREBUILT=1 RUST_BACKTRACE=0 \
  TEST_PG_BIN=${TEST_PG_BIN:-$(find_pg_bin)} \
  cargo test --workspace --locked --quiet --test e2e soak:: -- --nocapture </dev/null >&2 || status=$?
cat "$figures"
rm -f "$figures"
exit "$status"
