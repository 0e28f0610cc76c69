#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [FILE.bats...]: the tests of the command line, with $MLBUILD (default build/dev/mlbuild), as an
# ordinary user with sub-ids. Started by root, it makes such a user (mlbuild-test) and runs the tests as
# that user, docker.bats beside a daemon of its own, then root.bats as root; started by that user, it
# leaves those two out and says so, as it does with emulation.bats where the kernel emulates nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mlbuild=$(realpath "${MLBUILD:-$here/../../build/dev/mlbuild}")
user=mlbuild-test
. "$here/user.sh"

missing=()
as_root=()
[ "$(id -u)" -ne 0 ] || as_root=(dockerd docker)
for program in bats python3 curl busybox skopeo umoci podman buildah setfattr script docker-registry htpasswd newuidmap "${as_root[@]}"; do
    command -v "$program" > /dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "run.sh: not installed: ${missing[*]}" >&2
    exit 1
fi

# The kernel's emulators are the host's. As root this mounts where they are listed, if nobody has.
emulates_arm64() {
    local dir=/proc/sys/fs/binfmt_misc
    [ -e $dir/status ] || [ "$(id -u)" -ne 0 ] || mount -t binfmt_misc none $dir 2> /dev/null
    [ -e $dir/qemu-aarch64 ] || [ "$(id -u)" -ne 0 ] || update-binfmts --enable qemu-aarch64 2> /dev/null
    grep -qx enabled $dir/qemu-aarch64 2> /dev/null
}

names=("$@")
[ ${#names[@]} -gt 0 ] || names=("$here"/*.bats)
files=()
for name in "${names[@]}"; do
    name=$(basename "$name")
    case $(id -u):$name in
    0:root.bats) ;;
    *:emulation.bats)
        if [ "$(uname -m)" = aarch64 ] || emulates_arm64; then
            files+=("$name")
        else
            echo "run.sh: the kernel has no emulator for arm64 (binfmt_misc), $name is left out" >&2
        fi
        ;;
    [1-9]*:root.bats | [1-9]*:docker.bats) echo "run.sh: $name is for root, left out" >&2 ;;
    *) files+=("$name") ;;
    esac
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
            MLBUILD_TEST_DOCKER="${docker_host:-}" \
            python3 reaper.py bats --timing "$@")
}

start_docker() {
    mkdir "$suite/docker"
    dockerd --host "unix://$suite/docker.sock" --data-root "$suite/docker/data" \
        --exec-root "$suite/docker/exec" --pidfile "$suite/docker/pid" --group "$(id -gn "$user")" \
        --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs \
        > "$suite/docker/log" 2>&1 &
    dockerd=$!
    docker_host=unix://$suite/docker.sock
    for _ in $(seq 150); do
        docker --host "$docker_host" version > /dev/null 2>&1 && return 0
        kill -0 "$dockerd" 2> /dev/null || break
        sleep 0.2
    done
    echo "run.sh: dockerd does not start:" >&2
    tail -n 20 "$suite/docker/log" >&2
    exit 1
}

if [ "$(id -u)" -ne 0 ]; then
    [ ${#files[@]} -eq 0 ] || suite_bats -- "${files[@]}"
    exit
fi

make_test_user "$user"
case " ${files[*]-} " in *" docker.bats "*) start_docker ;; esac
code=0
if [ ${#files[@]} -gt 0 ]; then
    suite_bats setpriv --reuid "$user" --regid "$user" --init-groups --reset-env -- "${files[@]}" || code=$?
fi
case " ${names[*]} " in
*"root.bats "*) suite_bats env -- root.bats || code=$? ;;
esac
exit $code
