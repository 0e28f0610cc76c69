#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The rows of growth.csv, as an ordinary user: growth.sh starts it.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
here=$(dirname "$0")
. "$here/workspace.sh"

files=(1000 10000 100000 500000) layers=(1 10 100 400) megabytes=(100 1000 8000)
if [ "${1:-}" = --quick ]; then
    files=(1000 10000) layers=(1 10 100) megabytes=(10 100)
fi

files_context() {
    context built <<<$'FROM base\nCOPY data /data/'
    small_files "$1" "$work/built/data"
}
layers_context() {
    { echo "FROM base" && seq -f "RUN echo %g >/made" "$1"; } | context built
}
megabytes_context() {
    context built <<<$'FROM base\nCOPY data /data'
    noise "${1}000000" >"$work/built/data"
}

# point AXIS SIZE: two rows, a build by an empty store and the same again
point() {
    local build=("$mlbuild" -q -t built --build-context "base=oci-layout://$work/base" "$work/built")
    "$1_context" "$2"
    touch_memory
    measure run --peak mlbuild "${build[@]}" -o "$work/built.tar" | measure csv "$1,$2,cold"
    {
        measure run --peak mlbuild "${build[@]}"
        measure run mlbuild "${build[@]}" # where it is short, only this one's time counts
    } | measure csv "$1,$2,again"
    remove_tree "$work/built" "$work/built.tar" "$MLBUILD_STORE"
}

python3 "$here/base.py" "$work/base"
echo "axis,size,step,seconds,peak_mib"
for size in "${files[@]}"; do point files "$size"; done
for size in "${layers[@]}"; do point layers "$size"; done
for size in "${megabytes[@]}"; do point megabytes "$size"; done
