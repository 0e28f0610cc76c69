#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The table itself, as an ordinary user: run.sh starts it.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # rows and what they start from are called by name
set -euo pipefail
here=$(dirname "$0")
. "$here/workspace.sh"
. "$here/registry.sh"
. "$here/builders.sh"
. "$here/movers.sh"

weights=$((200 << 20)) steps=50 noise=$((2 << 30)) files=50000 nap=2 ml_base=python:3.11-slim
least=3 most=7 budget=20
chosen=()
for word; do
    case $word in
    --quick)
        weights=$((8 << 20)) steps=10 noise=$((32 << 20)) files=2000 nap=0.5 ml_base=base
        least=2 most=3 budget=1
        touch_memory() { :; }
        ;;
    W[1-9] | W10) chosen+=("$word") ;;
    *) echo "usage: run.sh [--quick] [W1...W10]" >&2 && exit 2 ;;
    esac
done
[ ${#chosen[@]} -gt 0 ] || chosen=(W1 W2 W3 W4 W5 W6 W7 W8 W9 W10)

# row TITLE PREPARE CONTEXT OUTPUT: at least $least rounds, more while they take less than $budget seconds.
# In each, every builder has its turn: PREPARE BUILDER CONTEXT, untimed, then the build, or what else $verb says.
verb=build
row() {
    local round end=$((SECONDS + budget)) peak=(--peak) runs=$work/runs.json
    : >"$runs"
    for round in $(seq "$most"); do
        [ "$round" -le "$least" ] || [ "$SECONDS" -lt "$end" ] || break
        for builder in "${builders[@]}"; do
            "$2" "$builder" "$3"
            rm -f "$(out_of "$builder" tar)"
            "${builder}_$verb" "$3" "$4"
            measure run "${peak[@]}" "$builder" "${command[@]}" >>"$runs"
        done
        peak=()
    done
    measure row "$1" "${builders[@]}" <"$runs"
    ! grep -q '"mlbuild".*"failed": true' "$runs" || failed=1
}

# build BUILDER CONTEXT OUTPUT: untimed; that it failed is seen when it is timed
build() {
    "$1_build" "$2" "$3"
    "${command[@]}" >"$work/log" 2>&1 || tail -n 1 "$work/log" >&2
}

# What a row starts from.
as_it_is() { :; }
empty() { "$1_forget"; }
# "base images already pulled": unpacked as well
cold() {
    local base
    base=$(base_of "$2")
    "$1_forget"
    "$1_base" "$base"
    context warm <<<"FROM $base"$'\nRUN true'
    build "$1" warm none
}
one_byte_changed() { date +%N >"$work/$2/src/changed"; }
one_file_changed() { date +%N >"$work/$2/7/700.txt"; }
registry_empty() { restart_registry; }
built_and_registry_empty() {
    restart_registry
    cold "$@"
    build "$@" store
}

# built CONTEXT [OUTPUT]: by all builders, for the rows that begin with a build that was done before
built() {
    for builder in "${builders[@]}"; do
        "${builder}_base" "$(base_of "$1")"
        build "$builder" "$1" "${2:-none}"
    done
}

ml_context() {
    [ ! -d "$work/ml" ] || return 0
    cp -r "$top/examples/ml-serve" "$work/ml"
    noise "$weights" >"$work/ml/model/weights.safetensors"
    touch "$work/ml/src/changed"
    [ "$ml_base" = base ] || return 0
    context ml <<'END'
FROM base AS builder
WORKDIR /app
RUN mkdir /wheels && echo wheel >/wheels/a
FROM base
WORKDIR /app
COPY --from=builder /wheels /wheels
COPY model/ ./model/
COPY src/ ./src/
RUN chown -R 1000:1000 /app
CMD ["sh"]
END
}

noise_context() {
    [ ! -d "$work/noise" ] || return 0
    context noise <<<$'FROM base\nCOPY noise /noise'
    noise "$noise" >"$work/noise/noise"
}

# own_share BUILDER CONTEXT: what is left of its time without what the programs of RUN take, which no builder can
# shorten. buildah does not say what a step took.
own_share() {
    [ "$1" != buildah ] || return 0
    cold "$@"
    "$1_build" "$2" tar
    local start=${EPOCHREALTIME/./} plain=("${command[@]/#--quiet/--progress=plain}")
    "${plain[@]/#-q/--progress=plain}" >"$work/log" 2>&1 || return 0
    awk -v title="   ... $1 without the RUN steps, one run" -v total="$((${EPOCHREALTIME/./} - start))" '
        / RUN / { step[$1] }
        $2 == "DONE" && $1 in step { total -= $3 * 1e6 }
        END { printf "%-44s%10.2f s\n", title, total / 1e6 }' "$work/log"
}

W1() {
    ml_context
    row "W1 ML image, cold, to a tar" cold ml tar
    for builder in "${builders[@]}"; do own_share "$builder" ml; done
}
W2() {
    ml_context
    built ml dir
    row "W2 ... again, no export" as_it_is ml none
    row "   ... again, to a tar" as_it_is ml tar
    row "   ... again, to the directory that is there" as_it_is ml dir
}
W3() {
    ml_context
    built ml dir
    row "W3 ... one byte changed, no export" one_byte_changed ml none
    row "   ... one byte changed, to the directory" one_byte_changed ml dir
    row "   ... one byte changed, to a tar" one_byte_changed ml tar
}
W4() {
    { echo "FROM base" && seq -f "RUN true # %g" "$steps"; } | context steps
    row "W4 $steps x RUN true, cold" cold steps none
}
W5() {
    noise_context
    row "W5 COPY of $((noise >> 20)) MiB of noise, cold, to a tar" cold noise tar
    row "   ... again, to a tar" as_it_is noise tar
}
W6() {
    context files <<<$'FROM base\nCOPY . /data/'
    small_files "$files" "$work/files"
    row "W6 COPY of $files small files, cold, to a tar" cold files tar
    row "   ... again, no export" as_it_is files none
    row "   ... one file changed, to a tar" one_file_changed files tar
}
W7() {
    {
        for stage in $(seq 8); do
            printf 'FROM base AS s%d\nRUN sleep %s && echo %d >/made\n' "$stage" "$nap" "$stage"
        done
        echo "FROM base"
        seq -f "COPY --from=s%g /made /" 8 | sed 's/s\(.\) .*/&\1/'
    } | context stages
    row "W7 8 stages of sleep $nap, a ninth copies" cold stages none
}
W8() {
    noise_context
    row "W8 push of $((noise >> 20)) MiB, first" built_and_registry_empty noise push
    built noise push
    row "   ... again" as_it_is noise push
}
W9() {
    local name=localhost:$registry_port/library/base:1
    restart_registry
    skopeo copy --quiet --dest-tls-verify=false "oci:$(layout_of "$ml_base")" "docker://$name"
    context pulled <<<"FROM $name"$'\nRUN true'
    row "W9 pull, unpack, one RUN" empty pulled none
}
W10() {
    local builders=("${movers[@]}") verb=move size=$((noise >> 20))
    noise_context
    cold mlbuild noise
    mlbuild_build noise dir
    "${command[@]}" >/dev/null
    skopeo copy --quiet "oci:$(out_of mlbuild dir):1" "oci-archive:$work/noise.tar:$(name_of mlbuild noise)"
    publish noise "$(out_of mlbuild dir)"
    measure header "${builders[@]}"
    row "W10 pull of $size MiB" empty noise pull
    row "   ... save to a tar" as_it_is noise save
    row "   ... push, first" registry_empty noise push
    row "   ... push, again" as_it_is noise push
    row "   ... load from a tar" empty noise load
    rm "$work/noise.tar"
}

failed=0
mkdir "$work/out"
python3 "$here/base.py" "$base_layout"
for builder in "${builders[@]}"; do "${builder}_start"; done
"$top/build/dev/tests/floors" "$work"
echo
measure header "${builders[@]}"
for workload in "${chosen[@]}"; do
    touch_memory
    "$workload"
    rm -rf "$work"/out/*
done
exit "$failed"
