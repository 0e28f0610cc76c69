#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets and runs each of them, two at a time. What crashed stays in build/fuzz.
#
#     tests/fuzz/run.sh [SECONDS]       default: 20
#
# Seeds are the golden cases; what a run learns stays in build/fuzz/corpus-* for the next one.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-20}
out=build/fuzz

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz | tail -n 1
mkdir -p $out/corpus-{parser,expander,ignore,toml,archive}

n=0
for file in tests/golden/*/*/Dockerfile; do
    n=$((n + 1))
    cp "$file" "$out/corpus-parser/seed-$n"
done
# Every word with a `$`, read in each of the four ways.
n=0
grep -hoE '[^ ]*\$[^ ]*' tests/golden/*/*/Dockerfile | sort -u | while read -r word; do
    for how in 0 1 2 3; do
        n=$((n + 1))
        printf '%s%s' "$how" "$word" >"$out/corpus-expander/seed-$n"
    done
done
printf '*\n!a/b\n**/c\n[a-z]?\n#x\n a \n\\*\na/b/c\n' >$out/corpus-ignore/seed-1
printf '**/*.o\n!**/keep.o\n/\n.\nx**\n**y\na/**/z\n' >$out/corpus-ignore/seed-2
printf '[[registry]]\nprefix = "*.x"\nmirror = [{ location = "a", insecure = true }]\n' >$out/corpus-toml/seed-1
printf 'a.b = """\nx\\\n  y"""\n[c]\nd = [1, 0x2, -3,]\n[[e.f]]\n[e.g]\n' >$out/corpus-toml/seed-2
python3 tests/fuzz/archive_seeds.py $out/corpus-archive
rm -rf $out/tmp && mkdir $out/tmp # the stores that archives are loaded into
export TMPDIR=$PWD/$out/tmp

run() {
    "$out/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$out/$1-" -print_final_stats=1 "$out/corpus-$1" >"$out/$1.log" 2>&1 ||
        { tail -n 60 "$out/$1.log"; return 1; }
    printf '%-10s %s runs\n' "$1" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$1.log")"
}
(run parser && run toml && run archive) & first=$!
run expander && run ignore || { wait $first; exit 1; }
wait $first
