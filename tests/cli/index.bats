# SPDX-License-Identifier: Apache-2.0
# mlbuild index: images of several platforms under one name.
load helpers
load registry

setup() { registry_setup; }
teardown() { registry_teardown; }

# make_image ARCH NAME: from a context of its own, so that layers differ
make_image() {
    mkdir -p "ctx-$1"
    printf 'FROM scratch\nCOPY file /file\n' > "ctx-$1/Dockerfile"
    echo "$1" > "ctx-$1/file"
    ok mlb --platform "linux/$1" -t "$2" "${@:3}" "ctx-$1"
}

raw() { skopeo inspect --raw --tls-verify=false "docker://$1"; }
platforms() { json "','.join(m['platform']['architecture'] for m in d['manifests'])"; }

# file_in REFERENCE ARCH: what another tool pulls for that architecture
file_in() {
    rm -rf "pulled-$2"
    skopeo copy --quiet --src-tls-verify=false --override-arch "$2" "docker://$1" "oci:pulled-$2:x"
    image cat "pulled-$2" file
}

@test "index create: images that two hosts have pushed; nothing else is sent" {
    make_image amd64 "$HUB/app:1-amd64" --push
    make_image arm64 "$HUB/app:1-arm64" --push
    export MLBUILD_STORE=$PWD/elsewhere
    : > hub.log
    ok "$MLBUILD" index create -t "$HUB/app:1" "$HUB/app:1-amd64" "$HUB/app:1-arm64"
    says "pushed $HUB/app:1@sha256:"
    same uploads "$(grep -c '"POST ' hub.log || true)" 0
    same type "$(raw "$HUB/app:1" | json "d['mediaType']")" application/vnd.oci.image.index.v1+json
    same platforms "$(raw "$HUB/app:1" | platforms)" amd64,arm64
    for arch in amd64 arm64; do same file "$(file_in "$HUB/app:1" $arch)" $arch; done
    # what mlbuild builds on it, by platform
    dockerfile <<< "FROM $HUB/app:1"
    ok mlb --platform linux/arm64 -o out.tar "$CTX"
    same file "$(image cat out.tar file)" arm64
}

@test "index create: from the store, and from other repositories and registries" {
    make_image amd64 "$HUB/one:1" --push
    make_image arm64 "$HUB/two:1"
    local port2=$(free_port)
    start_registry other "$port2"
    ok "$MLBUILD" index create -t "$HUB/all:1" -t "localhost:$port2/all:1" "$HUB/one:1" "$HUB/two:1"
    for name in "$HUB/all:1" "localhost:$port2/all:1"; do
        for arch in amd64 arm64; do same file "$(file_in "$name" $arch)" $arch; done
    done
    # from one registry to another, with nothing in the store; then within one, where blobs are mounted
    export MLBUILD_STORE=$PWD/elsewhere
    ok "$MLBUILD" index create -t "localhost:$port2/copy:1" "$HUB/all:1"
    for arch in amd64 arm64; do same file "$(file_in "localhost:$port2/copy:1" $arch)" $arch; done
    same digest "$(raw "localhost:$port2/copy:1" | sha256sum)" "$(raw "$HUB/all:1" | sha256sum)"
    : > other.log
    ok "$MLBUILD" index create -t "localhost:$port2/mounted:1" "localhost:$port2/copy:1"
    same mounts "$(grep -c '"POST .*mount=' other.log)" 4
    same uploads "$(grep -c '"PUT .*/blobs/uploads/' other.log || true)" 0
}

# put_blob REPOSITORY TEXT, put_manifest REPOSITORY NAME TYPE TEXT: as the registry's API has it
put_blob() {
    local place=$(curl -sfi -X POST "http://$HUB/v2/$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //p')
    curl -sf -X PUT -H "Content-Type: application/octet-stream" --data-binary "$2" "$place&digest=$(sha "$2")" > /dev/null
}
put_manifest() { curl -sf -X PUT -H "Content-Type: $3" --data-binary "$4" "http://$HUB/v2/$1/manifests/$2"; }
sha() { echo "sha256:$(printf %s "$1" | sha256sum | cut -d' ' -f1)"; }
describe() { echo "\"mediaType\": \"$1\", \"digest\": \"$(sha "$2")\", \"size\": ${#2}"; }

@test "index create: attestations, which are no images, go along word for word" {
    local oci=application/vnd.oci.image
    make_image amd64 "$HUB/app:amd64" --push
    put_blob app '{}'
    put_blob app '{"_type": "statement"}'
    local attestation="{\"schemaVersion\": 2, \"mediaType\": \"$oci.manifest.v1+json\", \"config\": {$(describe $oci.config.v1+json '{}')}, \"layers\": [{$(describe application/vnd.in-toto+json '{"_type": "statement"}')}]}"
    put_manifest app "$(sha "$attestation")" $oci.manifest.v1+json "$attestation"
    local index="{\"schemaVersion\": 2, \"mediaType\": \"$oci.index.v1+json\", \"manifests\": [{\"digest\": \"$(inspect_remote "$HUB/app:amd64" | json "d['Digest']")\", \"mediaType\": \"$oci.manifest.v1+json\", \"size\": $(raw "$HUB/app:amd64" | wc -c), \"platform\": {\"os\": \"linux\", \"architecture\": \"amd64\", \"os.features\": [\"x\"]}}, {$(describe $oci.manifest.v1+json "$attestation"), \"platform\": {\"os\": \"unknown\", \"architecture\": \"unknown\"}, \"annotations\": {\"vnd.docker.reference.type\": \"attestation-manifest\"}}]}"
    put_manifest app 1 $oci.index.v1+json "$index"
    make_image arm64 "$HUB/app:arm64"
    ok "$MLBUILD" index create -t "$HUB/copied:1" "$HUB/app:1" "$HUB/app:arm64"
    same "the entries" "$(raw "$HUB/copied:1" | json "d['manifests'][:2]")" "$(json "d['manifests']" <<< "$index")"
    same "the attestation" "$(raw "$HUB/copied@$(sha "$attestation")")" "$attestation"
    curl -sf "http://$HUB/v2/copied/blobs/$(sha '{"_type": "statement"}')" | grep -q statement
}

@test "index create --append: the platform's image is replaced, the others stay" {
    make_image amd64 "$HUB/app:amd64" --push
    make_image arm64 "$HUB/app:arm64" --push
    ok "$MLBUILD" index create -t "$HUB/app:1" "$HUB/app:amd64"
    ok "$MLBUILD" index create --append -t "$HUB/app:1" "$HUB/app:arm64"
    same platforms "$(raw "$HUB/app:1" | platforms)" amd64,arm64
    echo newer > ctx-arm64/file
    ok mlb --platform linux/arm64 -t "$HUB/app:arm64" --push ctx-arm64
    ok "$MLBUILD" index create --append -t "$HUB/app:1" "$HUB/app:arm64"
    same platforms "$(raw "$HUB/app:1" | platforms)" amd64,arm64
    same file "$(file_in "$HUB/app:1" arm64)" newer
    fails 4 "$MLBUILD" index create --append -t "$HUB/app:none" "$HUB/app:arm64"
    fails 1 "$MLBUILD" index create -t "$HUB/app:2" "$HUB/app:arm64" "$(make_other)"
    says "are both for platform" "an index has one image for each platform"
}

make_other() {
    printf 'FROM scratch\nCOPY file /other\n' > ctx-arm64/Dockerfile
    mlb -q --platform linux/arm64 -t "$HUB/app:other" ctx-arm64 > /dev/null
    echo "$HUB/app:other"
}

@test "index create: annotations, --dry-run, and what the command line may not say" {
    make_image amd64 "$HUB/app:amd64"
    make_image arm64 "$HUB/app:arm64"
    run --separate-stderr "$MLBUILD" index create --dry-run --annotation index:a.b=c=d \
        --annotation manifest-descriptor:all=1 --annotation 'index,manifest-descriptor[linux/arm64]:one=2' \
        "$HUB/app:amd64" "$HUB/app:arm64"
    same status "$status" 0
    same index "$(json "sorted(d['annotations'].items())" <<< "$output")" '[["a.b", "c=d"], ["one", "2"]]'
    same entries "$(json "[sorted(m['annotations'].items()) for m in d['manifests']]" <<< "$output")" \
        '[[["all", "1"]], [["all", "1"], ["one", "2"]]]'
    ! raw "$HUB/app:1"
    fails 2 "$MLBUILD" index create "$HUB/app:amd64"
    says "can't push with no tags specified" "set --tag, --output or --dry-run"
    fails 2 "$MLBUILD" index create -t "$HUB/app:1"
    says "mlbuild index create -t NAME IMAGE..."
    for bad in a=b manifest:a=b nonsense:a=b index:a index:=b; do
        fails 2 "$MLBUILD" index create --dry-run --annotation "$bad" "$HUB/app:amd64"
        says "--annotation $bad: "
    done
    fails 2 "$MLBUILD" index create --dry-run --annotation 'manifest-descriptor[linux/s390x]:a=b' "$HUB/app:amd64"
    says "the index has no such image"
    fails 2 "$MLBUILD" index make
    fails 2 "$MLBUILD" index inspect --dry-run "$HUB/app:1"
    fails 4 "$MLBUILD" index create -t "$HUB/app:1" "$HUB/app:none"
    says "$HUB/app:none"
}

@test "index create -o: a tarball and a layout of all, from the store and a registry" {
    make_image amd64 "$HUB/app:amd64" --push
    ok "$MLBUILD" rmi "$HUB/app:amd64"
    make_image arm64 "$HUB/app:arm64"
    ok "$MLBUILD" index create -t app:1 -o out.tar "$HUB/app:amd64" "$HUB/app:arm64"
    ok "$MLBUILD" index create -t app:1 -o layout "$HUB/app:amd64" "$HUB/app:arm64"
    for from in oci-archive:out.tar oci:layout; do
        for arch in amd64 arm64; do
            rm -rf got
            skopeo copy --quiet --override-arch $arch "$from:1" oci:got:x
            same file "$(image cat got file)" $arch
        done
    done
    fails 2 "$MLBUILD" index create -o type=registry "$HUB/app:arm64"
    says "an index is an image layout"
}

@test "index inspect: what a name stands for" {
    make_image amd64 "$HUB/app:amd64" --push
    make_image arm64 "$HUB/app:arm64" --push
    ok "$MLBUILD" index create -t "$HUB/app:1" "$HUB/app:amd64" "$HUB/app:arm64"
    ok "$MLBUILD" index inspect "$HUB/app:1"
    says "Name:      $HUB/app:1" "MediaType: application/vnd.oci.image.index.v1+json" \
        "Digest:    sha256:$(raw "$HUB/app:1" | sha256sum | cut -d' ' -f1)" \
        "Name:      $HUB/app@$(inspect_remote "$HUB/app:arm64" | json "d['Digest']")" "Platform:  linux/arm64"
    "$MLBUILD" index inspect --raw "$HUB/app:1" > raw.json
    raw "$HUB/app:1" | cmp - raw.json
    ok "$MLBUILD" index inspect "$HUB/app:amd64"
    says "MediaType: application/vnd.oci.image.manifest.v1+json"
    says_not Manifests
}

@test "index inspect: what a registry says does not command the terminal" {
    make_image amd64 "$HUB/app:amd64" --push
    ok "$MLBUILD" index create -t "$HUB/app:1" "$HUB/app:amd64"
    ok python3 - "$HUB" << 'END'
import sys, urllib.request
url = "http://%s/v2/app/manifests/1" % sys.argv[1]
kind = "application/vnd.oci.image.index.v1+json"
index = urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": kind})).read()
index = index.replace(b'"linux"', b'"\\u001b[2Jlinux\\u009b2J"')
urllib.request.urlopen(urllib.request.Request(url, index, {"Content-Type": kind}, method="PUT"))
END
    ok "$MLBUILD" index inspect "$HUB/app:1"
    says "[2jlinux"
    says_not $'\e' $'\u9b'
}
