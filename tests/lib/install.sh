# shellcheck shell=bash
# What the scripts need beyond Rust: found, or installed through apt after saying so.

# Prints the folder of PostgreSQL's server programs, the newest major first; fails if there is none.
find_pg_bin() {
  local folder
  for folder in ${PG_BIN_DIR:+"$PG_BIN_DIR"} \
    $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) \
    "$(pg_config --bindir 2>/dev/null || true)" \
    "$(dirname "$(command -v initdb || true)")"; do
    if [[ -x $folder/initdb && -x $folder/postgres && -x $folder/pg_dump ]]; then
      echo "$folder"
      return
    fi
  done
  return 1
}

has_tool() {
  case $1 in
    postgresql) find_pg_bin >/dev/null ;;
    /*) [[ -x $1 ]] ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# Makes sure that every tool is there. An argument is `tool` or `tool:package` if the names differ;
# the tool `postgresql` stands for the server and its clients, a path for that very file.
need() {
  local want missing=() sudo=()
  for want in "$@"; do
    has_tool "${want%%:*}" || missing+=("${want##*:}")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  local command="apt-get install --no-install-recommends ${missing[*]}"
  if ! command -v apt-get >/dev/null; then
    echo "Missing on this machine, and there is no apt to install it with: ${missing[*]}" >&2
    exit 69
  fi
  if [[ $(id -u) -ne 0 ]]; then
    # Only a sudo that asks nothing: a script that waits for a password looks like one that hangs.
    if ! sudo -n true 2>/dev/null; then
      echo "Missing on this machine: ${missing[*]}. As root, run" >&2
      echo "  $command" >&2
      echo "and start this again." >&2
      exit 69
    fi
    sudo=(sudo -n)
  fi

  echo "Missing on this machine: ${missing[*]}. Installing with: $command"
  local log
  log=$(mktemp)
  # A package list that does not refresh is no reason to stop: what is on the machine may do.
  "${sudo[@]}" apt-get update >"$log" 2>&1 </dev/null || true
  if ! "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
    --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "apt-get could not install: ${missing[*]}" >&2
    exit 69
  fi
  rm -f "$log"
  for want in "$@"; do
    has_tool "${want%%:*}" || { echo "Still missing after the installation: ${want%%:*}" >&2; exit 69; }
  done
}

need_cargo() {
  command -v cargo >/dev/null && return
  if [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    return
  fi
  echo "Rust is missing: install it with rustup (https://rustup.rs) and start this again." >&2
  exit 69
}
