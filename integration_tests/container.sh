#!/usr/bin/env bash
# Builds the image and runs the tests of it: `make docker`.
#
# On a Docker engine, if one answers, with the real base image. Else with podman and runc, which need no daemon, and a stand-in
# for the base image that is made of Debian's packages (the same Debian, the same Python); both are installed where apt can.
# Exit code 3 means that neither is to be had here. `container.sh FILE` also saves the tested image, but not one on a stand-in.
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE=airbyte/source-retently:dev
SUITE=bookworm # Python 3.11, as in the real base
STAND_IN=localhost/python-connector-base-stand-in:$SUITE
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

step() { # NAME COMMAND… : runs it and says how long it took
    local name=$1 started=$SECONDS
    shift
    "$@" > "$WORK/step.log" 2>&1 || { cat "$WORK/step.log" >&2; echo "FAILED: $name" >&2; exit 1; }
    echo "$name: $((SECONDS - started)) s"
}

install_podman() {
    command -v podman runc mmdebstrap > /dev/null && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo "No Docker engine answers, and podman, runc and mmdebstrap are not installed: install one of both." >&2
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
    podman image exists "$STAND_IN" && return
    mmdebstrap --quiet --variant=minbase --aptopt='APT::Install-Recommends "false"' \
        --include=python3,python3-pip,python3-venv,python-is-python3,ca-certificates,adduser,tzdata \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$SUITE" "$WORK/rootfs.tar"
    # With this machine's certificate authorities: pip has to reach the index as it does here.
    cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$WORK/ca-certificates.crt"
    cat > "$WORK/Dockerfile" << 'BASE'
FROM scratch
ADD rootfs.tar /
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > /etc/pip.conf \
 && adduser --quiet --uid 1000 --system --group --no-create-home airbyte \
 && install -d -o airbyte -g airbyte /airbyte /secrets /config
ENV LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
BASE
    podman build --quiet --pull=never --tag "$STAND_IN" "$WORK"
}

if docker info > /dev/null 2>&1; then
    export ENGINE=docker
    step "build the image on the real base" docker build --quiet --tag "$IMAGE" .
else
    install_podman
    configure_podman
    export ENGINE=podman
    step "make a stand-in for the base image, $SUITE" make_stand_in
    step "build the image on it" podman build --quiet --pull=never --build-arg BASE_IMAGE="$STAND_IN" --tag "$IMAGE" .
    export BASE_IMAGE=$STAND_IN
fi
IMAGE=$IMAGE .venv/bin/python -m pytest integration_tests/test_container.py -o addopts= -m container -v -rP --no-header
[ -z "${1:-}" ] || if [ -z "${BASE_IMAGE:-}" ]; then
    step "save the image" "$ENGINE" save --output "$WORK/image.tar" "$IMAGE"
    gzip --no-name --stdout "$WORK/image.tar" > "$1"
else
    echo "The image was tested on a stand-in for its base, so it is not saved."
fi
