# shellcheck shell=bash
# kubernetes-validate, which knows the schemas of Kubernetes, and Helm as a library: the checks of deploy/.

# Exports KUBERNETES_VALIDATE and HELM_LIBRARY, each the path of a Python that has it, or nothing if it cannot be
# installed: then the tests that need it skip and say so. Needs pip.sh.
find_kubernetes() {
  local folder
  folder=$(install_with_pip kubernetes 'the schemas of Kubernetes' 'the tests of deploy/')
  [[ -z $folder ]] || export KUBERNETES_VALIDATE=$folder/bin/python3
  folder=$(install_with_pip helm 'Helm' 'the tests of the chart')
  [[ -z $folder ]] || export HELM_LIBRARY=$folder/bin/python3
}
