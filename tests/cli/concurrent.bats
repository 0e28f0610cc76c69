# SPDX-License-Identifier: Apache-2.0
# Several builds with one store.
load helpers

# together N: runs `one 1` .. `one N` at once; all must end well
together() {
    local i pids=() failed=0
    for i in $(seq "$1"); do
        one "$i" > "log$i" 2>&1 3>&- &
        pids+=($!)
    done
    for i in $(seq "$1"); do
        wait "${pids[$((i - 1))]}" || { failed=1; echo "builder $i failed:"; cat "log$i"; }
    done
    return $failed
}

@test "six builders, one Dockerfile" {
    head -c 2000000 /dev/urandom > "$CTX/large"
    dockerfile << 'END'
FROM base
WORKDIR /app
COPY large /app/
RUN sha256sum /app/large > /sum; sleep 0.1
RUN echo 2 > /two
END
    one() { mlb --epoch 1 -t "img$1" -o "img$1.tar" "$CTX"; }
    together 6
    for i in 2 3 4 5 6; do
        same "id of image $i" "$(id_of img$i)" "$(id_of img1)"
        same "manifest of image $i" "$(image manifest img$i.tar)" "$(image manifest img1.tar)"
    done
    ok mlb --epoch 1 -t again "$CTX"
    same "cached steps" "$(cached_steps)" 5
    same id "$(id_of again)" "$(id_of img1)"
    same "work that is left" "$(ls -A "$MLBUILD_STORE/tmp")" ""
}

@test "six builders, six Dockerfiles, one tag" {
    for i in $(seq 6); do
        printf 'FROM base\nRUN echo shared > /shared\nRUN echo %s > /mine\n' $i > "$CTX/Dockerfile$i"
    done
    one() {
        mlb -f "$CTX/Dockerfile$1" -t same -t "img$1" -o "img$1.tar" "$CTX"
    }
    together 6
    for i in $(seq 6); do
        same "content of image $i" "$(image cat img$i.tar /mine)" "$i"
        ok "$MLBUILD" save -o again.tar img$i
        same "manifest of image $i" "$(image manifest again.tar)" "$(image manifest img$i.tar)"
    done
    run "$MLBUILD" images
    same names "$(grep -c '^img\|^same' <<< "$output")" 7
    same index "$(json "len(d['manifests'])" < "$MLBUILD_STORE/index.json")" 7
}

@test "images, tag, rmi and save beside builds" {
    dockerfile << 'END'
FROM base
RUN echo 1 > /one
END
    ok mlb -t first "$CTX"
    one() {
        case $1 in
        1 | 2) mlb --no-cache -t "img$1" "$CTX" ;;
        3) for i in $(seq 10); do "$MLBUILD" images || return; done ;;
        4) for i in $(seq 10); do "$MLBUILD" tag first "t$i" && "$MLBUILD" rmi "t$i" || return; done ;;
        5) for i in $(seq 3); do "$MLBUILD" save -o saved.tar first || return; done ;;
        6) mlb -t img6 "$CTX" ;;
        esac
    }
    together 6
    ok skopeo inspect oci-archive:saved.tar
}

# The stamps of all that the store holds, two hours back: whatever a build relies on it has to say so.
age_store() {
    userns find "$MLBUILD_STORE"/{blobs,cache,contexts,indexes} -type f -exec touch -h -d '2 hours ago' {} + 2>&- || true
    userns find "$MLBUILD_STORE/layers" -name layer.json -exec touch -d '2 hours ago' {} + 2>&- || true
}

@test "prune beside a build: what the build uses stays, the rest goes" {
    printf 'FROM base\nRUN echo old > /old\n' > "$CTX/Dockerfile.old"
    ok mlb -f "$CTX/Dockerfile.old" "$CTX"
    printf 'FROM base\nRUN echo cached > /cached\n' | dockerfile
    ok mlb "$CTX"
    age_store
    printf 'RUN --mount=type=cache,target=/go echo started; until [ -e /go/on ]; do sleep 0.05; done\nRUN cat /cached > /copy\n' >> "$CTX/Dockerfile"
    mlb_in_background -t img "$CTX"
    local build=$!
    wait_until 20 grep -q " started$" log
    ok "$MLBUILD" prune
    says "removed 1 layers" "which running builds may use"
    userns touch "$(echo "$MLBUILD_STORE"/mounts/*/data)/on"
    wait $build || { cat log; return 1; }
    ok "$MLBUILD" save -o img.tar img
    same content "$(image cat img.tar /copy)" cached
    ok mlb -f "$CTX/Dockerfile.old" "$CTX"
    step_says "RUN echo old" DONE
    ok mlb -t again "$CTX"
    same id "$(id_of again)" "$(id_of img)"
    ok "$MLBUILD" rmi img again
    ok "$MLBUILD" prune
    same "layers that stay" "$(ls "$MLBUILD_STORE/layers" | wc -l)" 0
}

# What was used in the second before the oldest living lease began is fair game: nothing is old enough to be
# safe by its age alone.
@test "prune in a loop beside builds and tags" {
    export MLBUILD_TEST_USE_PERIOD=0
    head -c 500000 /dev/urandom > "$CTX/large"
    for i in $(seq 4); do
        printf 'FROM base\nCOPY large /large\nRUN sha256sum /large > /sum\nRUN echo %s > /mine; sleep 0.05\nARG ROUND\nRUN echo $ROUND > /round\n' $i > "$CTX/Dockerfile$i"
    done
    one() {
        local round
        case $1 in
        1 | 2 | 3 | 4)
            for round in $(seq 12); do
                mlb -f "$CTX/Dockerfile$1" --build-arg "ROUND=$round" -t "img$1" -o "img$1.tar" "$CTX" || return
                "$MLBUILD" rmi "img$1" || return
            done
            mlb -f "$CTX/Dockerfile$1" --build-arg ROUND=0 -t "img$1" -o "img$1.tar" "$CTX" && touch "done$1"
            ;;
        5 | 6) until [ -e done1 ] && [ -e done2 ] && [ -e done3 ] && [ -e done4 ]; do "$MLBUILD" prune || return; done ;;
        esac
    }
    # Whoever waits for a builder that has failed waits in vain.
    one_of() { one "$1" || { touch done1 done2 done3 done4; return 1; }; }
    local i pids=() failed=0
    for i in $(seq 6); do
        one_of "$i" > "log$i" 2>&1 3>&- &
        pids+=($!)
    done
    for i in $(seq 6); do
        wait "${pids[$((i - 1))]}" || { failed=1; echo "builder $i failed:"; tail -20 "log$i"; }
    done
    [ $failed -eq 0 ]
    cat log5 log6 | grep -q 'removed [1-9]'
    for i in $(seq 4); do
        same "content of image $i" "$(image cat img$i.tar /mine)" "$i"
        ok "$MLBUILD" save -o again.tar "img$i"
        cmp again.tar "img$i.tar"
    done
}

@test "prune waits for nobody: it is not kept out by a build, nor keeps one out" {
    printf 'FROM base\nRUN echo started; sleep 60\n' | dockerfile
    mlb_in_background -t img "$CTX"
    local build=$!
    wait_until 20 grep -q "^#3 .*started$" log
    for i in 1 2 3; do
        ok timeout 20 "$MLBUILD" prune
    done
    printf 'FROM base\nRUN echo other\n' > "$CTX/Dockerfile.other"
    ok timeout 20 "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" -f "$CTX/Dockerfile.other" "$CTX"
    kill $build
    wait $build || true
    ok "$MLBUILD" prune
}
