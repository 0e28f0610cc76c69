# SPDX-License-Identifier: Apache-2.0
# How much the store holds: du, the policies of prune, the limits of a build.
load helpers

# Three cached steps of 4 MB, of images without a name, that were last used at different times. (A step that
# runs is compared with those that ran on the same root, which uses them: so times are set in the end.)
three() {
    local name
    for name in one two three; do
        printf 'FROM base\nRUN head -c 4000000 /dev/urandom > /%s\n' "$name" > "$CTX/Dockerfile.$name"
        ok mlb -f "$CTX/Dockerfile.$name" "$CTX"
    done
    userns find "$MLBUILD_STORE"/{layers/*/layer.json,blobs,cache} -type f -exec touch -d "4 days ago" {} +
    used one "3 days"
    used two "2 days"
    used three "26 hours"
}

used() { userns touch -d "$2 ago" "$(dirname "$(userns find "$MLBUILD_STORE/layers" -path "*/fs/$1")")/../layer.json"; }

# Steps whose layers are still there. Asking uses none: layers are looked at, not looked up.
there() {
    local name
    for name in one two three; do
        [ -z "$(userns find "$MLBUILD_STORE/layers" -path "*/fs/$name")" ] || echo -n "$name "
    done
}

@test "du: by kind, as it is on disk; what prune frees is what du says" {
    ok "$MLBUILD" du
    says "Total:"
    printf 'FROM base\nRUN head -c 4000000 /dev/urandom > /kept\n' | dockerfile
    ok mlb -t img "$CTX"
    printf 'FROM base\nRUN --mount=type=cache,target=/mine head -c 4000000 /dev/urandom > /gone; head -c 2000000 /dev/urandom > /mine/x\n' | dockerfile
    ok mlb "$CTX"
    ok "$MLBUILD" du
    grep -qE '^cached layers +[0-9]+ +4\.[0-9]+MB +4\.[0-9]+MB$' <<< "$output"
    grep -qE '^layers of images +[0-9]+ +[5-9]\.[0-9]+MB +0B$' <<< "$output"
    grep -qE '^cache mounts +1 +2\.[0-9]+MB +2\.[0-9]+MB$' <<< "$output"
    local total=$(sed -n 's/^Total: *//p' <<< "$output")
    local disk=$(userns du -s --block-size=1 "$MLBUILD_STORE" | cut -f1)
    python3 -c "import sys; t = float('$total'[:-2]) * 1e6; assert abs(t - $disk) < 300000, (t, $disk)"
    ok "$MLBUILD" du --verbose
    says "LAST USED" "/mine"
    ok "$MLBUILD" prune -af
    says "removed 1 layers" "(4." "removed 1 cache mounts"
    ok "$MLBUILD" du
    grep -qE '^cached layers +0 +0B +0B$' <<< "$output"
    fails 2 "$MLBUILD" du img
}

@test "prune --filter until" {
    three
    ok "$MLBUILD" prune --filter until=80h
    same left "$(there)" "one two three "
    ok "$MLBUILD" prune --filter until=36h
    same left "$(there)" "three "
    ok "$MLBUILD" prune --filter unused-for=25h
    same left "$(there)" ""
    fails 2 "$MLBUILD" prune --filter until=yesterday
    says "not a duration" "24h"
    fails 2 "$MLBUILD" prune --filter label=x
}

@test "prune keeps what was used last, up to a size" {
    three
    ok "$MLBUILD" prune --max-used-space 9MB
    same left "$(there)" "two three "
    ok "$MLBUILD" prune --keep-storage 9MB
    same left "$(there)" "two three "
    ok "$MLBUILD" prune --reserved-space 5MB
    same left "$(there)" "three "
    ok "$MLBUILD" prune --min-free-space 1MB
    same left "$(there)" "three "
    ok "$MLBUILD" prune --min-free-space 100%
    same left "$(there)" ""
    fails 2 "$MLBUILD" prune --max-used-space much
    says "10GB"
}

@test "a cached build uses its steps: they are the last to go; a second one writes nothing" {
    three
    ok mlb -f "$CTX/Dockerfile.one" "$CTX"
    step_says "RUN head" CACHED
    touch mark
    ok mlb -f "$CTX/Dockerfile.one" "$CTX"
    same "what the second has written" \
        "$(userns find "$MLBUILD_STORE" -newer mark -type f ! -path '*/leases/*')" ""
    ok "$MLBUILD" prune --max-used-space 9MB
    same left "$(there)" "one three "
}

@test "prune keeps what an image needs, whatever the policy" {
    three
    ok mlb -t img -f "$CTX/Dockerfile.one" "$CTX"
    ok "$MLBUILD" prune --max-used-space 1
    same left "$(there)" "one "
    ok mlb -t img2 -f "$CTX/Dockerfile.one" "$CTX"
    step_says "RUN head" CACHED
}

@test "MLBUILD_MAX_USED_SPACE: trimmed before a build begins" {
    three
    export MLBUILD_MAX_USED_SPACE=9MB
    ok mlb -f "$CTX/Dockerfile.three" "$CTX"
    same left "$(there)" "one two three "
    printf 'FROM base\nRUN echo new\n' | dockerfile
    ok mlb "$CTX"
    says "[internal] prune the cache" "unused longest"
    same left "$(there)" "two three "
    MLBUILD_MAX_USED_SPACE=x fails 2 mlb --no-cache "$CTX"
    says "MLBUILD_MAX_USED_SPACE=x"
}

@test "a build that runs out of space meanwhile frees what was unused longest, not what it uses" {
    three
    printf 'FROM base\nRUN echo first > /first\nRUN sleep 3; cat /first\n' | dockerfile
    # More than there is can never be free: whatever is not in use goes.
    MLBUILD_MIN_FREE_SPACE=100% ok mlb -t img "$CTX"
    same left "$(there)" ""
    ok mlb -t again "$CTX"
    same id "$(id_of again)" "$(id_of img)"
    three
    MLBUILD_MIN_FREE_INODES=100% MLBUILD_MIN_FREE_SPACE=0 ok mlb --no-cache "$CTX"
    same left "$(there)" ""
}
