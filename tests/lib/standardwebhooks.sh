# shellcheck shell=bash
# standardwebhooks: what the authors of Standard Webhooks verify messages with, for the tests of signatures.

# Exports STANDARDWEBHOOKS, the path of a Python that has it, or nothing if it cannot be installed: then those tests skip
# and say so. Needs pip.sh.
find_standardwebhooks() {
  local folder
  folder=$(install_with_pip standardwebhooks 'the verifier of Standard Webhooks' 'the tests of signatures')
  [[ -z $folder ]] || export STANDARDWEBHOOKS=$folder/bin/python3
}
