# SPDX-License-Identifier: Apache-2.0
# Where an image can go, and what other tools make of it.
load helpers
load containers

setup() {
    common_setup
    showing
}

base_layers() { image layers "$BASE"; }

@test "FILE.tar: skopeo reads it as oci-archive and as docker-archive" {
    ok mlb -t img:1 -o img.tar "$CTX"
    ok skopeo inspect oci-archive:img.tar
    same digest "$(json "d['Digest']" <<< "$output")" "$(image manifest img.tar)"
    same id "sha256:$(skopeo inspect --config --raw oci-archive:img.tar | sha256sum | cut -d' ' -f1)" "$(id_of img:1)"
    ok skopeo inspect docker-archive:img.tar
    same layers "$(json "len(d['Layers'])" <<< "$output")" 4
    ok skopeo inspect docker-archive:img.tar:docker.io/library/img:1
    ok skopeo inspect oci-archive:img.tar:1
    ok skopeo copy --quiet oci-archive:img.tar dir:copied
    ok skopeo copy --quiet docker-archive:img.tar oci:copied2
    image tree img.tar > one
    image tree copied2 | diff one -
}

@test "the base's layers stand in the output as they were" {
    ok mlb -o img.tar "$CTX"
    same layers "$(image layers img.tar | head -2)" "$(base_layers)"
}

@test "umoci unpacks the output of type=oci-dir, owners and all" {
    ok mlb -t img:1 -o type=oci-dir,dest=layout "$CTX"
    ok userns umoci unpack --image layout:1 bundle
    same owner "$(userns stat -c '%u:%g' bundle/rootfs/made/one)" 1000:2000
    same content "$(userns cat bundle/rootfs/file)" content
    [ ! -e bundle/rootfs/base/gone ]
    ok umoci stat --image layout:1
}

@test "podman loads FILE.tar" {
    ok mlb -t img:1 -o img.tar "$CTX"
    containers_tool
    ok pod load -i img.tar
    says "Loaded image: docker.io/library/img:1"
    ok pod image inspect docker.io/library/img:1
    same id "sha256:$(sed -n '/^\[/,$p' <<< "$output" | json "d[0]['Id']")" "$(id_of img:1)"
    userns rm -rf "$runroot"
}

@test "buildah takes oci-archive:FILE.tar as a base and runs in it" {
    ok mlb -t img:1 -o img.tar "$CTX"
    containers_tool
    ok tool buildah from --quiet --name made oci-archive:img.tar
    ok tool buildah run --isolation chroot made -- /bin/sh -c 'echo $(id -u) $(cat /file) $(stat -c %u:%g /made/one)'
    says "1000 content 1000:2000"
    userns rm -rf "$runroot"
}

@test "type=oci and type=docker are the same hybrid, as a file and on standard output" {
    ok mlb -t img -o type=oci,dest=one "$CTX"
    ok mlb -t img -o type=docker,dest=two "$CTX"
    cmp one two
    mlb -t img -o type=oci,dest=- "$CTX" 2> /dev/null | cmp one -
    "$MLBUILD" save img | cmp one -
    ok "$MLBUILD" save -o three img
    cmp one three
}

@test "several outputs of one build, and names in them" {
    ok mlb -t img -o one.tar -o type=oci-dir,dest=layout,name=other:2 -o type=local,dest=tree "$CTX"
    same names "$(tar -xOf one.tar manifest.json | json "d[0]['RepoTags']")" \
        '["docker.io/library/img:latest", "docker.io/library/other:2"]'
    same manifest "$(image manifest layout)" "$(image manifest one.tar)"
    same content "$(cat tree/file)" content
}

@test "type=local and type=tar: the merged file system" {
    ok mlb -o out "$CTX"
    says "exporting to client directory: out" " writing " "MB / "
    same content "$(cat out/file)" content
    [ -f out/made/one ] && [ ! -e out/base/gone ] && [ -L out/base/link ]
    same owner "$(stat -c %u out/made/one)" "$(id -u)"
    ok mlb -o type=tar,dest=fs.tar "$CTX"
    run tar --numeric-owner -tvf fs.tar
    says "1000/2000" "base/link -> keep"
    says_not .wh. base/gone
    mlb -o - "$CTX" 2> /dev/null | cmp fs.tar -
}

@test "a directory for files, or for a layout, is made with those above it" {
    printf 'FROM scratch\nCOPY Dockerfile /file\n' | dockerfile
    ok mlb -o type=local,dest=one/two/files -o type=oci-dir,dest=three/four/layout/ "$CTX"
    cmp one/two/files/file "$CTX/Dockerfile"
    [ -f three/four/layout/index.json ]
    touch plain
    fails 1 mlb -o type=local,dest=plain/files "$CTX"
    says "plain/files: Not a directory"
    fails 1 mlb -o type=local,dest=plain "$CTX"
    says "open the directory plain: Not a directory"
}

@test "compression=uncompressed" {
    ok mlb -o type=oci,dest=img.tar,compression=uncompressed "$CTX"
    run json "[l['mediaType'] for l in d['layers'][2:]]" < <(skopeo inspect --raw oci-archive:img.tar)
    says '["application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar"]'
    ok skopeo copy --quiet oci-archive:img.tar dir:copied
    same layers "$(image layers img.tar | head -2)" "$(base_layers)"
}

@test "compression=zstd, and levels: what others unpack is the same" {
    ok mlb -o type=oci,dest=gzip.tar "$CTX"
    ok mlb -o type=oci,dest=zstd.tar,compression=zstd "$CTX"
    run json "[l['mediaType'] for l in d['layers'][2:]]" < <(skopeo inspect --raw oci-archive:zstd.tar)
    says '["application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.v1.tar+zstd"]'
    same diff_ids "$(skopeo inspect --config oci-archive:zstd.tar | json "d['rootfs']['diff_ids']")" \
        "$(skopeo inspect --config oci-archive:gzip.tar | json "d['rootfs']['diff_ids']")"
    ok skopeo copy --quiet --dest-decompress oci-archive:zstd.tar dir:copied
    ok mlb -o type=oci,dest=again.tar,compression=zstd "$CTX"
    cmp zstd.tar again.tar
    ok mlb -o type=oci,dest=best.tar,compression=gzip,compression-level=9 "$CTX"
    fails 2 mlb -o type=oci,dest=x.tar,compression=gzip,compression-level=10 "$CTX"
    says "the highest level is 9"
    fails 1 mlb -o type=oci,dest=x.tar,compression=lzma "$CTX"
    says "gzip, zstd or uncompressed"
}

@test "force-compression: the base is packed anew" {
    ok mlb -o type=oci,dest=plain.tar "$CTX"
    ok mlb -o type=oci,dest=some.tar,compression=zstd "$CTX"
    same base "$(image layers some.tar | head -2)" "$(base_layers)"
    ok mlb -o type=oci,dest=all.tar,compression=zstd,force-compression=true "$CTX"
    run json "sorted({l['mediaType'].split('+')[1] for l in d['layers']})" < <(skopeo inspect --raw oci-archive:all.tar)
    says '["zstd"]'
    same diff_ids "$(skopeo inspect --config oci-archive:all.tar | json "d['rootfs']['diff_ids']")" \
        "$(skopeo inspect --config oci-archive:plain.tar | json "d['rootfs']['diff_ids']")"
    ok mlb --compression zstd --force-compression -o again.tar "$CTX"
    cmp all.tar again.tar
    ok mlb --compression none -o type=oci,dest=plain2.tar,compression=gzip "$CTX"
    cmp plain.tar plain2.tar
    fails 1 mlb --compression lzma -o x.tar "$CTX"
    fails 2 mlb --compression zstd --compression-level 99 -o x.tar "$CTX"
    says "0 to 22"
}

@test "the store is an image layout of what was packed" {
    ok mlb -t img:1 "$CTX"
    same index "$(json "d['manifests']" < "$MLBUILD_STORE/index.json")" "[]"
    ok mlb -t img:1 -o img.tar "$CTX"
    ok skopeo inspect "oci:$MLBUILD_STORE:1"
    same digest "$(json "d['Digest']" <<< "$output")" "$(image manifest img.tar)"
    ok skopeo copy --quiet "oci:$MLBUILD_STORE:1" oci:copied
    image tree copied > one
    image tree img.tar | diff one -
}

@test "a tarball obeys the caller's umask and replaces what was there" {
    echo old > img.tar
    (umask 027 && mlb -o img.tar "$CTX" 2> log) || { cat log; return 1; }
    same mode "$(stat -c %a img.tar)" 640
    ok skopeo inspect oci-archive:img.tar
    same "other files" "$(ls -A | grep -c 'img.tar\|tmp')" 1
}

@test "a tarball is begun while the steps run: the same bytes" {
    dockerfile <<'END'
FROM base AS files
RUN mkdir /d && echo linked >/d/f
FROM base
COPY file /first
RUN sleep 0.5
COPY --link --from=files /d /d
RUN echo last >/last
COPY file /first
END
    ok mlb --progress plain -t img -o one.tar "$CTX"
    says "were written while other layers were made"
    "$MLBUILD" save img | cmp one.tar
    local more
    for more in --compression=zstd "--compression=zstd --force-compression" --epoch=1 --annotation=a=b; do
        echo "$more" >"$CTX/file"
        read -r -a more <<<"$more"
        ok mlb --no-cache -t img -o two.tar "${more[@]}" "$CTX"
        "$MLBUILD" save img | cmp two.tar
        ok mlb -t img -o three.tar "${more[@]}" "$CTX"
        cmp two.tar three.tar
    done
}

@test "a tarball is begun while the steps run: nothing is left of a build that fails or is killed" {
    echo old >img.tar
    dockerfile <<'END'
FROM base
RUN echo started; sleep 60
END
    mlb_in_background -o img.tar "$CTX"
    wait_until 20 grep -q "started$" log
    sleep 0.2
    same "files beside" "$(ls -A | grep -c 'img.tar\|tmp')" 1
    kill -9 $!
    no_process_left
    sed -i 's/sleep 60/false/' "$CTX/Dockerfile"
    fails 1 mlb -o img.tar "$CTX"
    says "did not complete successfully"
    fails 1 mlb -o none/img.tar "$CTX"
    says "open the directory none"
    says_not "started"
    fails 1 mlb -o type=oci,dest=. "$CTX"
    says "write .: Is a directory" "hint: give the name of a file in it"
    says_not "started"
    sed -i 's/; false//' "$CTX/Dockerfile"
    ok mlb "$CTX"
    fails 1 mlb -o none/img.tar "$CTX"
    says "open the directory none"
    same content "$(cat img.tar)" old
    same "files beside" "$(ls -A | grep -c 'img.tar\|tmp\|none')" 1
}

@test "--iidfile and -q: the image id, which is the digest of the configuration" {
    ok mlb -t img --iidfile id "$CTX"
    same iidfile "$(cat id)" "$(id_of img)"
    run --separate-stderr mlb -q -t img "$CTX"
    same "standard output" "$output" "$(cat id)"
    same "standard error" "$stderr" ""
    same id "sha256:$(sha256sum < "$MLBUILD_STORE/blobs/$(tr : / < id)" | cut -d' ' -f1)" "$(cat id)"
    run --separate-stderr mlb -q --no-cache --label a=b -t img "$CTX"
    same "standard output" "$output" "$(id_of img)"
    same "standard error" "$stderr" ""
}

@test "no image is made that nobody asked for: of the cache alone, and of files" {
    local before
    ok mlb -o type=cacheonly "$CTX"
    says "no image: the result is only cached" "add -t NAME"
    run --separate-stderr mlb -q -o type=cacheonly -o out "$CTX"
    same "the result" "$status,$output,$stderr" "0,,"
    same content "$(cat out/file)" content
    ok "$MLBUILD" images -q
    same images "$output" ""
    before=$(ls "$MLBUILD_STORE/blobs/sha256")
    ok mlb -o type=cacheonly --iidfile id --metadata-file about.json "$CTX"
    [[ $before != *$(cut -d: -f2 id)* ]]
    [ -e "$MLBUILD_STORE/blobs/$(tr : / < id)" ] && grep -q "$(cat id)" about.json
    ok mlb -t img -o type=cacheonly "$CTX"
    same "the name" "$(id_of img)" "$(cat id)"
}

@test "images, inspect, tag, rmi" {
    ok "$MLBUILD" images -q
    same images "$output" ""
    ok mlb -t img:1 -t example.org/a/b "$CTX"
    ok "$MLBUILD" images
    says "NAME" "img:1 " "example.org/a/b:latest "
    fails 2 "$MLBUILD" tag img:1 "new/name@$(id_of img:1)"
    says "a tag has no digest"
    ok "$MLBUILD" tag img:1 new/name
    same id "$(id_of docker.io/new/name:latest)" "$(id_of img:1)"
    id=$(id_of img:1)
    same "by id" "$(id_of "$id")" "$id"
    same "by the start of the id" "$(id_of "${id:7:12}")" "$id"
    ok "$MLBUILD" rmi img:1 new/name
    says "removed docker.io/library/img:1" "removed docker.io/new/name:latest"
    fails 1 "$MLBUILD" inspect img:1
    says 'ERROR: no image docker.io/library/img:1 in the store' "hint: mlbuild images lists what is there"
    ok "$MLBUILD" inspect example.org/a/b
    same name "$(json "d['name']" <<< "$output")" example.org/a/b:latest
    same layers "$(json "[l['blob'] for l in d['layers'][:2]]" <<< "$output" | tr -d '[]," ' )" "$(base_layers | tr -d '\n')"
}

@test "several tags of one build, and a new build takes the name over" {
    ok mlb -t one -t two:2 "$CTX"
    says "named  one:latest" "named  two:2"
    local old=$(id_of one)
    same id "$(id_of two:2)" "$old"
    ok mlb -t one --label new=1 "$CTX"
    [ "$(id_of one)" != "$old" ]
    same "the other name" "$(id_of two:2)" "$old"
}

@test "prune keeps what a name needs and frees the rest" {
    ok mlb -t img -o img.tar "$CTX"
    ok "$MLBUILD" prune
    ok "$MLBUILD" save -o again.tar img
    cmp img.tar again.tar
    ok mlb -t img "$CTX"
    step_says "COPY file" CACHED
    ok "$MLBUILD" rmi img
    ok "$MLBUILD" prune
    says "removed" "layers"
    same "blobs that stay" "$(ls "$MLBUILD_STORE/blobs/sha256" | wc -l)" 0
    same "layers that stay" "$(ls "$MLBUILD_STORE/layers" | wc -l)" 0
    same "records that stay" "$(ls "$MLBUILD_STORE/cache" | wc -l)" 0
    ok mlb -t img -o third.tar "$CTX"
    contents() { image tree "$1" | cut -d' ' -f1-6,8-; }
    same files "$(contents third.tar)" "$(contents img.tar)"
}

@test "save: by name, by id, as a directory; an image that was never packed" {
    ok mlb -t img:1 "$CTX"
    ok "$MLBUILD" save --progress plain -o one.tar img:1
    says "were written while other layers were made"
    "$MLBUILD" save img:1 | cmp one.tar
    ok "$MLBUILD" save --format oci-dir -o layout "$(id_of img:1)"
    same manifest "$(image manifest layout)" "$(image manifest one.tar)"
    same names "$(tar -xOf one.tar manifest.json | json "d[0]['RepoTags']")" '["docker.io/library/img:1"]'
    fails 1 "$MLBUILD" save -o two.tar none
    says "no image docker.io/library/none:latest in the store"
    [ ! -e two.tar ]
}

@test "an image of the store is a base" {
    ok mlb -t mine:1 "$CTX"
    dockerfile << 'END'
FROM mine:1
USER 0
RUN cat /file > /copy
END
    ok "$MLBUILD" build --progress=plain -t next -o next.tar "$CTX"
    same copy "$(image cat next.tar /copy 2>&1)" content
    same layers "$(image layers next.tar | head -2)" "$(base_layers)"
    same diff_ids "$(diff_ids_of next | head -4)" "$(diff_ids_of mine:1)"
}

@test "an output of ours is a base: oci-layout://DIR" {
    ok mlb -t img:1 -o type=oci-dir,dest=layout "$CTX"
    dockerfile << 'END'
FROM given
RUN cat /file
END
    export MLBUILD_STORE=$BATS_TEST_TMPDIR/store2
    ok "$MLBUILD" build --progress=plain --build-context given=oci-layout://layout:1 -o next.tar "$CTX"
    says "content"
    same layers "$(image layers next.tar | head -4)" "$(image layers layout)"
}

@test "an image of an epoch that is packed later, or built upon, keeps its times" {
    ok mlb --epoch 1500000000 -t img "$CTX"
    ok "$MLBUILD" save -o late.tar img
    ok mlb --epoch 1500000000 -o early.tar "$CTX"
    same layers "$(image layers late.tar)" "$(image layers early.tar)"
    ok skopeo copy --quiet oci-archive:late.tar dir:copied
    mkdir on && printf 'FROM img\nRUN true\n' > on/Dockerfile
    ok "$MLBUILD" build -o on.tar on
    same layers "$(image layers on.tar | head -n -1)" "$(image layers early.tar)"
}

@test "--epoch and SOURCE_DATE_EPOCH clamp times" {
    ok mlb --epoch 1500000000 -t img -o one.tar "$CTX"
    same created "$("$MLBUILD" inspect img | json "d['config']['created']")" 2017-07-14T02:40:00Z
    [ "$(image tree one.tar file | cut -d' ' -f7)" = 1500000000 ]
    SOURCE_DATE_EPOCH=1500000000 ok mlb -t img -o two.tar "$CTX"
    cmp one.tar two.tar
    same "layers of the base" "$(image layers one.tar | head -2)" "$(base_layers)"
    fails 1 mlb --build-arg SOURCE_DATE_EPOCH=soon "$CTX"
    says "invalid SOURCE_DATE_EPOCH: soon"
}

@test "save: several images in one tarball, each once, under all names that were asked for" {
    dockerfile <<< $'FROM base\nRUN echo one > /one'
    ok mlb -t one:1 -t one:2 "$CTX"
    dockerfile <<< $'FROM base\nRUN echo two > /two'
    ok mlb -t two:1 "$CTX"
    ok "$MLBUILD" save -o all.tar one:1 two:1 one:2 one:1
    same tags "$(tar -xOf all.tar manifest.json | json "sorted(t for i in d for t in i['RepoTags'])")" \
        '["docker.io/library/one:1", "docker.io/library/one:2", "docker.io/library/two:1"]'
    same images "$(tar -xOf all.tar manifest.json | json "len(d)")" 2
    same entries "$(tar -xOf all.tar index.json | json "len(d['manifests'])")" 3
    same "blobs that are there twice" "$(tar -tf all.tar | sort | uniq -d)" ""
    ok skopeo inspect --config oci-archive:all.tar:docker.io/library/two:1 || ok skopeo inspect --config docker-archive:all.tar:docker.io/library/two:1
    MLBUILD_STORE=$PWD/other ok "$MLBUILD" load -i all.tar
    says one:1 one:2 two:1
    same id "$(MLBUILD_STORE=$PWD/other id_of two:1)" "$(id_of two:1)"
    fails 1 "$MLBUILD" save -o none.tar one:1 three:1
    [ ! -e none.tar ]
}
