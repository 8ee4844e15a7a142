# shellcheck shell=bash
# Prometheus and its Alertmanager, and promtool: the checks of metrics and alert rules, and the way of an alert.

# Exports PROMTOOL, PROMETHEUS and ALERTMANAGER, the paths of the programs: the installed ones, or those that are unpacked
# from Debian's packages into a folder below the target directory. The packages are not installed, since that would start
# servers on this machine. What cannot be had is exported as nothing: then the tests that need it skip and say so.
find_prometheus() {
  local folder log
  folder=${CARGO_TARGET_DIR:-target}/prometheus
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  export PROMTOOL PROMETHEUS ALERTMANAGER
  PROMTOOL=$(command -v promtool || true)
  PROMETHEUS=$(command -v prometheus || true)
  ALERTMANAGER=$(command -v prometheus-alertmanager || command -v alertmanager || true)
  log=$(mktemp)
  if [[ -z $PROMTOOL || -z $PROMETHEUS ]] && unpack_package "$folder" prometheus usr/bin/promtool >"$log" 2>&1; then
    PROMTOOL=$folder/usr/bin/promtool
    PROMETHEUS=$folder/usr/bin/prometheus
  fi
  if [[ -z $ALERTMANAGER ]] &&
    unpack_package "$folder" prometheus-alertmanager usr/bin/prometheus-alertmanager >>"$log" 2>&1; then
    ALERTMANAGER=$folder/alertmanager
    make_alertmanager "$folder" && "$ALERTMANAGER" --version >>"$log" 2>&1 || ALERTMANAGER=
  fi
  if [[ -z $PROMTOOL || -z $PROMETHEUS || -z $ALERTMANAGER ]]; then
    echo "Prometheus cannot be had (apt-get download prometheus prometheus-alertmanager); tests will be skipped:"
    tail -n 3 "$log"
  fi
  rm -f "$log"
}

# Debian's Alertmanager reads a template at a fixed path. It gets the unpacked one there, in a view of the files of its own.
make_alertmanager() {
  cat >"$1/alertmanager" <<'END'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
exec unshare --mount -- /bin/sh -c \
  'mount --bind "$0/usr/share" /usr/share && exec "$0/usr/bin/prometheus-alertmanager" "$@"' "$here" "$@"
END
  chmod +x "$1/alertmanager"
}

# Unpacks a package of Debian into a folder, unless the program that is wanted of it is there.
unpack_package() {
  local folder=$1 package=$2 program=$3
  [[ ! -x $folder/$program ]] || return 0
  echo "Unpacking $package into $folder"
  (cd "$folder" && timeout 300 apt-get download "$package" && dpkg -x "$package"_*.deb . && rm "$package"_*.deb &&
    [[ -x $program ]]) </dev/null
}
