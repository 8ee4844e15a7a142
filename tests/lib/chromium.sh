# shellcheck shell=bash
# Debian's browser, for the tests of the pages.

# Exports CHROMIUM, the path of the program: the installed one, or one that is installed now. Without it those tests skip
# and say so.
find_chromium() {
  local log sudo=()
  if ! command -v chromium >/dev/null; then
    [[ $(id -u) -eq 0 ]] || sudo=(sudo -n)
    log=$(mktemp)
    echo "Missing on this machine: chromium. Installing with: apt-get install --no-install-recommends chromium"
    if ! timeout 600 "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      chromium fonts-liberation >"$log" 2>&1 </dev/null; then
      echo "It cannot be had; the tests that need it will be skipped:"
      tail -n 3 "$log"
    fi
    rm -f "$log"
  fi
  CHROMIUM=$(command -v chromium || true)
  export CHROMIUM
}
