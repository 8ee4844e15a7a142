# shellcheck shell=bash
# moto: a server for S3 and IAM that enforces policies, for the tests of rights.

# Exports MOTO_SERVER, the path of its program, or nothing if it cannot be installed: then those tests skip and say so.
# Needs pip.sh.
find_moto() {
  local folder
  folder=$(install_with_pip moto 'the policy engine of the tests' 'the tests of rights')
  [[ -z $folder ]] || export MOTO_SERVER=$folder/bin/moto_server
}
