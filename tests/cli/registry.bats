# SPDX-License-Identifier: Apache-2.0
# Images from and to a registry on loopback.
load helpers
load registry

setup() { registry_setup; }
teardown() { registry_teardown; }

@test "--push: skopeo pulls what was built" {
    ok mlb -t "$HUB/a/b:1" --push -o img.tar "$CTX"
    ok inspect_remote "$HUB/a/b:1"
    same digest "$(json "d['Digest']" <<< "$output")" "$(image manifest img.tar)"
    ok skopeo copy --quiet --src-tls-verify=false "docker://$HUB/a/b:1" oci:pulled:1
    image tree img.tar > one
    image tree pulled | diff one -
    same layers "$(image layers pulled | head -2)" "$(image layers "$BASE")"
}

@test "--push to several names, and without a name" {
    ok mlb -t "$HUB/one:1" -t "$HUB/two:2" --push "$CTX"
    same digest "$(inspect_remote "$HUB/two:2" | json "d['Digest']")" "$(inspect_remote "$HUB/one:1" | json "d['Digest']")"
    fails 2 mlb --push "$CTX"
    says "ERROR: tag is needed when pushing to registry" "hint: add -t HOST/NAME:TAG"
}

@test "push: an image of the store; a second time nothing is sent" {
    ok mlb -t "$HUB/a/b:1" "$CTX"
    ok "$MLBUILD" push --progress=plain "$HUB/a/b:1"
    local digest=$(inspect_remote "$HUB/a/b:1" | json "d['Digest']")
    says "pushed $HUB/a/b:1@$digest"
    run --separate-stderr "$MLBUILD" push -q "$HUB/a/b:1"
    same "standard output" "$output" "$digest"
    same "standard error" "$stderr" ""
}

# requests METHOD [PATTERN]: how many the hub was asked
requests() { grep -c "\"$1 /v2/[^ ]*${2:-}[^ ]* HTTP" hub.log || true; }

@test "push: several images at once; the base's layers are mounted; a second push is a handful of requests" {
    put_base
    dockerfile << END
FROM $HUB/team/base:1.0
COPY file /file
END
    ok "$MLBUILD" build --progress=plain -t "$HUB/new/app:1" -t "$HUB/new/app:2" "$CTX"
    ok "$MLBUILD" push --progress=plain "$HUB/new/app:1" "$HUB/new/app:2"
    says "pushed $HUB/new/app:1@" "pushed $HUB/new/app:2@"
    ok inspect_remote "$HUB/new/app:2"
    same mounts "$(requests POST "new/app.*mount=.*from=team%2Fbase")" 2
    same "uploads: a layer, the configuration" "$(requests PUT new/app/blobs)" 2
    : > hub.log
    ok "$MLBUILD" push --progress=plain "$HUB/new/app:1"
    same uploads "$(requests POST)$(requests PATCH)" 00
    [ "$(grep -c HTTP/1.1 hub.log)" -le 6 ]
}

@test "push --all-tags: each tag of that name, and no other image" {
    for name in a/b:1 a/b:2 a/bc:1; do ok mlb -t "$HUB/$name" "$CTX"; done
    run --separate-stderr "$MLBUILD" push -q -a "$HUB/a/b"
    same status "$status" 0
    same "standard output" "$output" "$(for tag in 1 2; do inspect_remote "$HUB/a/b:$tag" | json "d['Digest']"; done)"
    same tags "$(skopeo list-tags --tls-verify=false "docker://$HUB/a/b" | json "','.join(sorted(d['Tags']))")" 1,2
    ! inspect_remote "$HUB/a/bc:1"
    fails 2 "$MLBUILD" push --all-tags "$HUB/a/b:1"
    says "ERROR: $HUB/a/b:1: tag can't be used with --all-tags/-a" "hint: mlbuild push -a NAME"
    fails 1 "$MLBUILD" push --all-tags "$HUB/a/none"
    says "no image $HUB/a/none in the store, of any tag"
}

@test "push --all-tags: a base that was never pulled whole is in its repository already" {
    put_base
    dockerfile << END
FROM $HUB/team/base:1.0
COPY file /file
END
    ok mlb -t "$HUB/team/base:2.0" "$CTX"
    ok "$MLBUILD" push -a "$HUB/team/base"
    says "pushed $HUB/team/base:1.0@" "pushed $HUB/team/base:2.0@"
}

@test "storage that forgets a blob: a pull says which, a push mends it" {
    ok mlb -t "$HUB/a/b:1" --push "$CTX"
    local layer=$(skopeo inspect --raw --tls-verify=false "docker://$HUB/a/b:1" | json "d['layers'][-1]['digest']")
    rm -r "hub/docker/registry/v2/blobs/sha256/"*"/${layer#sha256:}"
    MLBUILD_STORE=$PWD/store2 fails 4 "$MLBUILD" pull "$HUB/a/b:1"
    says "${layer:0:19}" "not found"
    ok "$MLBUILD" push "$HUB/a/b:1"
    MLBUILD_STORE=$PWD/store2 ok "$MLBUILD" pull "$HUB/a/b:1"
}

@test "push-by-digest: no tag appears" {
    ok mlb -o "type=image,name=$HUB/a/b,push-by-digest=true,name-canonical=true,push=true" --metadata-file meta "$CTX"
    local digest=$(json "d['containerimage.digest']" < meta)
    ok skopeo inspect --raw --tls-verify=false "docker://$HUB/a/b@$digest"
    run skopeo list-tags --tls-verify=false "docker://$HUB/a/b"
    says_not latest
}

@test "pull: every blob comes, once; then builds need no registry" {
    put_base
    ok "$MLBUILD" pull --progress=plain "$HUB/team/base:1.0"
    stop_registry
    ok "$MLBUILD" save -o base.tar "$HUB/team/base:1.0"
    image tree base.tar > one
    image tree "$BASE" | diff one -
    dockerfile << END
FROM $HUB/team/base:1.0
RUN cat /base/keep
END
    ok "$MLBUILD" build --progress=plain -o img.tar "$CTX"
    same layers "$(image layers img.tar | head -2)" "$(image layers "$BASE")"
}

@test "FROM a registry: by tag and by digest; the second build asks nobody" {
    put_base
    local digest=$(inspect_remote "$HUB/team/base:1.0" | json "d['Digest']")
    dockerfile << END
FROM $HUB/team/base:1.0 AS tag
RUN cat /base/keep > /copy
FROM $HUB/team/base@$digest
COPY --from=tag /copy /copy
END
    ok "$MLBUILD" build --progress=plain -t img "$CTX"
    says "[internal] load metadata for $HUB/team/base:1.0" "[internal] load metadata for $HUB/team/base@$digest"
    local id=$(id_of img)
    stop_registry
    ok "$MLBUILD" build --progress=plain -t img2 "$CTX"
    says_not "load metadata"
    same id "$(id_of img2)" "$id"
}

@test "a base whose layers nothing looks into is not unpacked" {
    put_base
    dockerfile << END
FROM $HUB/team/base:1.0
ENV A=b
END
    ok "$MLBUILD" build --progress=plain -t img "$CTX"
    same "unpacked layers" "$(ls "$MLBUILD_STORE/layers")" ""
    ok "$MLBUILD" build --progress=plain -t img -o img.tar "$CTX"
    same layers "$(image layers img.tar)" "$(image layers "$BASE")"
}

@test "FROM an image of several platforms: each is looked up once, and --pull takes the newer one" {
    python3 "$HERE/../registry/make_layout.py" layout
    skopeo copy --all --quiet --dest-tls-verify=false oci:layout "docker://$HUB/team/both:1"
    dockerfile << END
FROM $HUB/team/both:1
COPY file /file
END
    for arch in amd64 arm64; do ok mlb --platform linux/$arch -t "mine-$arch" "$CTX"; done
    : > hub.log
    for arch in amd64 arm64; do
        ok mlb --platform linux/$arch --pull=never -o $arch.tar "$CTX"
        same hello "$(image cat $arch.tar hello)" $arch
    done
    same requests "$(cat hub.log)" ""
    ok "$MLBUILD" images
    python3 "$HERE/../registry/make_layout.py" newer latest 5000
    skopeo copy --all --quiet --dest-tls-verify=false oci:newer "docker://$HUB/team/both:1"
    ok mlb --platform linux/arm64 --pull -t newer "$CTX"
    ok mlb --platform linux/arm64 -o again.tar "$CTX"
    [ "$(image cat again.tar noise | wc -c)" -eq 5000 ]
    export MLBUILD_STORE=$PWD/elsewhere
    ok "$MLBUILD" pull --platform linux/arm64 "$HUB/team/both:1"
    ok mlb --platform linux/arm64 --pull=never -o pulled.tar "$CTX"
    cmp again.tar pulled.tar
}

@test "--pull asks again and takes the newer image" {
    put_base
    dockerfile << END
FROM $HUB/team/base:1.0
RUN cat /base/text /base/keep
END
    fails 1 "$MLBUILD" build --progress=plain -t img "$CTX"
    image base other "new text"
    skopeo copy --quiet --dest-tls-verify=false oci:other:latest "docker://$HUB/team/base:1.0"
    fails 1 "$MLBUILD" build --progress=plain -t img "$CTX"
    ok "$MLBUILD" build --pull --progress=plain -t img "$CTX"
    says "new text"
    ok "$MLBUILD" build --progress=plain -t img "$CTX"
    step_says "RUN cat" CACHED
}

@test "no such tag: exit 4, the nearest tags, the line" {
    put_base
    dockerfile << END
# comment
FROM $HUB/team/base:1.1
END
    fails 4 "$MLBUILD" build --progress=plain -t img "$CTX"
    says "$HUB/team/base:1.1: " "not found" "hint: nearest tags that exist: 1.0" "Dockerfile:2" ">>> FROM $HUB/team/base:1.1" "     |          ^"
    fails 4 "$MLBUILD" pull "$HUB/team/base:1.1"
    says "nearest tags that exist: 1.0"
    nothing_tagged
}

@test "no such repository: exit 4" {
    dockerfile << END
FROM $HUB/team/none
END
    fails 4 "$MLBUILD" build --progress=plain -t img "$CTX"
    says "not found" "Dockerfile:1"
    nothing_tagged
}

# What is tried several times, with growing pauses, is tried side by side.
@test "unreachable, always truncated: exit 4 after several tries, nothing is left" {
    put_base
    ok "$MLBUILD" pull --progress=plain "$HUB/team/base:1.0"
    stop_registry
    fault_server
    mkdir unreachable pull truncated
    echo "FROM $HUB/team/none:1.0" > unreachable/Dockerfile
    echo "FROM $HUB/team/base:1.0" > pull/Dockerfile
    printf 'FROM %s\nRUN true' "$fault/always-truncated" > truncated/Dockerfile
    local name pids=()
    for name in unreachable pull truncated; do
        (
            exec > $name.log 2>&1 3>&-
            option=--pull=false
            [ $name != pull ] || option=--pull
            code=0
            "$MLBUILD" build "$option" --progress=plain -t img -o $name.tar $name || code=$?
            echo "exit $code"
        ) &
        pids+=($!)
    done
    fails 4 mlb -t "$HUB/x" --push "$CTX"
    says "onnect"
    wait "${pids[@]}" || true
    for name in unreachable pull truncated; do
        output=$(cat $name.log)
        says "Dockerfile:1" ">>> FROM" "exit 4"
        [ ! -e $name.tar ]
    done
    output=$(cat unreachable.log)
    says "$HUB/team/none:1.0: " "onnect"
    output=$(cat truncated.log)
    says "tries: " "bytes remaining"
    run "$MLBUILD" images
    says_not "img"
}

@test "401: without credentials, with wrong ones, with right ones from DOCKER_CONFIG" {
    htpasswd -Bbn user secret > htpasswd 2> /dev/null
    local port2=$(free_port)
    start_registry closed "$port2" "auth: {htpasswd: {realm: test, path: $PWD/htpasswd}}"
    fails 4 mlb -t "localhost:$port2/a:1" --push "$CTX"
    says "no credentials for localhost:$port2 were found"
    mkdir docker
    export DOCKER_CONFIG=$PWD/docker
    config() { echo "{\"auths\": {\"localhost:$port2\": {\"auth\": \"$(printf '%s' "$1" | base64)\"}}}" > docker/config.json; }
    config user:wrong
    fails 4 mlb -t "localhost:$port2/a:1" --push "$CTX"
    says "used the credentials for localhost:$port2 from $PWD/docker/config.json"
    says_not wrong
    config user:secret
    ok mlb -t "localhost:$port2/a:1" --push "$CTX"
    says_not secret
    dockerfile << END
FROM localhost:$port2/a:1
RUN cat /file
END
    MLBUILD_STORE=$PWD/store2 ok "$MLBUILD" build --progress=plain "$CTX"
    says content
    config user:wrong
    MLBUILD_STORE=$PWD/store3 fails 4 "$MLBUILD" build --progress=plain "$CTX"
    says "Dockerfile:1"
}

@test "wrong digest, truncated body, lies: exit 4, no layer stays" {
    fault_server
    try() { # KIND CODE TEXT
        printf 'FROM %s/%s\nRUN true\n' "$fault" "$1" > "$CTX/Dockerfile"
        fails "$2" "$MLBUILD" build --progress=plain -t img "$CTX"
        says "$3" "Dockerfile:1" ">>> FROM $fault/$1"
    }
    try wrong-bytes 4 "not sha256:"
    try lying-digest 4 "registry calls the manifest"
    try wrong-config 4 "does not match size and digest"
    try html 1 "manifest: line 1"
    run "$MLBUILD" images
    says_not "img"
    same "layers that stay" "$(ls "$MLBUILD_STORE/layers")" ""
    for blob in "$MLBUILD_STORE"/blobs/sha256/*; do
        same "digest of a blob" "$(sha256sum < "$blob" | cut -d' ' -f1)" "$(basename "$blob")"
    done
}

@test "a broken connection is taken up again" {
    fault_server
    for kind in truncated flaky closed-early redirect token; do
        ok "$MLBUILD" pull --progress=plain "$fault/$kind:latest"
    done
}

# from_fault KIND [OPTION...]: a build that takes files from an image of the server's
from_fault() {
    printf 'FROM base\nCOPY --from=%s/%s /dir7/noise /noise\nRUN sha256sum < /noise > /sum\n' "$fault" "$1" > "$CTX/Dockerfile"
    mlb --no-cache --progress=plain -t img "${@:2}" "$CTX"
}

@test "a base is unpacked behind its transfer, whatever becomes of that" {
    fault_server
    local kind sum
    sum=$(python3 -c 'import hashlib, random
noise = random.Random(1).randbytes(400000)
print(hashlib.sha256(noise[7 * 20000:8 * 20000]).hexdigest())')
    for kind in good twice truncated reset closed-early no-range bad-range range-refused mended; do
        ok from_fault $kind -o "$kind.tar"
        same "$kind" "$(image cat "$kind.tar" /sum)" "$sum  -"
        rm -r "$MLBUILD_STORE"
    done
    fails 4 from_fault wrong-bytes
    says "not sha256:"
    fails 1 from_fault wrong-diff
    says "but the image's configuration says" # 99
    same "layers that stay" "$(find "$MLBUILD_STORE/layers" -name noise | wc -l)" 0
}

@test "a transfer that hangs is left at once when the build is stopped" {
    fault_server
    printf 'FROM base\nCOPY --from=%s/stuck /dir7/noise /noise\n' "$fault" > "$CTX/Dockerfile"
    mlb_in_background "$CTX"
    local build=$!
    wait_until 20 grep -q "half of the layer" fault.log
    # What has arrived is unpacked.
    wait_until 20 sh -c "find '$MLBUILD_STORE' -path '*/fs/dir5/noise' | grep -q ."
    kill -TERM $build
    local start=$SECONDS
    wait $build || true
    [ $((SECONDS - start)) -lt 5 ]
}

# blobs_of REPOSITORY: how many uploads the hub has finished
blobs_of() { grep -c "\"PUT /v2/$1/blobs/uploads/[^ ]* HTTP/1.1\" 201" hub.log || true; }

# waiting_build NAME STEP: in the background, a build whose first layer is done long before STEP, which
# waits for the file signals/go
waiting_build() {
    mkdir -p signals
    head -c 3000000 /dev/urandom > "$CTX/file"
    dockerfile << END
FROM base
COPY file /file
RUN while [ ! -e /signals/go ]; do sleep 0.1; done; $2
END
    mlb_in_background -v "$PWD/signals:/signals:ro" -t "$HUB/$1" --push "$CTX"
    build=$!
    wait_until 20 sent_to "${1%:*}"
}
sent_to() { [ "$(blobs_of "$1")" -ge 1 ]; }

@test "--push: a finished layer is sent while later steps run; at the end it is there" {
    waiting_build app:1 "echo made > /made"
    kill -0 $build
    same status "$(curl -s -o /dev/null -w '%{http_code}' "http://$HUB/v2/app/manifests/1")" 404
    touch signals/go
    wait $build
    local copied=$(skopeo inspect --raw --tls-verify=false "docker://$HUB/app:1" | json "d['layers'][-2]['digest']")
    same "how often it was sent" "$(grep -c "\"PUT /v2/app/blobs/uploads/.*${copied#sha256:}.* HTTP/1.1\" 201" hub.log)" 1
    skopeo copy --quiet --src-tls-verify=false "docker://$HUB/app:1" oci:pulled:x
    same made "$(image cat pulled made)" made
}

@test "push: a layer that is packed is sent while another is being packed" {
    seq 16000000 >"$CTX/large"
    dockerfile <<'END'
FROM base
COPY large /large
COPY file /small
RUN true
END
    ok mlb -t "$HUB/app:1" "$CTX"
    local before=$(ls "$MLBUILD_STORE/blobs/sha256" | wc -l)
    "$MLBUILD" push "$HUB/app:1" >log 2>&1 3>&- &
    wait_until 20 sent_to app
    local there=$(ls "$MLBUILD_STORE/blobs/sha256" | wc -l)
    wait $!
    [ "$there" -lt $((before + 3)) ] || { echo "$before blobs, then $there: all were packed"; return 1; }
    same "sent twice" "$(grep -o 'PUT /v2/app/blobs/uploads/.*HTTP/1.1" 201' hub.log | grep -o 'sha256:[0-9a-f]*' | sort | uniq -d)" ""
    skopeo copy --quiet --src-tls-verify=false "docker://$HUB/app:1" oci:pulled:x
    same content "$(image cat pulled large | tail -1)" 16000000
}

@test "--push: a build that fails, and one that is stopped, leave no tag" {
    waiting_build failed:1 false
    touch signals/go
    ! wait $build
    grep -q "did not complete successfully" log
    same status "$(curl -s -o /dev/null -w '%{http_code}' "http://$HUB/v2/failed/manifests/1")" 404
    rm signals/go
    waiting_build stopped:1 false
    kill -TERM $build
    local code=0
    wait $build || code=$?
    same "exit code" $code 143
    same status "$(curl -s -o /dev/null -w '%{http_code}' "http://$HUB/v2/stopped/manifests/1")" 404
}

@test "--push: credentials that a helper gives are asked for by the caller, not in the build" {
    start_closed
    mkdir -p bin "$HOME/.docker" signals
    cat > bin/docker-credential-fake << END
#!/bin/sh
cat /proc/self/uid_map >> "$PWD/asked"
echo '{"Username": "user", "Secret": "secret"}'
END
    chmod +x bin/docker-credential-fake
    PATH=$PWD/bin:$PATH
    echo '{"credsStore": "fake"}' > "$HOME/.docker/config.json"
    dockerfile << END
FROM base
COPY file /file
RUN sleep 1
END
    ok mlb -t "$closed/app:1" --push "$CTX"
    [ "$(wc -l < asked)" -ge 1 ]
    same "the namespace" "$(sort -u asked)" "$(cat /proc/self/uid_map)"
}

@test "--push with force-compression: layers of a base that is elsewhere are packed anew" {
    put_base
    dockerfile << END
FROM $HUB/team/base:1.0
COPY file /file
END
    ok "$MLBUILD" build --progress=plain -o "type=registry,name=$HUB/a/app:1,compression=zstd,force-compression=true" "$CTX"
    same "types of layers" "$(skopeo inspect --raw --tls-verify=false "docker://$HUB/a/app:1" | grep -oE 'layer.v1.tar.[a-z]+' | sort -u)" layer.v1.tar+zstd
}
