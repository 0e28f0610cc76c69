# SPDX-License-Identifier: Apache-2.0
# Images on their way through other people's tools: what they read of ours stays what it is, and what they
# write is a base.
load helpers
load registry
load containers

setup() {
    registry_setup
    showing
}
teardown() { registry_teardown; }

export_everywhere() {
    ok mlb -t img:1 -o img.tar -o type=oci-dir,dest=layout "$@" "$CTX"
    ok mlb -t "$HUB/a/img:1" --push "$@" "$CTX"
    id=$(id_of img:1)
    digest=$(image manifest img.tar)
    diff_ids=$(diff_ids_of img:1)
}

copy() { ok skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false "$@"; }

# holds WHERE [DIGEST]: the image there has our configuration, the same diff_ids, and that manifest
holds() {
    local options=()
    [[ $1 != docker://* ]] || options=(--tls-verify=false)
    same "configuration of $1" "sha256:$(skopeo inspect "${options[@]}" --config --raw "$1" | sha256sum | cut -d' ' -f1)" "$id"
    same "diff_ids of $1" "$(skopeo inspect "${options[@]}" --config "$1" | json "'\n'.join(d['rootfs']['diff_ids'])")" "$diff_ids"
    [ $# -eq 1 ] ||
        same "manifest of $1" "sha256:$(skopeo inspect "${options[@]}" --raw "$1" | sha256sum | cut -d' ' -f1)" "$2"
}

@test "skopeo copy between formats: the same manifest where the format has one, the same configuration always" {
    export_everywhere
    local from to
    for from in oci-archive:img.tar oci:layout:1 "oci:$MLBUILD_STORE:1" "docker://$HUB/a/img:1"; do
        holds "$from" "$digest"
        for to in oci-archive:to.tar:1 oci:to:1 dir:to-dir "docker://$HUB/to:1"; do
            copy --preserve-digests "$from" "$to"
            holds "$to" "$digest"
        done
        copy "$from" docker-archive:to-docker.tar:img:1
        holds docker-archive:to-docker.tar
        rm -r to*
    done
    holds docker-archive:img.tar
    for to in dir:to-dir docker-archive:to-docker.tar:img:1 "docker://$HUB/to:2"; do
        copy docker-archive:img.tar "$to"
        holds "$to"
    done
    # skopeo writes another configuration when it makes an OCI image of docker's
    copy docker-archive:to-docker.tar oci:round:1
    copy oci:round:1 "docker://$HUB/round:1"
    copy "docker://$HUB/round:1" oci-archive:round.tar:1
    same diff_ids "$(image diffids round.tar)" "$diff_ids"
    image tree round.tar > round.tree
    image tree img.tar | diff round.tree -
}

@test "skopeo copy of each compression: the configuration stays" {
    local format
    for format in zstd none; do
        export_everywhere --compression $format
        holds oci-archive:img.tar "$digest"
        holds docker-archive:img.tar
        holds "docker://$HUB/a/img:1" "$digest"
        copy --preserve-digests oci-archive:img.tar oci:to:1
        holds oci:to:1 "$digest"
        copy --dest-compress-format gzip --dest-compress oci-archive:img.tar dir:gzip
        holds dir:gzip
        rm -r to gzip layout
    done
}

# The files of both images, without times of directories that unpacking makes anew.
@test "umoci unpacks what is compressed as gzip or not at all; runc runs it" {
    local format
    for format in gzip none; do
        export_everywhere --compression $format
        ok umoci stat --image layout:1
        ok userns umoci unpack --image layout:1 bundle
        same content "$(userns cat bundle/rootfs/file)" content
        same owner "$(userns stat -c '%u:%g' bundle/rootfs/made/one)" 1000:2000
        [ ! -e bundle/rootfs/base/gone ]
        userns rm -rf bundle layout
    done
    export_everywhere
    ok umoci unpack --rootless --image layout:1 bundle
    python3 - bundle/config.json << 'END'
import json, sys
with open(sys.argv[1]) as f:
    config = json.load(f)
config["process"]["terminal"] = False
config["process"]["user"] = {"uid": 0, "gid": 0} # of the one id that --rootless has
with open(sys.argv[1], "w") as f:
    json.dump(config, f)
END
    PATH=$PATH:/usr/sbin ok runc --root "$PWD/runc" run --bundle bundle interop-$$
    says "0 content"
}

@test "podman pulls, loads and runs: the same image id each way" {
    export_everywhere
    containers_tool
    local from
    for from in "docker://$HUB/a/img:1" oci-archive:img.tar docker-archive:img.tar oci:layout:1; do
        ok pod pull --quiet --tls-verify=false "$from"
        same "image id from $from" "sha256:${lines[-1]}" "$id"
        ok pod rmi --force "${lines[-1]}"
    done
    export_everywhere --compression zstd
    ok pod load --quiet -i img.tar
    ok pod image inspect docker.io/library/img:1 --format '{{.Id}} {{.Config.User}} {{len .RootFS.Layers}}'
    same image "sha256:$output" "$id app 4"
    userns rm -rf "$runroot"
}

@test "buildah pulls every output, commits upon it and pushes it; that is a base of ours" {
    export_everywhere
    containers_tool
    local from
    for from in "docker://$HUB/a/img:1" oci-archive:img.tar docker-archive:img.tar oci:layout:1; do
        ok tool buildah pull --quiet --tls-verify=false "$from"
        same "image id from $from" "sha256:${lines[-1]}" "$id"
        ok tool buildah rmi --force "${lines[-1]}"
    done
    ok tool buildah from --quiet --tls-verify=false --name made "docker://$HUB/a/img:1"
    ok tool buildah run --isolation chroot --user 0 made -- /bin/sh -c 'echo theirs > /theirs; rm /base/keep'
    ok tool buildah config --label theirs=1 --env A=b made
    local format
    for format in oci docker; do
        ok tool buildah commit --quiet --format $format made localhost/theirs:$format
        ok tool buildah push --quiet --tls-verify=false localhost/theirs:$format "docker://$HUB/theirs:$format"
        printf 'FROM %s/theirs:%s\nUSER 0\nRUN cat /theirs /file && [ ! -e /base/keep ] && echo $A > /ours\n' "$HUB" $format | dockerfile
        ok "$MLBUILD" build --progress=plain --no-cache -t next -o next.tar "$CTX"
        says theirs content
        same ours "$(image cat next.tar /ours)" b
        same label "$(config_of next Labels | json "d['theirs']")" 1
        same "layers of theirs" "$(image layers next.tar | head -n -1)" \
            "$(skopeo inspect --tls-verify=false "docker://$HUB/theirs:$format" | json "'\n'.join(d['Layers'])")"
    done
    userns rm -rf "$runroot"
}

@test "a docker-format image with zstd layers, an uncompressed one and an index are bases" {
    export_everywhere
    copy --format v2s2 --dest-compress-format gzip oci-archive:img.tar "docker://$HUB/base:v2s2"
    copy --dest-compress-format zstd --dest-compress oci-archive:img.tar "docker://$HUB/base:zstd"
    copy --dest-decompress oci-archive:img.tar dir:plain
    copy dir:plain oci:plain-oci:1
    local base
    for base in v2s2 zstd; do
        printf 'FROM %s/base:%s\nRUN cat /file > /tmp/copy\n' "$HUB" $base | dockerfile
        MLBUILD_STORE=$PWD/store-$base ok "$MLBUILD" build --progress=plain -o next.tar "$CTX"
        same copy "$(image cat next.tar /tmp/copy)" content
    done
    printf 'FROM given\nRUN cat /file > /tmp/copy\n' | dockerfile
    ok "$MLBUILD" build --progress=plain --build-context given=oci-layout://plain-oci:1 -o next.tar "$CTX"
    same copy "$(image cat next.tar /tmp/copy)" content
}
