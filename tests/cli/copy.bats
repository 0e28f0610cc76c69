# SPDX-License-Identifier: Apache-2.0
# COPY and ADD: their flags, here-documents, archives, linked layers.
load helpers

# tree [PATH]: kind, mode, owner and path of what out.tar holds below PATH
tree() { image tree out.tar "$@" | awk '{ $5 = $6 = $7 = $8 = ""; print }' | tr -s ' '; }

# same_in_other_tools: what umoci unpacks of out.tar, its layers merged, and what -o type=local wrote to out
same_in_other_tools() {
    rm -rf layout bundle
    skopeo copy --quiet oci-archive:out.tar oci:layout:img
    ok userns umoci unpack --image layout:img bundle
    tree | sort > merged
    (cd bundle/rootfs && userns find . -mindepth 1 -printf '%y %m %U %G /%P\n') |
        sed 's/^d/directory/; s/^f/regular/; s/^l/symlink/; s/^p/fifo/' | sort > unpacked
    diff merged unpacked
    userns diff -r --no-dereference out bundle/rootfs
}

@test "here-documents, files of several kinds in one COPY" {
    echo plain > "$CTX/plain"
    dockerfile << 'END'
FROM base
ARG WHO=world
COPY plain <<hello <<'raw' /docs/
hello $WHO
hello
not $expanded
raw
COPY --chmod=a+x --chown=app <<script /bin/tool
#!/bin/sh
echo run by tool
script
RUN /bin/tool > /said
END
    ok mlb -o out.tar "$CTX"
    same hello "$(image cat out.tar /docs/hello)" "hello world"
    same raw "$(image cat out.tar /docs/raw)" 'not $expanded'
    same plain "$(image cat out.tar /docs/plain)" plain
    same said "$(image cat out.tar /said)" "run by tool"
    same tool "$(image tree out.tar bin/tool | cut -d' ' -f1-4,7)" "regular 755 1000 1000 0"
    cp out.tar first.tar
    rm -rf store
    ok mlb -o out.tar --no-cache "$CTX"
    same "layers made again" "$(image tree out.tar docs | grep hello)" "$(image tree first.tar docs | grep hello)"
    ok env SOURCE_DATE_EPOCH=1500000000 "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" -o out.tar "$CTX"
    same "the epoch" "$(image tree out.tar docs/hello | cut -d' ' -f7)" 1500000000
}

@test "--exclude, --parents, --chmod" {
    mkdir -p "$CTX/a/b/c" "$CTX/src/x" "$CTX/src/y"
    echo 1 > "$CTX/a/b/c/one.txt"; echo 2 > "$CTX/a/b/two.md"; echo 3 > "$CTX/src/x/main.c"; echo 4 > "$CTX/src/y/main.h"
    chmod 750 "$CTX/a/b"; chmod 600 "$CTX/a/b/two.md"
    dockerfile << 'END'
FROM base
COPY --exclude=**/*.md --exclude=c a/b /ex/
COPY --exclude=* --exclude=!b/c a /kept/
COPY --parents a/b/c/one.txt src/**/main.c /par/
COPY --parents a/./b/c/one.txt /piv/
COPY --chmod=u=rwX,go=rX a /mod/
COPY --chmod=0700 a/b/two.md /oct/
RUN test ! -e /ex/two.md && test ! -e /ex/c && test -e /kept/b/c/one.txt && test ! -e /kept/b/two.md
END
    ok mlb -o out.tar "$CTX"
    same parents "$(tree par)" "directory 755 0 0 /par
directory 755 0 0 /par/a
directory 750 0 0 /par/a/b
directory 755 0 0 /par/a/b/c
regular 644 0 0 /par/a/b/c/one.txt
directory 755 0 0 /par/src
directory 755 0 0 /par/src/x
regular 644 0 0 /par/src/x/main.c"
    same pivot "$(tree piv | grep -c .)" 4
    same symbolic "$(tree mod/b)" "directory 755 0 0 /mod/b
directory 755 0 0 /mod/b/c
regular 644 0 0 /mod/b/c/one.txt
regular 644 0 0 /mod/b/two.md"
    same octal "$(tree oct)" "directory 700 0 0 /oct
regular 700 0 0 /oct/two.md"
    echo changed > "$CTX/a/b/two.md"
    ok mlb -o out.tar "$CTX"
    step_says "COPY --exclude=**/*.md --exclude=c a/b /ex/" CACHED
    step_says "COPY --parents a/b/c/one.txt src/**/main.c /par/" CACHED
    printf 'FROM base\nCOPY --parents a/none /x/\n' > "$CTX/Dockerfile"
    bad_says 1 '"/a/none": not found'
}

bad_says() { # CODE WORDS...
    fails "$1" mlb "$CTX"
    shift
    says "$@"
}

@test "COPY and what stands in its way" {
    mkdir -p "$CTX/d/sub" "$CTX/e"; echo 1 > "$CTX/f"; echo 2 > "$CTX/e/sub"
    refused() { # DOCKERFILE-LINES WORDS
        printf 'FROM base\n%b' "$1" > "$CTX/Dockerfile"
        bad_says 1 "$2"
    }
    refused 'RUN touch /x\nCOPY d /x\n' "cannot copy to non-directory: /x"
    refused 'RUN mkdir /x && touch /x/sub\nCOPY d /x\n' "cannot copy to non-directory: /x/sub"
    refused 'RUN mkdir /x && ln -s /etc /x/sub\nCOPY d /x\n' "cannot copy to non-directory: /x/sub"
    refused 'RUN mkdir -p /x/f\nCOPY f /x/\n' "cannot replace to directory /x/f with file"
    refused 'COPY d e /x/\n' "cannot replace to directory /x/sub with file"
    refused 'COPY e d /x/\n' "cannot copy to non-directory: /x/sub"
    refused 'COPY f d /x\n' "cannot copy to non-directory: /x"
    # What is a link at the top is followed, inside the root.
    printf 'FROM base\nRUN mkdir /real && ln -s ../../real /link && ln -s /real/file /name\n%b' \
        'COPY d /link\nCOPY f /name\nCOPY d f /both\n' > "$CTX/Dockerfile"
    ok mlb -o out.tar "$CTX"
    same real "$(tree real | cut -d' ' -f5)" "/real
/real/file
/real/sub"
    same both "$(tree both | cut -d' ' -f5)" "/both
/both/f
/both/sub"
}

# Both snapshotters make the same of out.tar's Dockerfile.
same_in_native() {
    tree > by-overlay
    ok env MLBUILD_SNAPSHOTTER=native MLBUILD_STORE="$BATS_TEST_TMPDIR/native" \
        "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" -o out.tar -o type=local,dest=out2 "$CTX"
    tree > by-native
    diff by-overlay by-native
    userns diff -r --no-dereference out out2
}

# archives: the same tree in all formats that ADD knows
archives() {
    mkdir -p "$CTX/t/dir/sub" && cd "$CTX/t"
    echo one > dir/one; ln dir/one dir/uno; ln -s one dir/link; mkfifo dir/pipe
    echo sub > dir/sub/f; chmod 4711 dir/one; chmod 2750 dir/sub; touch -d @1234567890 dir/sub/f
    tar --numeric-owner --owner=12 --group=34 -cf "$CTX/plain.tar" dir
    gzip -c "$CTX/plain.tar" > "$CTX/a.tar.gz"; bzip2 -c "$CTX/plain.tar" > "$CTX/a.tar.bz2"
    xz -c "$CTX/plain.tar" > "$CTX/a.tar.xz"; zstd -q "$CTX/plain.tar" -o "$CTX/a.tar.zst"
    cp "$CTX/a.tar.gz" "$CTX/without-a-name"
    cd "$CTX" && rm -r t
}

@test "ADD unpacks archives of all formats" {
    archives
    echo "no archive" > "$CTX/fake.tar"
    dockerfile << 'END'
FROM base
ADD plain.tar /plain
ADD a.tar.gz /gz
ADD a.tar.bz2 /bz2
ADD a.tar.xz /xz/
ADD a.tar.zst /zst/
ADD without-a-name fake.tar /all/
ADD --chown=app --chmod=0600 a.tar.gz /mine
ADD --unpack=false a.tar.gz /packed/
COPY a.tar.gz /copied/
END
    ok mlb -o out.tar "$CTX"
    same plain "$(tree plain)" "directory 755 0 0 /plain
directory 755 12 34 /plain/dir
symlink 777 12 34 /plain/dir/link
regular 4711 12 34 /plain/dir/one
fifo 644 12 34 /plain/dir/pipe
directory 2750 12 34 /plain/dir/sub
regular 644 12 34 /plain/dir/sub/f
regular 4711 12 34 /plain/dir/uno"
    local format
    for format in gz bz2 xz zst all; do
        same $format "$(tree $format/dir | sed "s| /$format/| /|")" "$(tree plain/dir | sed 's| /plain/| /|')"
    done
    same links "$(image tree out.tar gz/dir/uno | cut -d' ' -f6)" 2
    same time "$(image tree out.tar gz/dir/sub/f | cut -d' ' -f7)" 1234567890
    same "a file with the name of an archive" "$(image cat out.tar /all/fake.tar)" "no archive"
    same chown "$(tree mine | cut -d' ' -f2-)" "755 1000 1000 /mine
$(tree plain/dir | sed -E 's/^[a-z]+ ([0-9]+) 12 34 .plain/\1 1000 1000 \/mine/')"
    tree packed | grep -q " /packed/a.tar.gz"
    tree copied | grep -q " /copied/a.tar.gz"
}

@test "ADD of an archive onto something, and damaged ones" {
    mkdir -p "$CTX/t/lib" "$CTX/t/was-file" "$CTX/t/merged" "$CTX/t/linkdir"
    echo l > "$CTX/t/lib/l"; echo f > "$CTX/t/was-dir"; chmod 711 "$CTX/t/merged"
    (cd "$CTX/t" && tar --owner=1 --group=2 --no-recursion -cf ../a.tar lib/l was-dir was-file merged linkdir)
    dockerfile << 'END'
FROM base
RUN mkdir -p /x/usr/lib /x/was-dir/deep /x/merged /x/usr/other && touch /x/was-file /x/merged/kept /x/usr/other/o && \
    ln -s /usr/lib /x/lib && ln -s usr/other /x/linkdir
RUN echo 1 > /other
ADD a.tar /x
RUN test -L /x/lib && test "$(cat /x/usr/lib/l)" = l && test ! -e /usr/lib/l
RUN test -f /x/was-dir && test -d /x/was-file && test -f /x/merged/kept && test -d /x/linkdir && test ! -L /x/linkdir
RUN test ! -e /x/linkdir/o && test "$(stat -c %a:%u:%g /x/merged)" = 711:1:2
END
    ok mlb -o out.tar -o type=local,dest=out "$CTX"
    same_in_other_tools
    same_in_native
    # The step above ran again, but the root looks the same.
    sed -i 's/echo 1/echo 2/' "$CTX/Dockerfile"
    ok mlb -o out.tar "$CTX"
    step_says "ADD a.tar /x" CACHED
    # Cut in the middle.
    (cd "$CTX" && head -c 300000 /dev/urandom > big && tar -czf big.tar.gz big && head -c 200000 big.tar.gz > cut.tar.gz)
    printf 'FROM base\nADD cut.tar.gz /x\n' > "$CTX/Dockerfile"
    bad_says 1 "cut.tar.gz" "damaged gzip data"
    printf 'FROM base\nRUN touch /x\nADD a.tar /x\n' > "$CTX/Dockerfile"
    bad_says 1 "cannot copy to non-directory: /x"
}

@test "hostile archives stay where they are unpacked" {
    python3 - "$CTX" << 'END'
import io, sys, tarfile
def make(name, *entries):
    with tarfile.open(f"{sys.argv[1]}/{name}.tar", "w") as t:
        for path, kind, link in entries:
            e = tarfile.TarInfo(path)
            e.type, e.linkname = kind, link
            data = b"text" if kind == tarfile.REGTYPE else b""
            e.size = len(data)
            t.addfile(e, io.BytesIO(data))
R, S, L, D, C = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE
make("dotdot", ("../escape", R, ""))
make("link", ("l", S, "/etc"), ("l/escape", R, ""))
make("up", ("d", D, ""), ("d/l", S, "../../../etc"), ("d/l/escape", R, ""))
make("loop", ("a", S, "b"), ("b", S, "a"), ("a/x", R, ""))
make("hard", ("l", S, "/etc"), ("h", L, "l/passwd"))
make("shadow", ("h", L, "/etc/shadow"))
make("whiteout", ("d/.wh.etc", R, ""))
make("device", ("null", C, ""), ("after", R, ""))
make("swap", ("d", D, ""), ("d/x", R, ""), ("d", S, "/etc"), ("d/y", R, ""), ("d", D, ""), ("d/z", R, ""))
END
    printf 'FROM base\nADD link.tar up.tar swap.tar device.tar /x/\n' > "$CTX/Dockerfile"
    ok mlb -o out.tar -o type=local,dest=out "$CTX"
    says "device.tar: 1 device node was left out"
    same kept "$(tree x | cut -d' ' -f5-)" "/x
/x/after
/x/d
/x/d/z
/x/etc
/x/etc/escape
/x/etc/y
/x/l"
    [ ! -e out/etc/escape ] && [ ! -e /etc/escape ]
    same_in_other_tools
    same_in_native
    local name
    for name in dotdot:"climbs out" loop:"too many symbolic links" hard:"does not exist" shadow:"does not exist" whiteout:"means a deletion"; do
        printf 'FROM base\nADD %s.tar /x/\n' "${name%%:*}" > "$CTX/Dockerfile"
        bad_says 1 "${name#*:}"
    done
}

@test "COPY --link: a layer of its own, whatever lies below" {
    mkdir -p "$CTX/d"; echo 1 > "$CTX/d/one"; echo 2 > "$CTX/two"
    dockerfile << 'END'
FROM base
RUN mkdir -m 700 /private && chown app /private && mkdir /real && touch /real/r && ln -s real /lnk && echo old > /private/one
COPY --link d /lnk/
COPY --link --chown=12:34 d two /private/
RUN test ! -L /lnk && test -f /lnk/one && test ! -e /lnk/r && test ! -e /real/one
RUN test "$(cat /private/one /private/two)" = "$(printf '1\n2')"
END
    ok mlb -t img -o out.tar -o type=local,dest=out "$CTX"
    same lnk "$(tree lnk)" "directory 755 0 0 /lnk
regular 644 0 0 /lnk/one"
    same private "$(tree private)" "directory 755 12 34 /private
regular 644 12 34 /private/one
regular 644 12 34 /private/two"
    same_in_other_tools
    same_in_native
    # Another root below: no linked copy runs again, its layers are the same.
    diff_ids_of img > before
    sed -i 's/^RUN mkdir -m 700/RUN touch \/new; mkdir -m 700/' "$CTX/Dockerfile"
    ok mlb -t img "$CTX"
    step_says "[3/6] COPY --link d /lnk/" CACHED
    step_says "[4/6] COPY --link --chown=12:34 d two /private/" CACHED
    diff_ids_of img > after
    same "linked layers" "$(sed -n '4,5p' after)" "$(sed -n '4,5p' before)"
    [ "$(sed -n 3p after)" != "$(sed -n 3p before)" ]
}
