# SPDX-License-Identifier: Apache-2.0
# What the benchmarks start from (sourced, in the top folder): builds the programs, and lets scripts run as
# an ordinary user, who may not be able to read the source tree: started by root, as a throw-away one.
# shellcheck shell=bash source-path=SCRIPTDIR/../..
. tests/cli/user.sh

# Two at once would measure each other.
exec {lock}>"/var/tmp/mlbuild-bench-$(id -u).lock"
flock --nonblock "$lock" || { echo "another benchmark is running" >&2 && exit 1; }

# The Python base of the examples: the quickstart's own, where it has run.
python_base=${QUICKSTART_DIR:-/var/tmp/mlbuild-quickstart-$(id -u)}/python-base

build_programs() {
    cmake --preset release >/dev/null && cmake --build --preset release >/dev/null
    cmake --preset dev >/dev/null && cmake --build --preset dev --target floors >/dev/null
}

make_python_base() {
    [ -e "$python_base/index.json" ] || examples/python-base.sh "$python_base" >/dev/null
}

# ordinary_user SCRIPT ARGS...: runs tests/bench/SCRIPT
ordinary_user() {
    local prefix=() top=$PWD user home=$HOME
    user=$(id -un)
    if [ "$user" = root ]; then
        user=mlbuild-bench
        make_test_user "$user"
        home=$(getent passwd "$user" | cut -d: -f6)
        top=$home/tree
        copy_tree "$top"
        own_file_system "$home/bench"
        chown -R "$user" "$top" "$home/bench"
        [ "$1" != table.sh ] || start_dockerd "$home/bench" "$user"
        prefix=(setpriv --reuid "$user" --regid "$user" --init-groups)
    fi
    (cd / && "${prefix[@]}" env -i HOME="$home" USER="$user" PATH="$PATH" BENCH_DIR="$home/bench" \
        BENCH_PYTHON_BASE="$python_base" ${DOCKER_HOST:+"DOCKER_HOST=$DOCKER_HOST"} \
        ${BUILDX_BUILDER:+"BUILDX_BUILDER=$BUILDX_BUILDER"} "$top/tests/bench/$1" "${@:2}")
}

copy_tree() {
    rm -rf "$1"
    mkdir -p "$1/tests" "$1/examples" "$1/build/release" "$1/build/dev/tests"
    cp -r tests/bench "$1/tests/"
    cp -r examples/ml-serve "$1/examples/"
    cp build/release/mlbuild "$1/build/release/"
    cp build/dev/tests/floors "$1/build/dev/tests/"
}

# own_file_system DIR: a fresh one, where this host has loop devices. On a used one the same row takes ten times
# as long at some times: an ext4 without a journal keeps off inodes that were deleted minutes ago, and online
# discard makes deleting slow. The image has no name, so that it is gone once it is unmounted, and gives back
# what is deleted in it (after a commit of its journal, which no row waits for).
own_file_system() {
    local image=/var/tmp/mlbuild-bench.img loop
    umount "$1" 2>/dev/null || true
    mkdir -p "$1"
    truncate --size 64G "$image"
    mkfs.ext4 -q -F "$image"
    if loop=$(losetup --find --show --direct-io=on "$image" 2>/dev/null); then
        mount -o noatime,noinit_itable,discard "$loop" "$1"
        losetup --detach "$loop"
        # shellcheck disable=SC2064 # the directory of now
        trap "umount '$1'" EXIT
    fi
    rm "$image"
}

# start_dockerd DIR USER: docker's BuildKit, where docker with buildx is installed and no other one was named: with
# containerd's store, which exports OCI layouts, in DIR, and with control groups of version 2 alone, since crun
# starts only so: a link to it that is named runc is BuildKit's best case.
start_dockerd() {
    local run try dockerd
    [ -z "${DOCKER_HOST-}${BUILDX_BUILDER-}" ] || return 0
    command -v dockerd >/dev/null && docker buildx version >/dev/null 2>&1 || return 0
    run=$(mktemp -d /var/tmp/mlbuild-bench-dockerd-XXXXXX)
    chmod 755 "$run"
    echo '{"features": {"containerd-snapshotter": true}, "builder": {"gc": {"enabled": false}}}' >"$run/daemon.json"
    # shellcheck disable=SC2016 # of the inner shell
    unshare --mount sh -c 'umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"' - \
        dockerd --config-file "$run/daemon.json" --data-root "$1/dockerd" --exec-root "$run/exec" \
        --pidfile "$run/pid" --host "unix://$run/socket" --group "$2" \
        --iptables=false --ip6tables=false --bridge=none >"$run/log" 2>&1 &
    dockerd=$!
    export DOCKER_HOST=unix://$run/socket
    # shellcheck disable=SC2064 # what they are now
    trap "kill $dockerd; wait $dockerd; rm -rf '$run' '$1/dockerd'; umount '$1' 2>/dev/null || true" EXIT
    for try in $(seq 100); do
        ! docker info 2>/dev/null | grep -q io.containerd.snapshotter || return 0
        sleep 0.1
    done
    echo "no BuildKit: dockerd, tried $try times, has no store of containerd: $(tail -n 1 "$run/log")" >&2
    unset DOCKER_HOST
}
