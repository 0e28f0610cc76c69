# SPDX-License-Identifier: Apache-2.0
# Layers that are written straight to their blobs, because nothing mounts them: they are those that a
# tree would have given, and they become trees when a later build wants that.
load helpers

# The context of most tests: files of all kinds, at fixed times.
some_files() {
    mkdir -p "$CTX"/{many/{d1,d2,empty},odd,hard,bin}
    echo one > "$CTX/one"; : > "$CTX/nothing"
    echo a > "$CTX/a.txt"; echo m > "$CTX/m.txt"; echo z > "$CTX/z.txt"
    echo f > "$CTX/many/d1/f"; echo g > "$CTX/many/d2/g"; echo t > "$CTX/many/top"
    echo before > "$CTX/many/d1-"; echo after > "$CTX/many/d1.x"
    ln -s ../one "$CTX/many/d1/up"; ln -s nowhere "$CTX/many/broken"; ln -s d1 "$CTX/many/todir"
    echo h > "$CTX/hard/1"; ln "$CTX/hard/1" "$CTX/hard/2"; mkdir "$CTX/hard/a"; ln "$CTX/hard/1" "$CTX/hard/a/0"
    setfattr -n user.ours -v value "$CTX/one" "$CTX/many/d2"
    echo 1 > "$CTX/odd/"$'new\nline'; echo 2 > "$CTX/odd/ünï — 文"; echo 3 > "$CTX/odd/$(printf 'n%.0s' {1..255})"
    echo 4 > "$CTX/odd/ blanks  "; echo 5 > "$CTX/odd/-"; echo 6 > "$CTX/odd/"$'\377'
    setfattr -n user.overlay.overlay.opaque -v y "$CTX/many/d2"; setfattr -n user.a=b -v c "$CTX/a.txt"
    mkfifo "$CTX/bin/fifo"; cp "$BASH" "$CTX/bin/program"
    chmod 4755 "$CTX/bin/program"; chmod 2755 "$CTX/many/d1"; chmod 1777 "$CTX/many"; chmod 600 "$CTX/many/top"
    tar -C "$CTX" -cf "$CTX/files.tar" many one
    printf 'root:x:0:0::/:\nnewuser:x:77:78::/:\n' > "$CTX/passwd"
    printf '*.tar\nDockerfile*\n' > "$CTX/.dockerignore"
    find "$CTX" -exec touch --no-dereference --date=@1700000000 {} +
    touch -d @1234567890 "$CTX/many/d1/f"; touch -d @0 "$CTX/many/top"
}

# Every way to copy.
many_copies() {
    cat << 'END'
COPY one /one
COPY nothing /e/
COPY many/empty /ed
COPY many /many/
COPY hard /hard
COPY odd /odd/
COPY bin /programs/
COPY --chown=app:extra one /home/app/
COPY --chown=app many /owned
COPY --chown=12:13 hard /owned/numbers
COPY --chmod=0711 one /
COPY --chmod=u=rwX,go=rX many /modes/
COPY *.txt /wild/
COPY z.txt a.txt m.txt one /unsorted/
COPY one many nothing /mixed/
COPY many/d2 many/d1 /two/
COPY --exclude=**/*.txt --exclude=many/d1 . /excluded/
COPY --parents many/d1/f hard/a/0 /parents/
COPY --link many /linked/
COPY --link --chown=5 one /linked/one
COPY <<hello <<bye one /here/
hi
hello
byebye
bye
COPY one /base/dirlink/
COPY many /base/dirlink
COPY many /base/opaque
COPY one /base/link
COPY one /base/hard2
COPY --from=other / /from/
COPY --from=other /made/a.txt /from/b.txt
WORKDIR /w/a/b
WORKDIR c
COPY one many/top .
WORKDIR /base/dirlink/new
COPY . /all
COPY . /
COPY passwd /etc/passwd
COPY --chown=newuser one /new/owner
END
}

layers_of_store() { userns ls "$MLBUILD_STORE/layers"; }

# indexed LAYERS: how many of them are packed
packed_layers() { grep -l '"layout"' "$MLBUILD_STORE"/cache/* | wc -l; }

# both OPTIONS...: builds the Dockerfile as it is, and in another store with a RUN behind it
both() {
    { cat "$CTX/Dockerfile"; echo "RUN :"; } > "$CTX/Dockerfile.run"
    touch -d @1700000000 "$CTX"
    ok mlb -t img -o img.tar "$@" "$CTX"
    diff_ids_of img > packed
    MLBUILD_STORE=$PWD/store2 ok mlb -t img -f "$CTX/Dockerfile.run" -o run.tar "$@" "$CTX"
    MLBUILD_STORE=$PWD/store2 diff_ids_of img | head -n -1 > trees
    diff packed trees
}

@test "the layers are those that trees give" {
    some_files
    { echo 'FROM base AS other'; echo 'COPY many /made'; echo 'COPY a.txt /made/'; echo 'FROM base'; many_copies; } | dockerfile
    both
    [ "$(packed_layers)" -gt 30 ]
    [ "$(wc -l < packed)" -gt 30 ]
    # and the blobs too, as they are exported
    image layers img.tar > blobs
    image layers run.tar | head -n -1 | diff blobs -
}

@test "upon what RUN has deleted and replaced" {
    some_files
    dockerfile << 'END'
FROM base
RUN rm -r /base/opaque /base/dir && mkdir /base/opaque && ln -s /base/opaque /base/dir && rm /base/gone /base/link && \
    mkdir -m 700 /base/link && mkdir -p /r/d && chown app /r/d && ln -s ../r /base/r && echo r > /r/d/g && \
    find /r /base -exec touch -h -d @1500000000 {} +
RUN rm /r/d/g && touch -d @1500000000 /r/d
COPY many /base/opaque
COPY one /base/dir/old
COPY many /base/dir/sub/
COPY one /base/gone/new
COPY many/d2 /base/link
COPY many/d2 /base/r/d/
COPY one /base/r/d/one
WORKDIR /base/r/d/w
COPY . /
END
    both
    [ "$(packed_layers)" -ge 9 ]
}

@test "a RUN that comes later finds them" {
    some_files
    rm "$CTX/odd/"*$'\n'* "$CTX/odd/"$'\377' # the step's list is of lines of text
    { echo 'FROM base AS other'; echo 'COPY many /made'; echo 'COPY a.txt /made/'; echo 'FROM base'; many_copies; } | dockerfile
    ok mlb -t img "$CTX"
    diff_ids_of img > before
    see >> "$CTX/Dockerfile"
    ok mlb -t img2 -o img2.tar "$CTX"
    step_says "COPY . /all" CACHED
    diff_ids_of img2 | head -n -1 | diff before -
    compare_with_step img2.tar
}

@test "a RUN between them does not repeat what comes behind it" {
    mkdir -p "$CTX/d/e"
    echo x > "$CTX/x"; echo y > "$CTX/d/y"
    touch -d '2020-01-01 00:00:00.123456789' "$CTX/d/e" "$CTX/d/y" "$CTX/d"
    printf 'FROM base\nCOPY d /d\nWORKDIR /d/made\nCOPY x /d/\nCOPY x /d/made/\nCOPY d /d/e/\n' | dockerfile
    for options in '' '--epoch=1000000000'; do
        ok mlb -t img $options "$CTX"
        sed 's/^WORKDIR.*/&\nRUN echo > \/new/' "$CTX/Dockerfile" > "$CTX/Dockerfile.run"
        ok mlb -t img -f "$CTX/Dockerfile.run" $options "$CTX"
        step_says "RUN echo" DONE
        step_says "COPY x /d/" CACHED
        step_says "COPY x /d/made/" CACHED
        step_says "COPY d /d/e/" CACHED
    done
}

@test "a second build is cached and enters no namespace" {
    some_files
    head -c 17000000 /dev/urandom > "$CTX/many/large"; ln "$CTX/many/large" "$CTX/many/again"
    { echo 'FROM base AS other'; echo 'COPY many /made'; echo 'COPY a.txt /made/'; echo 'FROM base'; many_copies; } | dockerfile
    mkdir bin
    printf '#!/bin/sh\nexit 1\n' > bin/newuidmap
    chmod 755 bin/newuidmap
    ok mlb -t img "$CTX"
    local id
    id=$(id_of img)
    PATH=$PWD/bin:$PATH ok mlb -t img "$CTX"
    says_not DONE$'\n'ERROR
    same id "$(id_of img)" "$id"
    ok mlb -o one.tar "$CTX"
    PATH=$PWD/bin:$PATH ok mlb -o two.tar "$CTX"
    cmp one.tar two.tar
    PATH=$PWD/bin:$PATH ok "$MLBUILD" save -o three.tar img
    same manifest "$(image manifest three.tar)" "$(image manifest one.tar)"
}

@test "a base that nothing mounts is not unpacked, and its blobs are passed on" {
    some_files
    printf 'FROM base\nCOPY many /x\nWORKDIR /x/y\nCOPY --chown=app one .\nCOPY one /base/dirlink/\n' | dockerfile
    ok mlb -t img -o img.tar "$CTX"
    same "trees" "$(layers_of_store)" ""
    image layers img.tar | head -2 > got
    image layers "$BASE" | diff - got
    same owner "$(image tree img.tar x/y/one | cut -d' ' -f3,4)" "1000 1000"
    image tree img.tar base/dir/one > seen
    [ -s seen ]
}

@test "epochs: each build has its own times" {
    some_files
    printf 'FROM base\nWORKDIR /made\nCOPY many/d1 /made/d\nCOPY <<x /x\ntext\nx\n' | dockerfile
    times() { image tree "$1" made | cut -d' ' -f7,9; image tree "$1" x | cut -d' ' -f7,9; }
    expect() { # MADE TOP F
        same times "$(times img.tar)" "$(printf '%s /made\n%s /made/d\n%s /made/d/f\n- /made/d/up\n%s /x' "$1" "$2" "$3" "$1")"
    }
    for _ in 1 2; do
        ok mlb -o img.tar "$CTX"
        expect 0 1700000000 1234567890
        ok mlb --epoch 1000000000 -o img.tar "$CTX"
        expect 1000000000 1000000000 1000000000
        ok mlb --epoch 1500000000 -o img.tar "$CTX"
        expect 1500000000 1500000000 1234567890
        SOURCE_DATE_EPOCH=1800000000 ok mlb -o img.tar "$CTX"
        expect 1800000000 1700000000 1234567890
        ok mlb --epoch 0 -o img.tar "$CTX"
        expect 0 0 0
    done
    both --epoch 1500000000
}

@test "every kind of output, of an image that was built without any" {
    some_files
    printf 'FROM base\nCOPY many /many\nCOPY hard /hard\nWORKDIR /w\n' | dockerfile
    ok mlb -t img "$CTX"
    ok "$MLBUILD" save -o saved.tar img
    ok "$MLBUILD" save -o saved.dir --format oci-dir img || ok "$MLBUILD" save -o saved.tar2 img
    ok mlb -o img.tar "$CTX"
    same manifest "$(image manifest saved.tar)" "$(image manifest img.tar)"
    ok mlb -o type=oci-dir,dest=img.dir "$CTX"
    same "manifest of the directory" "$(image manifest img.dir)" "$(image manifest img.tar)"
    ok mlb -o type=local,dest=out "$CTX"
    ok mlb -o type=tar,dest=files.tar "$CTX"
    mkdir files
    userns tar -C files -xf files.tar
    userns diff -r --no-dereference out files
    cmp "$CTX/hard/1" out/hard/a/0
    [ "$(userns stat -c %h out/hard/1)" -eq 3 ]
    skopeo copy --quiet oci-archive:saved.tar oci:layout:img
    ok userns umoci unpack --image layout:img bundle
    userns diff -r --no-dereference out bundle/rootfs
    ok mlb --output type=oci,dest=plain.tar,compression=uncompressed "$CTX"
    image diffids plain.tar > want
    image diffids img.tar | diff want -
    image layers plain.tar | tail -3 | diff - <(tail -3 want)
    # and the other way round: plain from what was packed at once
    MLBUILD_STORE=$PWD/store2 ok mlb -o img2.tar "$CTX"
    MLBUILD_STORE=$PWD/store2 ok mlb --output type=oci,dest=zstd.tar,compression=zstd "$CTX"
    same "packed at once" "$(image layers img2.tar)" "$(image layers img.tar)"
    image diffids zstd.tar | diff want -
}

@test "prune keeps what a tag needs; a build after it is cached" {
    some_files
    printf 'FROM base\nCOPY many /many\nWORKDIR /w\nCOPY --chown=app one /home/app/\n' | dockerfile
    ok mlb -t kept "$CTX"
    printf 'FROM base\nCOPY hard /hard\nCOPY odd /odd\n' | dockerfile Dockerfile.gone
    ok mlb -f "$CTX/Dockerfile.gone" -t gone "$CTX"
    ok "$MLBUILD" rmi gone
    ok "$MLBUILD" prune
    same "indexes and packed layers" "$(find "$MLBUILD_STORE/indexes" -type f | wc -l) $(packed_layers)" "5 3"
    ok mlb -t again "$CTX"
    same id "$(id_of again)" "$(id_of kept)"
    ok mlb -o kept.tar "$CTX"
    rm -r "$MLBUILD_STORE/indexes"
    mkdir "$MLBUILD_STORE/indexes"
    echo 'COPY a.txt /home/app/' >> "$CTX/Dockerfile"
    ok mlb -o more.tar "$CTX"
    same "home" "$(image tree more.tar home/app | head -1 | cut -d' ' -f2-4)" "750 1000 1000"
    image diffids kept.tar > want
    image diffids more.tar | head -n -1 | diff want -
    ok "$MLBUILD" rmi kept again
    ok "$MLBUILD" prune
    same "what is left" "$(find "$MLBUILD_STORE"/{indexes,cache,blobs/sha256} -type f)" ""
    ok mlb -f "$CTX/Dockerfile.gone" -t gone "$CTX"
}

@test "kill -9 in the middle, and two builders at once" {
    some_files
    head -c 30000000 /dev/urandom > "$CTX/large"
    printf 'FROM base\nCOPY large /\nCOPY . /all/\n' | dockerfile
    for delay in 0.02 0.08 0.2; do
        mlb_in_background -o img.tar "$CTX"
        sleep $delay
        kill -9 $! 2> /dev/null || true
        no_process_left
    done
    mlb --epoch 1700000000 -t one "$CTX" > log1 2>&1 3>&- &
    local first=$!
    mlb --epoch 1700000000 -t two "$CTX" > log2 2>&1 3>&- &
    wait $first || { cat log1; return 1; }
    wait $! || { cat log2; return 1; }
    same ids "$(id_of one)" "$(id_of two)"
    for blob in "$MLBUILD_STORE"/blobs/sha256/*; do
        same "digest of a blob" "$(sha256sum < "$blob" | cut -d' ' -f1)" "$(basename "$blob")"
    done
    ok "$MLBUILD" prune
    same "work that is left" "$(ls -A "$MLBUILD_STORE/tmp")$(find "$MLBUILD_STORE/indexes" -type f ! -regex '.*/[0-9a-f]*')" ""
    ok mlb --epoch 1700000000 -t three "$CTX"
    same ids "$(id_of one)" "$(id_of three)"
}

@test "a context that changes while it is read" {
    mkdir "$CTX/d"
    head -c 60000000 /dev/urandom > "$CTX/d/large"
    printf 'FROM base\nCOPY d /d\n' | dockerfile
    (for i in $(seq 200); do echo "$i" >> "$CTX/d/large"; sleep 0.005; done) 3>&- &
    local writer=$!
    run mlb -t img "$CTX"
    kill $writer 2> /dev/null || true
    wait $writer 2> /dev/null || true
    if [ "$status" -ne 0 ]; then
        same "exit code" "$status" 1
        says "changed while"
        nothing_tagged
    fi
    ok mlb -o img.tar "$CTX"
    same large "$(image cat img.tar /d/large | sha256sum)" "$(sha256sum < "$CTX/d/large")"
}

@test "file capabilities are the same for the planner and for the builder" {
    echo x > "$CTX/file"
    userns python3 -c 'import os, sys; os.setxattr(sys.argv[1], "security.capability", bytes.fromhex("01000002" "00200000" + "00" * 12))' "$CTX/file"
    touch -d tomorrow "$CTX/file"
    printf 'FROM base\nCOPY file /\n' | dockerfile
    both
    image xattrs img.tar | grep -q '^/file security.capability='
}

@test "unreadable files, and nothing to copy" {
    mkdir "$CTX/d" "$CTX/empty"
    head -c 17000000 /dev/zero > "$CTX/d/large"
    : > "$CTX/d/locked"
    chmod 0 "$CTX/d/locked"
    printf 'FROM base\nCOPY d /d\n' | dockerfile
    fails 1 mlb -t img "$CTX"
    says "d/locked" "hint: make it readable"
    : > "$CTX/d/large"
    fails 1 mlb -t img "$CTX"
    says "d/locked" "hint: make it readable"
    nothing_tagged
    printf 'FROM scratch\nCOPY empty /\n' | dockerfile
    ok mlb -o img.tar "$CTX"
    same entries "$(image entries img.tar 0)" ""
    printf 'FROM scratch\nCOPY empty /e\nCOPY nosuch* empty /e/\n' | dockerfile
    ok mlb -o img.tar "$CTX"
    same entries "$(image entries img.tar 0)" "e"
}

@test "names that mean deletions are refused, with and without a tree" {
    mkdir "$CTX/d"
    echo x > "$CTX/file"; echo x > "$CTX/d/.wh.x"
    for step in 'COPY file /.wh.file' 'COPY file /.wh.dir/file' 'COPY d /d' 'WORKDIR /.wh.work' 'WORKDIR /a/.wh..wh..opq/b'; do
        for run in '' 'RUN :'; do
            printf 'FROM base\n%s\n%s\n' "$step" "$run" | dockerfile
            fails 1 mlb -o img.tar "$CTX"
            says "its name means a deletion"
        done
    done
}

# odd_base DIR PYTHON: a base image with one more layer, whose entries PYTHON says
odd_base() {
    PYTHONPATH=$HERE python3 - "$1" "$2" << 'END'
import sys
from image import *
Layout(sys.argv[1]).image([base_layer(), tar_of(eval(sys.argv[2]))], CONFIG)
END
}

# on_odd_base ENTRIES: both, upon such a base
on_odd_base() {
    userns rm -rf odd store store2
    odd_base odd "$1"
    BASE=$PWD/odd both
}

@test "bases that imply, link and contradict" {
    some_files
    printf 'FROM base\nCOPY one /im/plied/\nCOPY many /im/plied\nCOPY --chown=app:app one /o/\nWORKDIR /im/w\n' | dockerfile
    on_odd_base '[("im/plied/x", F, 0o644, 0, b"x"), ("im/plied/d1/y", F, 0o644, 0, b"y")]'
    on_odd_base '[("etc/.wh.passwd", F, 0o644, 0, b""), ("im", D, 0o2755, 7, b""), ("im/plied/x", F, 0o644, 0, b"x")]'
    # accounts that are elsewhere
    on_odd_base '[("usr/share", D, 0o755, 0, b""), ("usr/share/p", F, 0o644, 0, b"app:x:33:44::/:\n"), ("etc/passwd", S, 0o777, 0, "../usr/share/p")]'
    same "owner by a link" "$(image tree img.tar o/one | cut -d' ' -f3,4)" "33 1000"
    on_odd_base '[("etc", D, 0o755, 0, b""), ("etc/p", F, 0o644, 0, b"app:x:34:44::/:\n"), ("etc/passwd", L, 0o644, 0, "etc/p")]'
    same "owner by a hard link" "$(image tree img.tar o/one | cut -d' ' -f3,4)" "34 1000"
    # a link that later is a directory
    on_odd_base '[("home/app", D, 0o711, 0, b""), ("im", S, 0o777, 0, "home/app"), ("im/plied/x", F, 0o644, 0, b"x")]'
    same "a directory after all" "$(image tree img.tar im/plied/one | cut -d' ' -f1)" regular
}
