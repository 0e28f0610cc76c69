#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the tests need, builds, and runs everything: unit, architecture and lint tests, the unit
# tests under the sanitizers, the binary from end to end as root and as an ordinary user.
#
#     tests/run.sh [STEP...]        default: all of them but fuzz_long (10 minutes a target)
set -euo pipefail
cd "$(dirname "$0")/.."

steps=(build unit asan tsan fuzz cli conformance quickstart bench)
[ $# -eq 0 ] || steps=("$@")

examples/install-deps.sh build run test

build() { cmake --preset dev >/dev/null && cmake --build --preset dev | tail -n 1; }
unit() { ctest --preset dev -j2; }
asan() { cmake --preset asan >/dev/null && cmake --build --preset asan | tail -n 1 && ctest --preset asan -j2 -E '^(lint|arch)\.'; }
# A process under the thread sanitizer has threads of its own and cannot enter a user namespace;
# the frontend has no threads.
tsan() { cmake --preset tsan >/dev/null && cmake --build --preset tsan | tail -n 1 && ctest --preset tsan -j2 -E '^(lint|arch|frontend)\.|sandbox|userns|registry'; }
fuzz() { tests/fuzz/run.sh; }
fuzz_long() { tests/fuzz/run.sh 600; }
cli() { tests/cli/run.sh; }
conformance() { tests/conformance/run.sh && tests/conformance/run.sh --peer; }
quickstart() {
    examples/quickstart.sh >/tmp/mlbuild-quickstart.log 2>&1 || { cat /tmp/mlbuild-quickstart.log; return 1; }
    tests/ml_cache.sh
}
bench() { tests/bench/run.sh --quick; }

for step in "${steps[@]}"; do
    printf '\n== %s\n' "$step"
    started=$SECONDS
    "$step"
    printf '== %s: %d s\n' "$step" $((SECONDS - started))
done
printf '\nall passed: %s (%d s)\n' "${steps[*]}" "$SECONDS"
