#!/usr/bin/env bash
# Tries what a release does, as far as that goes without Docker, a registry and Helm: .github/release/release. Ends with
# the number of checks, or with the first one that fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

release=.github/release/release
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
export DRY_RUN=1 IMAGES=ghcr.io/owner/repository VERSION=$version REVISION=0123abc SOURCE=https://example.com/x DIGESTS=$scratch

checks=0
# check WHAT COMMAND...: the command succeeds.
check() {
  local what=$1
  shift
  "$@" || { echo "FAILED: $what" >&2; exit 1; }
  checks=$((checks + 1))
}
refuses() { ! "$@" >/dev/null 2>&1; }
# A copy of the repository's files that a release reads, to change some of them.
copy() {
  rm -rf "$scratch/copy"
  mkdir -p "$scratch/copy/.github" "$scratch/copy/deploy"
  cp -R .github/release "$scratch/copy/.github/"
  cp -R deploy/helm "$scratch/copy/deploy/"
  cp CHANGELOG.md "$scratch/copy/"
}

# The text of a release is one section of the changelog, whole, and nothing of the next.
copy
cat >"$scratch/copy/CHANGELOG.md" <<'END'
# Changelog

## [1.1.0] - 2026-12-24

### Added

- One thing, with `## [1.0.0]` in it.

## [1.0.0] - 2026-11-29

- Another.

## [0.9.0]

[1.1.0]: https://example.com/1.1.0
END
expected=$'\n### Added\n\n- One thing, with `## [1.0.0]` in it.'
check 'notes of the newest version' test "$("$scratch/copy/$release" notes 1.1.0)" = "$expected"
check 'notes of an older version' test "$("$scratch/copy/$release" notes 1.0.0)" = $'\n- Another.'
check 'a version without a text' refuses "$scratch/copy/$release" notes 0.9.0
check 'an unknown version' refuses "$scratch/copy/$release" notes 1.1
check 'notes of this version' test -n "$($release notes "$version")"

# Base images are those of both Dockerfiles, and a release without digests does not start.
base() { sed -n 's/^FROM \([^ ]*\).*/\1/p' "$@" | sed 's/@.*//' | sort -u; }
check 'base images' test "$(base .github/release/base-images/Dockerfile)" = "$(base services/*/Dockerfile)"
digest=sha256:$(printf '%064d' 7)
copy
sed -i "s|^\(FROM [^@]*\).*|\1|" "$scratch/copy/.github/release/base-images/Dockerfile"
check 'no digests' refuses "$scratch/copy/$release" pinned
check 'a build without digests' refuses "$scratch/copy/$release" build amd64
sed -i "0,/^FROM /s|^\(FROM .*\)|\1@$digest|" "$scratch/copy/.github/release/base-images/Dockerfile"
check 'one digest of two' refuses "$scratch/copy/$release" build amd64
sed -i "s|^\(FROM [^@]*\)$|\1@$digest|" "$scratch/copy/.github/release/base-images/Dockerfile"

# Twelve images for one architecture, each with everything that is promised of it.
"$scratch/copy/$release" build arm64 >"$scratch/builds"
check 'twelve builds' test "$(wc -l <"$scratch/builds")" -eq 12
for wanted in '--platform linux/arm64' '--provenance mode=max' '--sbom true' 'push-by-digest=true' \
  "image.version=$version" "debian:trixie-slim=docker-image://debian:trixie-slim@$digest" \
  "rust:1.95-slim-trixie=docker-image://rust:1.95-slim-trixie@$digest"; do
  check "$wanted in each build" test "$(grep --count --fixed-strings -- "$wanted" "$scratch/builds")" -eq 12
done
check 'builds with all versions' test "$(grep --count --fixed-strings 'PG_MAJORS=14\ 15\ 16\ 17\ 18' "$scratch/builds")" -eq 2
for major in 14 15 16 17 18; do
  check "builds of $major" test "$(grep --count "PG_MAJORS=$major --" "$scratch/builds")" -eq 2
done
# As many as the Dockerfiles build without an argument.
check 'versions of the Dockerfiles' test "$(grep --count --fixed-strings 'ARG PG_MAJORS="14 15 16 17 18"' services/*/Dockerfile | grep --count ':1$')" -eq 2

# Both architectures of each under its tags.
for service in backup verify; do
  for variant in full pg14 pg15 pg16 pg17 pg18; do
    for architecture in amd64 arm64; do
      echo "sha256:$service-$variant-$architecture" >"$scratch/$service-$variant-$architecture"
    done
  done
done
$release publish >"$scratch/published" 2>"$scratch/tags"
check 'twelve images are published' test "$(wc -l <"$scratch/published")" -eq 12
minor=${version%.*}
wanted="docker buildx imagetools create --tag $IMAGES/verify:$version-pg17 --tag $IMAGES/verify:$minor-pg17 --tag $IMAGES/verify:latest-pg17 $IMAGES/verify@sha256:verify-pg17-amd64 $IMAGES/verify@sha256:verify-pg17-arm64 "
check 'the tags of verify for 17' grep --quiet --line-regexp --fixed-strings -- "$wanted" "$scratch/tags"
wanted="docker buildx imagetools create --tag $IMAGES/backup:$version --tag $IMAGES/backup:$minor --tag $IMAGES/backup:latest $IMAGES/backup@sha256:backup-full-amd64 $IMAGES/backup@sha256:backup-full-arm64 "
check 'the tags of backup' grep --quiet --line-regexp --fixed-strings -- "$wanted" "$scratch/tags"
VERSION=2.0.0-rc.1 $release publish >/dev/null 2>"$scratch/tags"
check 'a version before a release has one tag' test "$(grep --count --only-matching -- --tag "$scratch/tags")" -eq 12
check 'and is never the latest' refuses grep latest "$scratch/tags"
rm "$scratch/verify-pg18-arm64"
check 'an architecture is missing' refuses $release publish

# What is pulled of an image.
index='{"manifests": [
  {"digest": "sha256:a", "platform": {"architecture": "unknown"}},
  {"digest": "sha256:b", "platform": {"architecture": "arm64"}},
  {"digest": "sha256:c", "platform": {"architecture": "amd64"}}]}'
check 'the image for amd64' test "$($release amd64_of <<<"$index")" = sha256:c
check 'the size of an image' test "$($release bytes_of <<<'{"config": {"size": 1}, "layers": [{"size": 20}, {"size": 300}]}')" -eq 321
check 'a table of sizes' test "$($release sizes | grep --count '^| .*MB |$')" -eq 12

# The chart knows where its images are; another version than its own is not pushed.
chart=$($release chart 2>/dev/null | tail -n 1) || { echo "FAILED: the chart" >&2; exit 1; }
check 'the place of the images' grep --quiet --line-regexp --fixed-strings "  repository: $IMAGES" "$chart/postgres-backup/values.yaml"
check 'nothing else is changed' test "$(diff -r deploy/helm/postgres-backup "$chart/postgres-backup" | grep --count '^[<>]')" -eq 2
rm -rf "$chart"
check 'a chart of another version' refuses env VERSION=9.9.9 $release chart

check 'an unknown command' refuses $release everything
echo "$checks passed, 0 failed"
