#!/usr/bin/env bash
# Backs up, drills and restores each unusual but good database of tests/suites/good/, compares it with its source and with
# what stock tools make of it, and prints a table of what became of each.
#
#   tests/good-databases.sh              all of them
#   tests/good-databases.sh FA01 FA22    these
#
# The exit status is 0 if all of it went well but what tests/suites/good.known names. SUITE_JOBS databases are tried at
# once (2).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/lib/install.sh
. tests/lib/suite.sh

run_suite suites::good::every_good_database_is_backed_up_drilled_and_restored_as_it_was "$@"
