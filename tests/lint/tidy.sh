#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: tidy.sh [FILE.c ...]
# clang-tidy with the checks of .clang-tidy over the given files, else over all. The flags come from
# a configuration of the preset `tidy`, since clang does not know gcc's warnings.
set -u
cd "$(dirname "$0")/../.." || exit 2
command -v clang-tidy >/dev/null || { echo "clang-tidy is not installed"; exit 1; }
command -v clang >/dev/null || { echo "clang is not installed"; exit 1; }
cmake --preset tidy >build/tidy.log 2>&1 || { cat build/tidy.log; exit 1; }

if [ $# -eq 0 ]; then
    find cmd lib frontend snapshotter -name '*.c' -print0
else
    printf '%s\0' "$@"
fi | xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet -p build/tidy 2>build/tidy.log
status=$?
grep -E 'error|Error' build/tidy.log
exit "$status"
