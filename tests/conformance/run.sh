#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [--peer] [CASE...]: the conformance cases (README.md) with $MLBUILD (default build/dev/mlbuild),
# as an ordinary user; --peer asks buildah the same questions.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mlbuild=$(realpath "${MLBUILD:-$here/../../build/dev/mlbuild}")
user=mlbuild-test
. "$here/../cli/user.sh"

suite=$(mktemp -d /tmp/mlbuild-conformance.XXXXXX)
finish() {
    trap - EXIT
    rm -rf "$suite" 2> /dev/null || unshare --user --map-auto --map-root-user rm -rf "$suite"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# The user may not be able to read the source tree.
mkdir "$suite/tests" "$suite/tmp"
cp -r "$here/../cli" "$suite/tests/cli"
cp -r "$here" "$suite/tests/conformance"
cp "$mlbuild" "$suite/mlbuild"
chmod 755 "$suite" "$suite/mlbuild"
chmod 1777 "$suite/tmp"
chmod -R a+rX "$suite/tests"

prefix=()
if [ "$(id -u)" -eq 0 ]; then
    make_test_user "$user"
    prefix=(setpriv --reuid "$user" --regid "$user" --init-groups --reset-env)
fi
cd "$suite/tests/conformance"
"${prefix[@]}" env MLBUILD="$suite/mlbuild" TMPDIR="$suite/tmp" LC_ALL=C.UTF-8 python3 run.py "$@"
