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

@test "prune beside a build is refused: exit 5" {
    dockerfile << 'END'
FROM base
RUN echo started; sleep 60
END
    mlb_in_background -t img "$CTX"
    local build=$!
    wait_until 20 grep -q "^#3 .*started$" log
    fails 5 "$MLBUILD" prune
    says "ERROR: the store $MLBUILD_STORE is in use by another mlbuild" "hint: try again when its builds have ended"
    kill $build
    wait $build || true
    ok "$MLBUILD" prune
}
