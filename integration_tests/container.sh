#!/usr/bin/env bash
# Builds the image and runs the tests of it: `make docker`.
#
# The engine is the Docker engine that answers; else one that this script starts and ends, where root has dockerd; else podman with
# runc, which need no daemon, and are installed where apt can. Only the first has the real base image. The others get a stand-in
# that is made of Debian's packages (the same Debian, the same Python). Exit code 3: no engine could be found or installed.
# ENGINE=podman uses podman in any case.
# `container.sh FILE` also saves the tested image, but not one on a stand-in.
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE=airbyte/source-retently:dev
SUITE=bookworm # Python 3.11, as in the real base
STAND_IN=localhost/python-connector-base-stand-in:$SUITE
WORK=$(mktemp -d)
DOCKERD=
finish() {
    if [ -n "$DOCKERD" ]; then
        kill "$DOCKERD" 2> /dev/null && wait "$DOCKERD" || true
        umount "$WORK"/exec/netns/* 2> /dev/null || true # dockerd leaves it behind
    fi
    rm -rf "$WORK"
}
trap finish EXIT

step() { # NAME COMMAND… : runs it and says how long it took
    local name=$1 started=$SECONDS
    shift
    "$@" > "$WORK/step.log" 2>&1 || { cat "$WORK/step.log" >&2; echo "FAILED: $name" >&2; exit 1; }
    echo "$name: $((SECONDS - started)) s"
}

# As far as a container lets it: without a bridge and firewall rules.
start_docker() {
    [ "$(id -u)" = 0 ] && [ -n "$(command -v docker)" ] && [ -n "$(command -v dockerd)" ] && [ -n "$(command -v mmdebstrap)" ] || return
    export DOCKER_HOST=unix://$WORK/docker.sock DOCKER_BUILDKIT=0
    dockerd --host "$DOCKER_HOST" --data-root "$WORK/data" --exec-root "$WORK/exec" --pidfile "$WORK/docker.pid" \
        --bridge=none --iptables=false --ip6tables=false > "$WORK/dockerd.log" 2>&1 &
    DOCKERD=$!
    for _ in {1..150}; do
        docker info > /dev/null 2>&1 && return
        kill -0 "$DOCKERD" 2> /dev/null || break
        sleep 0.2
    done
    echo "dockerd did not start, so podman is tried: $(tail -1 "$WORK/dockerd.log")" >&2
    unset DOCKER_HOST DOCKER_BUILDKIT
    return 1
}

install_podman() {
    [ -n "$(command -v podman)" ] && [ -n "$(command -v runc)" ] && [ -n "$(command -v mmdebstrap)" ] && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo "No Docker engine answers, and podman, runc and mmdebstrap are not installed: install Docker, or these three." >&2
        exit 3
    fi
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends podman runc mmdebstrap; } > "$WORK/apt.log" 2>&1 ||
        { tail -5 "$WORK/apt.log" >&2; echo "No Docker engine answers, and podman can't be installed." >&2; exit 3; }
}

configure_podman() {
    # What a container in a container may not do: raise its limits, use the cgroup tree (crun insists on it, runc does not).
    local files processes most
    files=$(ulimit -Hn) processes=$(cat /proc/sys/kernel/pid_max) most=$(ulimit -Hu)
    [ "$files" = unlimited ] && files=65536
    [ "$most" != unlimited ] && [ "$most" -lt "$processes" ] && processes=$most
    cat > "$WORK/containers.conf" << CONF
[containers]
netns = "host"
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
    export CONTAINERS_CONF=$WORK/containers.conf
}

make_stand_in() {
    "$ENGINE" image inspect "$STAND_IN" > /dev/null 2>&1 && return
    mkdir "$WORK/base"
    mmdebstrap --quiet --variant=minbase --aptopt='APT::Install-Recommends "false"' \
        --include=python3,python3-pip,python3-venv,python-is-python3,ca-certificates,adduser,tzdata \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$SUITE" "$WORK/base/rootfs.tar"
    # With this machine's certificate authorities: pip has to reach the index as it does here.
    cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$WORK/base/ca-certificates.crt"
    cat > "$WORK/base/Dockerfile" << 'BASE'
FROM scratch
ADD rootfs.tar /
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > /etc/pip.conf \
 && adduser --quiet --uid 1000 --system --group --no-create-home airbyte \
 && install -d -o airbyte -g airbyte /airbyte /secrets /config
ENV LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
BASE
    "$ENGINE" build --quiet ${BUILD[@]+"${BUILD[@]}"} --tag "$STAND_IN" "$WORK/base"
}

unset BASE_IMAGE
BUILD=()
if [ "${ENGINE:-}" != podman ] && docker info > /dev/null 2>&1; then
    export ENGINE=docker
    named="the Docker engine that answers"
elif [ "${ENGINE:-}" != podman ] && start_docker; then
    export ENGINE=docker BASE_IMAGE=$STAND_IN
    BUILD=(--network=host)
    named="a Docker engine started for this test"
else
    install_podman
    configure_podman
    export ENGINE=podman BASE_IMAGE=$STAND_IN
    BUILD=(--pull=never)
    named="podman"
fi
echo "engine: $named, $("$ENGINE" version --format '{{.Server.Version}}' 2> /dev/null || "$ENGINE" --version)"
if [ -n "${BASE_IMAGE:-}" ]; then
    step "make a stand-in for the base image, $SUITE" make_stand_in
    BUILD+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
fi
step "build the image on ${BASE_IMAGE:-the real base}" "$ENGINE" build --quiet ${BUILD[@]+"${BUILD[@]}"} --tag "$IMAGE" .
IMAGE=$IMAGE .venv/bin/python -m pytest integration_tests/test_container.py integration_tests/test_standard.py -o addopts= \
    -m "container or image_tests" --connector-image "$IMAGE" -v -rPs --no-header
[ -z "${1:-}" ] || if [ -z "${BASE_IMAGE:-}" ]; then
    step "save the image" "$ENGINE" save --output "$WORK/image.tar" "$IMAGE"
    gzip --no-name --stdout "$WORK/image.tar" > "$1"
else
    echo "The image was tested on a stand-in for its base, so it is not saved."
fi
