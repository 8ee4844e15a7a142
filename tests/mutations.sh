#!/usr/bin/env bash
# Changes one thing in a restored database, in each way that tests/suites/mutations/ has, and drills it: as a plain role
# and as a superuser. Prints a table of what became of each.
#
#   tests/mutations.sh                   all of them
#   tests/mutations.sh M002 M214/role    these, the second in one mode only
#
# The exit status is 0 if the drill turned red on each but those in tests/suites/mutations.known. SUITE_JOBS drills run at
# once (2).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/lib/install.sh
. tests/lib/suite.sh

run_suite suites::mutations::a_drill_sees_every_mutation_but_those_that_the_documents_name "$@"
