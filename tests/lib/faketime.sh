# shellcheck shell=bash
# A clock that tests set: libfaketime.

# Exports LIBFAKETIME, the path of the library: the installed one, or one that is unpacked from Debian's package into a
# folder below the target directory. Without it, the tests that need it skip and say so.
find_faketime() {
  local folder log
  LIBFAKETIME=$(faketime_below /usr/lib)
  if [[ -z $LIBFAKETIME ]]; then
    folder=${CARGO_TARGET_DIR:-target}/faketime
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    log=$(mktemp)
    [[ -n $(faketime_below "$folder/usr/lib") ]] || (
      echo "Unpacking libfaketime into $folder"
      cd "$folder" && timeout 300 apt-get download libfaketime && dpkg -x libfaketime_*.deb . && rm libfaketime_*.deb
    ) >"$log" 2>&1 </dev/null || true
    LIBFAKETIME=$(faketime_below "$folder/usr/lib")
    if [[ -z $LIBFAKETIME ]]; then
      echo "libfaketime cannot be had (apt-get download libfaketime); tests will be skipped:"
      tail -n 3 "$log"
    fi
    rm -f "$log"
  fi
  export LIBFAKETIME
}

# The variant for programs with threads, or nothing. The folder between is that of the machine's architecture.
faketime_below() { find "$1" -path '*/faketime/libfaketimeMT.so.1' 2>/dev/null | head -n 1; }
