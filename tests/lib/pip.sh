# shellcheck shell=bash
# Python packages for the tests, each in a folder of its own below the target directory.

# Installs the pinned packages of tests/lib/$1-requirements.txt with pip, unless they are there, and prints the folder; or
# prints nothing if they cannot be installed. $2 is what they are for, and $3 what is skipped without them.
install_with_pip() {
  local here wanted folder log
  here=$(dirname "${BASH_SOURCE[0]}")
  wanted=$(cksum <"$here/$1-requirements.txt" | cut -d' ' -f1)
  folder=${CARGO_TARGET_DIR:-target}/$1-$wanted
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  if [[ ! -e $folder/complete ]]; then
    log=$(mktemp)
    echo "Installing $2 into $folder" >&2
    if ! { python3 -m venv "$folder" &&
      timeout 600 "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        --requirement "$here/$1-requirements.txt" && : >"$folder/complete"; } >"$log" 2>&1 </dev/null; then
      echo "It cannot be installed (python3 with venv and pip are needed); $3 will be skipped:" >&2
      tail -n 3 "$log" >&2
      rm -f "$log"
      return 0
    fi
    rm -f "$log"
  fi
  echo "$folder"
}
