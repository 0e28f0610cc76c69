#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [FILE.bats...]: the tests of the command line, with $MLBUILD (default build/dev/mlbuild), as an
# ordinary user with sub-ids. Started by root, it makes such a user (mlbuild-test) and runs the tests as
# that user, then root.bats as root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mlbuild=$(realpath "${MLBUILD:-$here/../../build/dev/mlbuild}")
user=mlbuild-test
. "$here/user.sh"

missing=()
for program in bats python3 busybox skopeo umoci podman buildah setfattr script docker-registry htpasswd newuidmap; do
    command -v "$program" > /dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "run.sh: not installed: ${missing[*]}" >&2
    exit 1
fi

names=("$@")
[ ${#names[@]} -gt 0 ] || names=("$here"/*.bats)
files=()
for name in "${names[@]}"; do
    [ "$(basename "$name")" = root.bats ] || files+=("$(basename "$name")")
done

suite=$(mktemp -d /tmp/mlbuild-cli.XXXXXX)
dockerd=
finish() {
    trap - EXIT
    if [ -n "$dockerd" ]; then
        kill "$dockerd" 2> /dev/null || true
        wait "$dockerd" 2> /dev/null || true
    fi
    rm -rf "$suite" 2> /dev/null ||
        unshare --user --map-auto --map-root-user rm -rf "$suite"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# The user may not be able to read the source tree.
mkdir "$suite/tests" "$suite/tmp"
cp -r "$here" "$suite/tests/cli"
cp -r "$here/../registry" "$suite/tests/registry"
cp "$mlbuild" "$suite/mlbuild"
chmod 755 "$suite" "$suite/mlbuild"
chmod 1777 "$suite/tmp"
chmod -R a+rX "$suite/tests"

suite_bats() { # COMMAND-PREFIX... -- FILE...
    local prefix=()
    while [ "$1" != -- ]; do
        prefix+=("$1")
        shift
    done
    shift
    (cd "$suite/tests/cli" &&
        "${prefix[@]}" env MLBUILD="$suite/mlbuild" TMPDIR="$suite/tmp" \
            MLBUILD_TEST_DOCKER="${docker_host:-}" MLBUILD_TEST_NO_DOCKER="${no_docker:-}" \
            python3 reaper.py bats --timing "$@")
}

start_docker() {
    docker_host=
    no_docker="docker.io is not installed"
    command -v dockerd > /dev/null && command -v docker > /dev/null || return 0
    mkdir "$suite/docker"
    dockerd --host "unix://$suite/docker.sock" --data-root "$suite/docker/data" \
        --exec-root "$suite/docker/exec" --pidfile "$suite/docker/pid" --group "$(id -gn "$user")" \
        --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs \
        > "$suite/docker/log" 2>&1 &
    dockerd=$!
    no_docker="dockerd does not start on this host"
    for _ in $(seq 100); do
        kill -0 "$dockerd" 2> /dev/null || return 0
        if docker --host "unix://$suite/docker.sock" version > /dev/null 2>&1; then
            docker_host=unix://$suite/docker.sock
            return 0
        fi
        sleep 0.2
    done
}

if [ "$(id -u)" -ne 0 ]; then
    no_docker="dockerd needs root"
    [ ${#files[@]} -eq 0 ] || suite_bats -- "${files[@]}"
    exit
fi

make_test_user "$user"
case " ${files[*]-} " in *" output.bats "*) start_docker ;; esac
code=0
if [ ${#files[@]} -gt 0 ]; then
    suite_bats setpriv --reuid "$user" --regid "$user" --init-groups --reset-env -- "${files[@]}" || code=$?
fi
case " ${names[*]} " in
*"root.bats "*) suite_bats env -- root.bats || code=$? ;;
esac
exit $code
