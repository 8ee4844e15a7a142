# shellcheck shell=bash
# The images that the tests in containers need.

# The S3 server beside which the images are tested.
garage_image=dxflrs/garage:v2.5.0

# Sets `image_missing` to what cannot be had, or to nothing.
image_missing=
need_image() {
  docker image inspect "$1" >/dev/null 2>&1 && return
  timeout 600 docker pull --quiet "$1" >/dev/null 2>&1 </dev/null && return
  image_missing=$1
  return 1
}

# Builds both images and, of every version of PostgreSQL in MAJORS that can be had, one with its tools. Exports
# E2E_MAJORS, those versions, and E2E_STORE, the image of the S3 server; or E2E_NO_IMAGES, why there are none:
# then the tests in containers skip and say so. CONTAINERS=off leaves them out.
find_images() {
  local store=$garage_image major
  [[ ${S3_STORE:-garage} != minio ]] || store=quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z
  if [[ ${CONTAINERS:-on} == off ]]; then
    export E2E_NO_IMAGES='CONTAINERS=off'
  elif ! timeout 30 docker version >/dev/null 2>&1; then
    export E2E_NO_IMAGES='Docker does not answer'
  elif ! docker compose version >/dev/null 2>&1 || ! docker buildx version >/dev/null 2>&1; then
    export E2E_NO_IMAGES='docker compose or docker buildx is not installed'
  elif ! { need_image rust:1.95-slim-trixie && need_image debian:trixie-slim && need_image "$store" &&
    need_image postgres:17 && need_image postgres:18; }; then
    export E2E_NO_IMAGES="the image $image_missing cannot be had"
  else
    build_image backup:e2e services/backup/Dockerfile PG_MAJORS=17
    build_image verify:e2e services/verify/Dockerfile PG_MAJORS=17
    E2E_MAJORS=
    for major in ${MAJORS:-13 14 15 16 17 18}; do
      if need_image "postgres:$major"; then
        build_image "postgres-$major:e2e" tests/containers/Dockerfile "MAJOR=$major"
        E2E_MAJORS+="$major "
      fi
    done
    export E2E_MAJORS E2E_STORE=$store
  fi
}

# A build that fails is no reason to skip: the tests of that image would be red. It has a second attempt, since it
# fetches packages over the network.
build_image() {
  local log attempt
  log=$(mktemp)
  echo "Building the image $1"
  for attempt in 1 2; do
    if docker build --quiet --file "$2" --build-arg "$3" --tag "$1" . >"$log" 2>&1 </dev/null; then
      rm -f "$log"
      return
    fi
    echo "Attempt $attempt failed:" >&2
    tail -n 40 "$log" >&2
  done
  rm -f "$log"
  echo "FAILED: the image $1 cannot be built" >&2
  exit 1
}
