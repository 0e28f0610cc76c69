# SPDX-License-Identifier: Apache-2.0
# Images from archives that other tools wrote.
load helpers

setup() {
    common_setup
    showing
    mlb -t img:1 -o img.tar "$CTX" > log 2>&1 || { cat log; return 1; }
    ID=$(id_of img:1)
    "$MLBUILD" save -o want.tar img:1
    image tree want.tar > want
    export MLBUILD_STORE=$BATS_TEST_TMPDIR/other
}

# loads FILE NAME: it loads as NAME, whose files, and what a build makes of it, are those of img:1
loads() {
    ok "$MLBUILD" load -i "$1"
    says "Loaded image: $2"
    ok "$MLBUILD" save -o again.tar "$2"
    image tree again.tar | diff want -
    printf 'FROM %s\nUSER root\nRUN cat /file /made/one > /both\n' "$2" > onto
    ok mlb --pull=never -o both.tar -f onto "$CTX"
    same "a step on top of it" "$(image cat both.tar /both | tr '\n' ' ')" "content 1 "
}

@test "our own hybrid: by name, with its manifest" {
    loads img.tar img:1
    same id "$(id_of img:1)" "$ID"
    same manifest "$(image manifest again.tar)" "$(image manifest img.tar)"
    cmp again.tar img.tar
}

@test "through a pipe, gzip, zstd and xz" {
    ok "$MLBUILD" load < img.tar
    says "Loaded image: img:1"
    for pack in gzip zstd xz; do
        rm -rf "$MLBUILD_STORE"
        $pack < img.tar > packed
        $pack -dc packed | cmp img.tar -
        ok bash -c '"$0" load -q < packed' "$MLBUILD"
        same "output of $pack" "$output" "Loaded image: img:1"
        same id "$(id_of img:1)" "$ID"
    done
}

@test "skopeo copy docker-archive: plain layers, packed again on the way out" {
    ok skopeo copy --quiet oci-archive:img.tar docker-archive:docker.tar:img:1
    loads docker.tar img:1
    same id "$(id_of img:1)" "$ID"
    same diff_ids "$(diff_ids_of img:1)" "$(image diffids img.tar)"
    run json "sorted({l['mediaType'].split('+')[1] for l in d['layers']})" < <(skopeo inspect --raw oci-archive:again.tar)
    says '["gzip"]'
}

@test "skopeo copy oci-archive: with a name, and without one" {
    ok skopeo copy --quiet oci-archive:img.tar oci-archive:named.tar:example.org/team/img:2
    loads named.tar example.org/team/img:2
    ok "$MLBUILD" rmi example.org/team/img:2
    ok skopeo copy --quiet oci-archive:img.tar oci-archive:plain.tar
    ok "$MLBUILD" load -i plain.tar
    says "Loaded image ID: $ID"
    run "$MLBUILD" images
    says "<none>"
    fails 1 "$MLBUILD" push "${ID:7:12}"
    says "has no name to be pushed as" "mlbuild tag"
    ok "$MLBUILD" tag "${ID:7:12}" img:3
    ok "$MLBUILD" save -o again.tar "${ID#sha256:}"
    image tree again.tar | diff want -
    ok "$MLBUILD" rmi "$ID"
}

containers_tool() {
    printf '[engine]\nlock_type = "file"\n' > containers.conf
    runroot=$(mktemp -d "${TMPDIR:-/tmp}/XXXXXX") # at most 50 characters
    tool() {
        local program=$1
        shift
        userns env CONTAINERS_CONF="$PWD/containers.conf" "$program" --root "$PWD/storage" --runroot "$runroot" \
            --storage-driver vfs "$@"
    }
}

@test "podman save, both formats; two images in one archive" {
    containers_tool
    local runc=$(PATH=$PATH:/usr/sbin:/sbin command -v runc)
    pod() { tool podman --tmpdir "$runroot/tmp" --events-backend none --cgroup-manager cgroupfs --runtime "$runc" "$@"; }
    ok pod load -i img.tar
    ok pod save --format docker-archive -o docker.tar docker.io/library/img:1
    ok pod save --format oci-archive -o oci.tar docker.io/library/img:1
    ok pod tag docker.io/library/img:1 localhost/other:2
    ok pod save -m -o many.tar docker.io/library/img:1 localhost/other:2
    userns chown 0:0 docker.tar oci.tar many.tar
    loads docker.tar img:1
    same id "$(id_of img:1)" "$ID"
    rm -rf "$MLBUILD_STORE"
    loads oci.tar img:1
    ok "$MLBUILD" load -i many.tar
    says "Loaded image: img:1" "Loaded image: localhost/other:2"
    userns rm -rf "$runroot"
}

@test "buildah push docker-archive: and oci-archive:" {
    containers_tool
    ok tool buildah pull --quiet oci-archive:img.tar
    local built=$output
    ok tool buildah push --quiet "$built" "docker-archive:$PWD/docker.tar:localhost/img:1"
    ok tool buildah push --quiet "$built" "oci-archive:$PWD/oci.tar:localhost/img:1"
    loads docker.tar localhost/img:1
    rm -rf "$MLBUILD_STORE"
    loads oci.tar localhost/img:1
    userns rm -rf "$runroot"
}

@test "legacy layout with links between layers, and packed layers" {
    ok python3 - << 'END'
import gzip, hashlib, io, json, tarfile
def tar_of(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        i = tarfile.TarInfo(name); i.size = len(data); t.addfile(i, io.BytesIO(data))
    return out.getvalue()
one, two = tar_of("one", b"1"), tar_of("two", b"2")
ids = ["sha256:" + hashlib.sha256(x).hexdigest() for x in (one, two, one)]
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}).encode()
with tarfile.open("legacy.tar", "w") as t:
    def add(name, data=None, link=None, kind=tarfile.SYMTYPE):
        i = tarfile.TarInfo(name)
        if link: i.type, i.linkname = kind, link
        else: i.size = len(data)
        t.addfile(i, io.BytesIO(data or b""))
    add("manifest.json", json.dumps([{"Config": "c.json", "RepoTags": ["old:1", "old:2"], "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"]}]).encode())
    add("c/layer.tar", link="../a/layer.tar")
    add("a/layer.tar", one)
    add("a/VERSION", b"1.0")
    add("b/layer.tar", gzip.compress(two))
    add("c.json", config)
END
    ok "$MLBUILD" load -i legacy.tar
    says "Loaded image: old:1" "Loaded image: old:2"
    ok "$MLBUILD" save -o again.tar old:2
    same one "$(image cat again.tar /one)" 1
    same two "$(image cat again.tar /two)" 2
}

# An archive with one member changed: edit NAME-SUFFIX PYTHON-EXPRESSION-OF-data
edit() {
    python3 - "$1" "$2" << 'END'
import io, sys, tarfile
with tarfile.open("docker.tar") as old, tarfile.open("edited.tar", "w") as new:
    for m in old:
        data = old.extractfile(m).read() if m.isreg() else b""
        if m.name.endswith(sys.argv[1]):
            data = eval(sys.argv[2])
            if data is None: continue
            m.size = len(data)
        new.addfile(m, io.BytesIO(data))
END
}

@test "what is damaged, cut short or hostile is refused, and no image is there" {
    ok skopeo copy --quiet oci-archive:img.tar docker-archive:docker.tar:img:1
    local layer=$(tar -xOf docker.tar manifest.json | json "d[0]['Layers'][3]")
    edit "$layer" "data[:-1000] + b'x' + data[-999:]"
    fails 1 "$MLBUILD" load -i edited.tar
    says "is not the layer that the configuration says"
    edit "$layer" None
    fails 1 "$MLBUILD" load -i edited.tar
    says "$layer is not in the archive" "save the image again"
    edit manifest.json "data.replace(b'$layer', b'../../../etc/passwd')"
    fails 1 "$MLBUILD" load -i edited.tar
    says "../../../etc/passwd is not in the archive"
    edit manifest.json "b'[]'"
    fails 1 "$MLBUILD" load -i edited.tar
    says "names no image"
    head -c 100000 img.tar > short.tar
    fails 1 "$MLBUILD" load -i short.tar
    cp img.tar docker.tar
    local blob=$(tar -tf img.tar | grep -m1 'blobs/sha256/.')
    edit "$blob" "data[:-1] + b'x'"
    rm -rf "$MLBUILD_STORE"
    fails 1 "$MLBUILD" load -i edited.tar
    says "$blob: content is sha256:" "as promised"
    printf x > file; tar -cf plain.tar file
    fails 1 "$MLBUILD" load -i plain.tar
    says "there is no image in the archive" "mlbuild import"
    fails 1 "$MLBUILD" load -i file
    nothing_tagged
}

@test "a layer that claims another's diff_id does not become it" {
    ok skopeo copy --quiet oci-archive:img.tar oci:plain:img:1
    ok python3 - << 'END'
import hashlib, json
def put(data):
    h = hashlib.sha256(data).hexdigest(); open("plain/blobs/sha256/" + h, "wb").write(data); return "sha256:" + h, len(data)
index = json.load(open("plain/index.json"))
blob = lambda d: open("plain/blobs/" + d.replace(":", "/"), "rb").read()
m = json.loads(blob(index["manifests"][0]["digest"]))
m["layers"][1]["digest"], m["layers"][1]["size"] = put(b"evil" + bytes(1020))
m["layers"][1]["mediaType"] = m["layers"][1]["mediaType"].removesuffix("+gzip")
index["manifests"][0]["digest"], index["manifests"][0]["size"] = put(json.dumps(m).encode())
json.dump(index, open("plain/index.json", "w"))
END
    fails 1 bash -c 'tar -C plain -c . | "$0" load' "$MLBUILD"
    says "is not what the configuration says"
    nothing_tagged
}

# refused_layout PYTHON TEXT: PYTHON changes `index`, `m` (its manifest) or `members` of an archive, which
# is not loaded then, because of TEXT
refused_layout() {
    ok python3 - "$1" << 'END'
import io, json, sys, tarfile
old = tarfile.open("img.tar")
members = {m.name: old.extractfile(m).read() for m in old if m.isreg() and m.name != "manifest.json"}
index = json.loads(members["index.json"])
blob = lambda d: "blobs/" + d["digest"].replace(":", "/")
m = json.loads(members[blob(index["manifests"][0])])
exec(sys.argv[1])
members["index.json"] = json.dumps(index).encode()
with tarfile.open("refused.tar", "w") as new:
    for name, data in members.items():
        i = tarfile.TarInfo(name)
        if isinstance(data, str): i.type, i.linkname, data = tarfile.SYMTYPE, data, b""
        i.size = len(data)
        new.addfile(i, io.BytesIO(data))
END
    fails 1 "$MLBUILD" load -i refused.tar
    says "$2"
    nothing_tagged
}

@test "an image does not take the place of one that is known by its digest" {
    local lie=sha256:$(printf 'a%.0s' {1..64})
    refused_layout "index['manifests'][0]['annotations'] = {'io.containerd.image.name': 'docker.io/library/base@$lie'}" \
        "the archive has no image $lie"
    ok skopeo copy --quiet oci-archive:img.tar docker-archive:docker.tar:img:1
    edit manifest.json "data.replace(b'img:1', b'img:1@$lie')"
    fails 1 "$MLBUILD" load -i edited.tar
    says "the archive has no image $lie"
    nothing_tagged
    local truth=$(json "d['manifests'][0]['digest']" < <(tar -xOf img.tar index.json) | tr -d '"')
    ok python3 - "$truth" << 'END'
import io, sys, tarfile
with tarfile.open("img.tar") as old, tarfile.open("honest.tar", "w") as new:
    for m in old:
        data = old.extractfile(m).read() if m.isreg() else b""
        if m.name == "index.json": data = data.replace(b"library/img:1", b"library/img:1@" + sys.argv[1].encode())
        m.size = len(data)
        new.addfile(m, io.BytesIO(data))
END
    ok "$MLBUILD" load -i honest.tar
    says "Loaded image: img:1@$truth"
}

@test "a blob is in the archive, not a link of its name" {
    refused_layout "first = blob(m['layers'][0]); members['other'] = b'x' * len(members[first]); members[first] = '../../other'" \
        "leads to something else"
}

@test "memory does not grow with names" {
    ok python3 - << 'END'
import gzip, io, tarfile
name = "/".join(["n" * 250] * 100)
with gzip.open("names.tar.gz", "wb", 1) as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
    for i in range(2000):
        t.addfile(tarfile.TarInfo("%s/%d" % (name, i)))
END
    fails 1 "$MLBUILD" load -i names.tar.gz
    says "more names of files than an image archive has"
}

@test "the command line" {
    fails 2 "$MLBUILD" load img.tar
    says "hint: mlbuild load -i img.tar"
    fails 1 "$MLBUILD" load -i nowhere.tar
    says "open nowhere.tar"
    fails 1 "$MLBUILD" load -i "$CTX"
    says "is a directory" "pack it first: tar -C"
}

@test "Ctrl-C ends it while nothing comes" {
    mkfifo pipe
    "$MLBUILD" load < pipe > log 2>&1 3>&- &
    local load=$!
    exec 4> pipe
    head -c 1000 img.tar >&4
    wait_until 20 grep -q "load -" log
    sleep 0.2
    kill -TERM $load
    local code=0
    wait $load || code=$?
    exec 4>&-
    same "exit code" "$code" 143
}

# peak FILE: the most memory that loading it takes, in KiB
peak() {
    python3 -c 'import resource, subprocess, sys
subprocess.check_call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$MLBUILD" load -q -i "$1" | tail -1
}

@test "memory does not grow with the image" {
    head -c 300000000 /dev/zero > "$CTX/zeros"
    printf 'FROM base\nCOPY zeros /\n' > "$CTX/Dockerfile"
    ok mlb -o type=oci,dest=large.tar,compression=none "$CTX"
    local small=$(peak img.tar) large=$(peak large.tar)
    [ $((large - small)) -lt 8000 ] || { echo "$large KiB for 300 MB, $small for 1 MB"; return 1; }
}
