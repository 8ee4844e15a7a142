# shellcheck shell=bash
# aiosmtpd: a real mail server with TLS and a login, for the tests of messages by mail.

# Exports AIOSMTPD, the path of a Python that has it, or nothing if it cannot be installed: then those tests skip and say
# so. Needs pip.sh.
find_aiosmtpd() {
  local folder
  folder=$(install_with_pip aiosmtpd 'the mail server of the tests' 'the tests of mail')
  [[ -z $folder ]] || export AIOSMTPD=$folder/bin/python3
}
