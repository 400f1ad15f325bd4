#!/usr/bin/env bash
# Runs the image in containers as the chart runs it (containers/): builds it, finds or makes what stands beside it, and tests.
#
#   scripts/containers.sh [FILTER…]
#
# An engine is taken where one answers; where none is and this may be done unasked (root on Debian), Docker is installed and started, and ended
# again. Where no registry is in reach, a base image is made of Debian's packages and a Postgres upon it. Skipped aloud where none of this
# can be. KEEP=1 leaves the engine and the images.
#
# The program is built outside, by the very script that the Dockerfile runs, so that what was built before is used again; the image's other
# stages are the Dockerfile's own.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MADE=quittance-test
work=$(mktemp -d)
started=

have() { command -v "$1" >/dev/null 2>&1; }

skip() {
  echo "containers: NOT TESTED: $1"
  exit 0
}

# The newest `docker` that is there: an old one cannot build.
docker() { "$client" "$@"; }

install() {
  have apt-get && [ "$(id -u)" -eq 0 ] || return 1
  echo "installing $*"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    </dev/null >"$work/install.log" 2>&1 || { tail -n 5 "$work/install.log" >&2; return 1; }
}

clean() {
  local outcome=$?
  if [ -n "${client:-}" ] && docker info >/dev/null 2>&1; then
    docker ps --all --quiet --filter label=quittance.test | xargs -r "$client" rm --force --volumes >/dev/null 2>&1 || true
    docker network ls --quiet --filter "name=^quittance-[0-9a-f]{32}$" | xargs -r "$client" network rm >/dev/null 2>&1 || true
    if [ -z "${KEEP:-}" ]; then
      docker images --quiet "$MADE/*" | sort -u | xargs -r "$client" rmi --force >/dev/null 2>&1 || true
    fi
  fi
  if [ -n "$started" ] && [ -z "${KEEP:-}" ]; then
    kill "$started" 2>/dev/null && wait "$started" 2>/dev/null || true
  fi
  rm -rf "$work"
  exit "$outcome"
}
trap clean EXIT

find_engine() {
  # The distribution's client builds with the engine that it came with.
  client=$([ -x /usr/bin/docker ] && echo /usr/bin/docker || command -v docker || true)
  if [ -n "$client" ] && docker info >/dev/null 2>&1; then
    return
  fi
  have dockerd || install docker.io iptables || skip "there is no container engine, and none can be installed unasked"
  client=$([ -x /usr/bin/docker ] && echo /usr/bin/docker || command -v docker)
  [ "$(id -u)" -eq 0 ] || skip "an engine is installed but does not run, and only root can start it"
  # One for each machine: a second would break the first one's network.
  ! pgrep -x dockerd >/dev/null || skip "an engine runs but does not answer"
  setsid dockerd >target/dockerd.log 2>&1 </dev/null &
  started=$!
  local waited
  for waited in $(seq 60); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$started" 2>/dev/null || break
    sleep 1
  done
  skip "the engine did not start within ${waited} s: $(tail -n 1 target/dockerd.log | cut -c 1-300)"
}

can_pull() { timeout 120 "$client" pull --quiet "$1" >/dev/null 2>&1; }

present() { docker image inspect "$1" >/dev/null 2>&1; }

# Debian's base, and a Postgres: as published where a registry is in reach, else made here.
find_bases() {
  base=debian:bookworm-slim
  export QUITTANCE_POSTGRES_IMAGE=postgres:17
  { present "$base" || can_pull "$base"; } && { present postgres:17 || can_pull postgres:17; } && return
  echo "no registry is in reach: making a base image and a Postgres"
  base=$MADE/debian:bookworm
  QUITTANCE_POSTGRES_IMAGE=$MADE/postgres:15
  if ! present "$base"; then
    have debootstrap || install debootstrap || skip "no registry is in reach, and debootstrap is missing"
    debootstrap --variant=minbase bookworm "$work/debian" >"$work/debootstrap.log" 2>&1 </dev/null ||
      skip "debootstrap failed: $(tail -n 1 "$work/debootstrap.log")"
    tar -C "$work/debian" -c . | docker import - "$base" >/dev/null
    rm -rf "$work/debian"
  fi
  present "$QUITTANCE_POSTGRES_IMAGE" || build "$QUITTANCE_POSTGRES_IMAGE" containers/postgres
}

build() {
  local image=$1
  shift
  DOCKER_BUILDKIT=1 docker build --quiet --tag "$image" --build-arg BASE_IMAGE="$base" "$@" >/dev/null
}

mkdir -p target
find_engine
find_bases
scripts/static.sh target/image/quittance
export QUITTANCE_IMAGE=$MADE/quittance:local
build "$QUITTANCE_IMAGE" --build-arg PROGRAM=prebuilt .
# One after the other: each has a Postgres and up to five containers of its own.
"${CARGO:-cargo}" test --package quittance-containers --test containers -- --test-threads 1 --nocapture "$@"
