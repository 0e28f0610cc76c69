# SPDX-License-Identifier: Apache-2.0
# A place for stores, contexts and outputs that goes away with the script (sourced), and what all contexts
# are made from.
# shellcheck shell=bash disable=SC2034 # $mlbuild is for the caller
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mlbuild=$top/build/release/mlbuild
work=$BENCH_DIR/$$
mkdir -p "$work/tmp"
mkdir -m 700 "$work/run"
servers=()
# Without a runtime directory the peers look for credentials in /run/containers, which root's podman may have closed.
export MLBUILD_STORE=$work/store TMPDIR=$work/tmp XDG_RUNTIME_DIR=$work/run

# Stores hold files of the user's sub-ids.
remove_tree() { unshare --map-auto --map-root-user rm -rf "$@"; }

finish() {
    for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    remove_tree "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

measure() { python3 "$top/tests/bench/measure.py" "$@"; }

# A virtual machine's host gives it memory at the first touch, which takes longer than to fill it: all that is free
# goes to the page cache once, from where it is had quickly.
touch_memory() {
    local free holes
    free=$(awk '$1 == "MemFree:" { print $2 }' /proc/meminfo)
    holes=$(mktemp -p "$work" holes.XXXXXX)
    truncate --size "${free}K" "$holes"
    cat "$holes" >/dev/null
}

# noise BYTES: does not compress, and is the same in every run
noise() {
    openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c "$1" || true
}

# small_files COUNT DIR: a hundred in a folder, 3 KiB of text each
small_files() {
    python3 "$top/tests/bench/small_files.py" "$@"
}

# context NAME < DOCKERFILE: makes $work/NAME
context() {
    mkdir -p "$work/$1"
    cat >"$work/$1/Dockerfile"
}
