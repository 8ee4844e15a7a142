#!/usr/bin/env bash
# How long a page of 1,000 backups takes, and how large it is: the mean of 20, without optimisation and with it.
#
#   tests/bench/page.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/lib/install.sh
need_cargo

measure() {
  cargo test --quiet --workspace --locked --test e2e "$@" -- page::a_page_of_a_thousand --nocapture |
    grep --only-matching 'page of 1,000 backups: .*'
}

echo "debug:   $(measure)"
echo "release: $(measure --release)"
