# SPDX-License-Identifier: Apache-2.0
# What tries to break a build: odd layers, odd outputs, two builders with one store.
load helpers

# layout DIR PYTHON: an image of the small base and the layers that the expression lists.
layout() {
    PYTHONPATH=$HERE python3 - "$1" "$2" << 'END'
import sys
dest, layers = sys.argv[1:]
sys.argv[1:] = ["base", dest] # what the module does when it is loaded
from image import CONFIG, D, F, L, S, Layout, base_layer, tar_of
def f(path, text=""): return (path, F, 0o644, 0, text.encode())
def d(path): return (path, D, 0o755, 0, b"")
def link(path, target): return (path, L, 0o644, 0, target)
Layout(dest).image([base_layer()] + [tar_of(l) for l in eval(layers)], CONFIG)
END
}

# on LAYOUT ARGUMENTS...: a build on that image, under the name odd
on() {
    local dir=$1
    shift
    ok "$MLBUILD" build --progress=plain --build-context "odd=oci-layout://$dir" "$@"
}

@test "a rebuilt stage never meets steps that were made on an earlier one" {
    dockerfile << 'END'
FROM base AS first
RUN cat /proc/sys/kernel/random/uuid > /one
FROM first
RUN cp /one /two
END
    ok mlb "$CTX"
    ok mlb --no-cache --target first "$CTX"
    ok mlb -o type=local,dest=out "$CTX"
    same "the second step's copy" "$(cat out/two)" "$(cat out/one)"
    ok mlb "$CTX"
    same "cached steps" "$(cached_steps)" 3
}

@test "files copied from a rebuilt stage are all of that one" {
    dockerfile << 'END'
FROM base AS made
RUN cat /proc/sys/kernel/random/uuid > /one; cp /one /two
FROM scratch
COPY --from=made /one /
END
    ok mlb "$CTX"
    ok mlb --no-cache --target made "$CTX"
    echo "COPY --from=made /two /" >> "$CTX/Dockerfile"
    ok mlb -o type=local,dest=out "$CTX"
    same "the second file" "$(cat out/two)" "$(cat out/one)"
}

@test "a hard link is not drawn to a file of another source" {
    mkdir "$CTX"/a "$CTX"/b "$CTX"/c
    echo linked > "$CTX/a/x"
    ln "$CTX/a/x" "$CTX/c/y"
    echo other > "$CTX/b/x"
    dockerfile << 'END'
FROM scratch
COPY a b c /
END
    ok mlb -o type=local,dest=out "$CTX"
    same x "$(cat out/x)" other
    same y "$(cat out/y)" linked
}

@test "an opaque root hides all layers below it" {
    layout odd '[[f("old")], [f(".wh..wh..opq"), f("new")]]'
    printf 'FROM odd\nWORKDIR /w\n' | dockerfile
    on odd -o type=local,dest=out "$CTX"
    same files "$(ls out)" "new
w"
}

@test "a directory in place of a file of its own layer hides the lower directory" {
    layout odd '[[d("q"), f("q/old")], [f("q"), d("q"), f("q/new")]]'
    printf 'FROM odd\nWORKDIR /w\n' | dockerfile
    on odd -o type=local,dest=out "$CTX"
    same files "$(ls out/q)" new
}

@test "a hard link to what is not there is named" {
    layout odd '[[link("a", "missing")]]'
    layout gone '[[f("file")], [f(".wh.file"), link("a", "file")]]'
    printf 'FROM odd\nRUN true\n' | dockerfile
    fails 1 "$MLBUILD" build --progress=plain --build-context "odd=oci-layout://odd" "$CTX"
    says "hard link a to missing, which does not exist"
    fails 1 "$MLBUILD" build --progress=plain --build-context "odd=oci-layout://gone" "$CTX"
    says "hard link a to file, which does not exist"
}

@test "mount points that the image lacks let everybody in" {
    layout odd '[[f(".wh.etc"), f("file")]]'
    dockerfile << 'END'
FROM odd
USER 1234
RUN cat /etc/resolv.conf > /dev/null && stat -c 'mode %a' /etc
END
    on odd "$CTX"
    says "mode 755"
}

@test "a local output removes no directory of the user's" {
    mkdir -p out/file/mine
    echo keep > out/file/mine/keep
    echo x > "$CTX/file"
    printf 'FROM scratch\nCOPY file /\n' | dockerfile
    fails 1 mlb -o out "$CTX"
    says "replace file in the destination" "empty directory"
    same kept "$(cat out/file/mine/keep)" keep
}

@test "a local output does not follow links in its destination" {
    mkdir out elsewhere
    ln -s ../elsewhere out/dir
    mkdir "$CTX/dir"
    echo x > "$CTX/dir/file"
    printf 'FROM scratch\nCOPY . /\n' | dockerfile
    fails 1 mlb -o out "$CTX"
    same files "$(ls elsewhere)" ""
}

@test "an output to a pipe or a device is written there, and does not replace it" {
    printf 'FROM base\n' | dockerfile
    mkfifo pipe
    tar t < pipe > names &
    ok mlb -o type=oci,dest=pipe "$CTX"
    wait $!
    [ -p pipe ]
    grep -qx index.json names
    fails 7 mlb -o type=oci,dest=/dev/full "$CTX"
    [ -c /dev/full ]
}

@test "an output through a link replaces what the link leads to" {
    printf 'FROM base\n' | dockerfile
    mkdir far
    echo old > far/image.tar
    ln -s far/image.tar image.tar
    ok mlb -o image.tar "$CTX"
    [ -L image.tar ]
    tar tf far/image.tar | grep -qx index.json
}

@test "an image id goes to another file system" {
    printf 'FROM base\n' | dockerfile
    local file
    file=$(mktemp -u /dev/shm/mlbuild-iid.XXXXXX)
    ok mlb -t img --iidfile "$file" "$CTX"
    same id "$(cat "$file")" "$(id_of img)"
    rm "$file"
}

@test "outputs that want different layers are refused" {
    printf 'FROM base\n' | dockerfile
    fails 2 mlb -o a.tar -o type=oci,dest=b.tar,compression=none "$CTX"
    says "different compression"
    [ ! -e a.tar ]
    ok mlb -o out -o type=oci,dest=b.tar,compression=none "$CTX"
}

@test "an id that cannot be printed is an error" {
    printf 'FROM base\n' | dockerfile
    fails 1 bash -c '"$0" build -q --build-context "base=oci-layout://$1" "$2" > /dev/full' "$MLBUILD" "$BASE" "$CTX"
    says "standard output"
}

@test "a blob that was cut short is made anew" {
    printf 'FROM base\nRUN seq 200000 > /numbers\n' | dockerfile
    ok mlb -t img --epoch 1 -o a.tar "$CTX"
    local blob size
    blob=$(ls -S "$MLBUILD_STORE"/blobs/sha256/* | sed -n 2p)
    size=$(stat -c %s "$blob")
    chmod u+w "$blob"
    truncate -s 10 "$blob"
    rm "$MLBUILD_STORE"/cache/*
    ok mlb -t img --epoch 1 -o b.tar "$CTX"
    same size "$(stat -c %s "$blob")" "$size"
    cmp a.tar b.tar
}

# configured MEMBER VALUE: the small base with that in its configuration, both JSON, as the layout "odd"
configured() {
    userns rm -rf odd
    PYTHONPATH=$HERE python3 - "$1" "$2" << 'END'
import json, sys
member, value = sys.argv[1:]
sys.argv[1:] = ["base", "odd"]
from image import CONFIG, Layout, base_layer
Layout("odd").image([base_layer()], {**CONFIG, member: json.loads(value)})
END
}

# 107 of the bad inputs
@test "a base's configuration names a user that is none" {
    printf 'FROM odd\nRUN id -u > /dev/shm/id\n' | dockerfile
    try() { # USER MESSAGE
        configured User "\"$1\""
        fails 1 "$MLBUILD" build --progress=plain --build-context odd=oci-layout://odd "$CTX"
        says "$2" "Dockerfile:2" ">>> RUN id"
    }
    try 0:evil "unable to find group evil"
    try 4294967296 "out of range"
    try -1 "unable to find user -1"
    try " 1" "unable to find user  1"
}

# 108 of the bad inputs
@test "a base's configuration names a working directory that is none" {
    printf 'FROM odd\nRUN pwd; echo x > here\n' | dockerfile
    try() { # DIRECTORY WHERE-IT-IS
        configured WorkingDir "\"$1\""
        on odd -o type=local,dest=out "$CTX"
        says " $2"
        same file "$(cat "out$2/here")" x
        rm -rf out
    }
    try relative/below /relative/below
    try ../../above /above
    try /../../../tmp /tmp
    local dir
    for dir in /proc/self/fd/7 /proc/1/root/etc; do
        configured WorkingDir "\"$dir\""
        fails 1 "$MLBUILD" build --progress=plain --build-context odd=oci-layout://odd "$CTX"
        says "the working directory $dir" "Dockerfile:2"
    done
}
