#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every .c and .h is as clang-format 14 would write it. `format.sh --fix` rewrites them.
set -u
cd "$(dirname "$0")/../.." || exit 2
command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 1; }

mode="--dry-run -Werror"
[ "${1-}" = --fix ] && mode=-i
# shellcheck disable=SC2086 # two words on purpose
find cmd lib frontend snapshotter tests examples -name '*.[ch]' -print0 |
    xargs -0 -n 32 -P 2 clang-format $mode
