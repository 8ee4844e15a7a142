#!/usr/bin/env bash
# Runs every test of the workspace and ends with one line: `N passed, N failed, N skipped`.
#
# A test that cannot run on this machine appends `SKIPPED: name: reason` to the file named by SKIP_LOG;
# those lines are shown and counted before the end. Further arguments go to `cargo test`.
# If Docker answers, both images are built and tested, too, unless CONTAINERS=off.
# FAILURE_LOG, if set, names a file to which what failed is appended, with the first and the last lines of what each said.
# TEST_PG_BIN names the folder of the PostgreSQL to test with; else the newest installed one is taken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/lib/install.sh
. tests/lib/pip.sh
. tests/lib/moto.sh
. tests/lib/aiosmtpd.sh
. tests/lib/standardwebhooks.sh
. tests/lib/prometheus.sh
. tests/lib/chromium.sh
. tests/lib/kubernetes.sh
. tests/lib/faketime.sh
. tests/lib/images.sh

need postgresql curl zstd openssl gzip age jq aws:awscli
need_cargo
find_moto
find_aiosmtpd
find_standardwebhooks
find_prometheus
find_chromium
find_kubernetes
find_faketime
find_images
TEST_PG_BIN=${TEST_PG_BIN:-$(find_pg_bin)}
SKIP_LOG=$(mktemp)
output=$(mktemp)
# Hundreds of servers are made and removed, thousands of files each, which a third of all time goes into on a disk.
memory=
if [[ -z ${TMPDIR:-} && -w /dev/shm && $(df --output=avail --block-size=1G /dev/shm | tail -n 1) -ge 8 ]]; then
  memory=$(mktemp -d /dev/shm/XXXXXX)
  chmod 1777 "$memory"
  export TMPDIR=$memory
fi
trap 'rm -rf "$SKIP_LOG" "$output" "$memory"' EXIT
export TEST_PG_BIN SKIP_LOG
# `cargo test --workspace` builds the programs before the first test runs. Their own build by the end-to-end
# tests would compile every dependency once more, with other features.
export E2E_PREBUILT=1

status=0
cargo test --workspace --locked --no-fail-fast "$@" </dev/null 2>&1 | tee "$output" || status=$?

# Adds up one column of cargo's lines `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
count() { awk -v what="$1" '/^test result: / { for (i = 2; i <= NF; i++) if ($i == what ";") sum += $(i - 1) } END { print sum + 0 }' "$output"; }

passed=$(count passed)
failed=$(count failed)
# A test may skip several times for one reason; a skip is one name, not one line.
skips=$({ grep '^SKIPPED: ' "$SKIP_LOG" || true; sed -n 's/^test \(.*\) \.\.\. ignored\(, \)\{0,1\}/SKIPPED: \1: ignored /p' "$output"; } | sort -u)
skipped=$(grep -c . <<<"$skips" || true)

echo
[[ $skipped -eq 0 ]] || printf 'NOT EVERYTHING WAS TESTED:\n%s\n' "$skips"
if [[ $status -ne 0 && $failed -eq 0 ]]; then
  # Nothing was counted as failed, and yet cargo did: a test program did not build, or died.
  echo 'FAILED: cargo test ended with an error before or beside its tests; see above.'
  failed=1
fi
if [[ $passed -eq 0 && $status -eq 0 ]]; then
  echo 'FAILED: no test ran.'
  status=1
fi
# What a test printed stands under `---- name stdout ----`. The way to the assertion is of no use in a summary.
[[ -z ${FAILURE_LOG:-} ]] || awk '
  function flush(  i) {
    if (lines > 20) print "[...]"
    for (i = (lines > 20 ? lines - 7 : 13); i <= lines; i++) print said[i]
    lines = 0
  }
  /^---- .* stdout ----$/ { flush(); shows = 1; is_way = 0 }
  /^failures:$/ { flush(); shows = 0 }
  /^stack backtrace:$/ { is_way = 1 }
  shows && !is_way { said[++lines] = substr($0, 1, 400); if (lines <= 12) print said[lines] }
  END { flush() }' "$output" >>"$FAILURE_LOG"
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
