# shellcheck shell=bash
# moto: a server for S3 and IAM that enforces policies, for the tests of rights.

# Installs it with pip, pinned, into a folder below the target directory, unless it is there. Exports
# MOTO_SERVER, the path of its program, or nothing if it cannot be installed: then those tests skip and say so.
find_moto() {
  local here wanted folder log
  here=$(dirname "${BASH_SOURCE[0]}")
  wanted=$(cksum <"$here/moto-requirements.txt" | cut -d' ' -f1)
  folder=${CARGO_TARGET_DIR:-target}/moto-$wanted
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  if [[ ! -e $folder/complete ]]; then
    log=$(mktemp)
    echo "Installing the policy engine of the tests into $folder"
    if ! { python3 -m venv "$folder" &&
      timeout 600 "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        --requirement "$here/moto-requirements.txt" && : >"$folder/complete"; } >"$log" 2>&1 </dev/null; then
      echo "It cannot be installed (python3 with venv and pip are needed); the tests of rights will be skipped:"
      tail -n 3 "$log"
      rm -f "$log"
      return 0
    fi
    rm -f "$log"
  fi
  export MOTO_SERVER=$folder/bin/moto_server
}
