# shellcheck shell=bash
# promtool: Prometheus' own checks of metrics and alert rules, for the tests of both.

# Exports PROMTOOL, the path of the program: the installed one, or one that is unpacked from Debian's package into a
# folder below the target directory. The package is not installed, since that would start a server on this machine.
# Without it those tests skip and say so.
find_promtool() {
  local folder log
  if PROMTOOL=$(command -v promtool); then
    export PROMTOOL
    return 0
  fi
  folder=${CARGO_TARGET_DIR:-target}/promtool
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  PROMTOOL=$folder/usr/bin/promtool
  if [[ ! -x $PROMTOOL ]]; then
    log=$(mktemp)
    echo "Unpacking promtool into $folder"
    if ! (cd "$folder" && timeout 300 apt-get download prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb &&
      [[ -x usr/bin/promtool ]]) >"$log" 2>&1 </dev/null; then
      echo "It cannot be had (apt-get download prometheus); the tests that need it will be skipped:"
      tail -n 3 "$log"
      rm -f "$log"
      PROMTOOL=
      return 0
    fi
    rm -f "$log"
  fi
  export PROMTOOL
}
