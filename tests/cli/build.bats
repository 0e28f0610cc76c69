# SPDX-License-Identifier: Apache-2.0
# Instructions: what they put into the configuration and into the file system.
load helpers

# Every instruction that fills the configuration, in one image.
configured() {
    dockerfile << 'END'
ARG TAG=latest
FROM base:$TAG AS first
MAINTAINER someone <some@example.org>
ARG WHO=world
ARG UNSET
ENV GREETING="hello $WHO" EMPTY= \
    # a comment between
    TWICE=$WHO$WHO
ENV legacy one two  three
LABEL org.example.a="1 2" org.example.b=${WHO:-none} single='$WHO'
EXPOSE 8080 53/UDP 9000-9002
VOLUME /data /cache
WORKDIR /srv
WORKDIR app
USER app:extra
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=1m30s --retries=4 CMD wget -q localhost
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["/bin/echo", "$WHO"]
CMD serve --port 80
END
}

@test "the configuration, as inspect shows it" {
    configured
    ok mlb -t conf "$CTX"
    c() { config_of conf "$1"; }
    same Env "$(c Env)" '["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GREETING=hello world", "EMPTY=", "TWICE=worldworld", "legacy=one two  three"]'
    same Labels "$(c Labels)" '{"base": "busybox", "org.example.a": "1 2", "org.example.b": "world", "single": "$WHO"}'
    same ExposedPorts "$(c ExposedPorts)" '{"53/udp": {}, "8080/tcp": {}, "9000/tcp": {}, "9001/tcp": {}, "9002/tcp": {}}'
    same Volumes "$(c Volumes)" '{"/cache": {}, "/data": {}}'
    same WorkingDir "$(c WorkingDir)" /srv/app
    same User "$(c User)" app:extra
    same StopSignal "$(c StopSignal)" SIGINT
    same Healthcheck "$(c Healthcheck)" '{"Interval": 30000000000, "Retries": 4, "Test": ["CMD-SHELL", "wget -q localhost"], "Timeout": 90000000000}'
    same Shell "$(c Shell)" '["/bin/sh", "-ec"]'
    same Entrypoint "$(c Entrypoint)" '["/bin/echo", "$WHO"]'
    same Cmd "$(c Cmd)" '["/bin/sh", "-ec", "serve --port 80"]'
    same author "$("$MLBUILD" inspect conf | json "d['config']['author']")" "someone <some@example.org>"
}

@test "the configuration, as skopeo reads it" {
    configured
    ok mlb -t conf -o conf.tar "$CTX"
    "$MLBUILD" inspect conf | json "d['config']" > ours
    # Its own structures know neither Healthcheck nor Shell.
    local known="[d['author'], d['os'], d['architecture'], d['rootfs'], {k: v for k, v in d['config'].items() if k not in ('Healthcheck', 'Shell')}]"
    skopeo inspect --config oci-archive:conf.tar | json "$known" > theirs
    json "$known" < ours | diff - theirs
    skopeo inspect --config --raw oci-archive:conf.tar | json d | diff - ours
}

@test "history: one entry an instruction, layers where there are layers" {
    configured
    ok mlb -t conf "$CTX"
    run json "[h['created_by'] for h in d['config']['history'] if not h.get('empty_layer')]" \
        < <("$MLBUILD" inspect conf)
    same history "$output" '["test", "test", "WORKDIR /srv", "WORKDIR /srv/app"]'
    run json "sum(1 for h in d['config']['history'] if not h.get('empty_layer')) - len(d['config']['rootfs']['diff_ids'])" \
        < <("$MLBUILD" inspect conf)
    same "layers without history" "$output" 0
}

@test "ENTRYPOINT forgets the base's CMD, CMD alone replaces it" {
    dockerfile << 'END'
FROM base AS a
ENTRYPOINT ["/bin/true"]
FROM base
CMD ["/bin/date"]
END
    ok mlb --target a -t a "$CTX"
    same Cmd "$(config_of a Cmd)" null
    ok mlb -t b "$CTX"
    same Cmd "$(config_of b Cmd)" '["/bin/date"]'
    same Entrypoint "$(config_of b Entrypoint)" null
}

@test "ARG: build arguments, defaults, scopes" {
    dockerfile << 'END'
ARG GLOBAL=g
ARG NAME=base
FROM $NAME
ARG GLOBAL
ARG MINE=m
ARG ENVIRON
ARG TARGETARCH
RUN echo "$GLOBAL $MINE $ENVIRON ${NAME-none} ${TARGETARCH:+arch}" > /args
ENV A=1
ENV A=2 B=$A
RUN echo "$A $B" >> /args
END
    ENVIRON=outside ok mlb --build-arg MINE=cli --build-arg ENVIRON -o out "$CTX"
    same args "$(cat out/args)" $'g cli outside none arch\n2 1'
}

@test "--label, --target and -f" {
    dockerfile Other << 'END'
FROM scratch AS one
LABEL stage=one
FROM scratch AS two
LABEL stage=two
END
    ok mlb -f "$CTX/Other" --target ONE --label stage=cli --label more= -t img "$CTX"
    same Labels "$(config_of img Labels)" '{"more": "", "stage": "cli"}'
    ok mlb -f - -t img "$CTX" < "$CTX/Other"
    same Labels "$(config_of img Labels)" '{"stage": "two"}'
}

@test "RUN: shell form, exec form, SHELL, the working directory, the user" {
    dockerfile << 'END'
FROM base
RUN echo "$0 $PWD $(id -u):$(id -g) $HOME $(umask)" > /one
RUN ["/bin/sh", "-c", "echo exec $0 > /two", "$x"]
SHELL ["/bin/sh", "-e", "-c"]
RUN echo "shell $-" > /three
WORKDIR /work
RUN chmod 777 . && mkfifo pipe
USER app
RUN echo "$PWD $(id -u):$(id -g):$(id -G) $HOME" > four
USER 7:8
RUN echo "$(id -u):$(id -g):$(id -G)" > five
USER app:extra
RUN echo "$(id -u):$(id -g):$(id -G)" > six
END
    ok mlb -o out.tar "$CTX"
    same one "$(image cat out.tar /one)" "/bin/sh / 0:0 /root 0022"
    same two "$(image cat out.tar /two)" 'exec $x'
    same four "$(image cat out.tar /work/four)" "/work 1000:1000:1000 2000 /home/app"
    same five "$(image cat out.tar /work/five)" "7:8:8"
    same six "$(image cat out.tar /work/six)" "1000:2000:2000"
    [[ $(image cat out.tar /three) == "shell "*e* ]]
}

@test "RUN sees a sandbox: own processes, no host files, no leaked descriptors, no host variables" {
    dockerfile << 'END'
FROM base
RUN echo "pid $$ of $(ls -d /proc/[0-9]* | wc -l)" > /seen
RUN ls /proc/self/fd | tr '\n' ' ' > /fds
RUN env | cut -d= -f1 | sort | tr '\n' ' ' > /env
RUN hostname > /name; readlink /proc/self/fd/0 >> /name
RUN ls /dev | sort | tr '\n' ' ' > /devices
END
    LEAK=secret ok mlb -o out "$CTX"
    [[ $(cat out/seen) == "pid 2 of "[1-9] ]] || { cat out/seen; return 1; }
    same descriptors "$(cat out/fds)" "0 1 2 3 "
    same environment "$(cat out/env)" "HOME PATH PWD SHLVL "
    same "name and stdin" "$(cat out/name)" $'buildkitsandbox\n/dev/null'
    [[ $(cat out/devices) == *"full"*"null"*"pts"*"random"*"shm"*"urandom zero "* ]]
}

@test "RUN --network=none has a loopback interface only" {
    dockerfile << 'END'
FROM base
RUN --network=none tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' > /none
RUN tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' > /host
END
    ok mlb -o out "$CTX"
    same "interfaces of none" "$(cat out/none)" lo
    same "interfaces of host" "$(sort out/host)" "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort)"
    ok mlb --network=none -o out2 "$CTX"
    same "interfaces by the option" "$(cat out2/host)" lo
}

@test "COPY and ADD: files, directories, wildcards, owners, modes" {
    mkdir -p "$CTX/dir/sub"
    echo a > "$CTX/a.txt"; echo b > "$CTX/b.txt"; echo s > "$CTX/dir/sub/s"; echo h > "$CTX/dir/.hidden"
    ln -s s "$CTX/dir/sub/link"; ln "$CTX/dir/sub/s" "$CTX/dir/hard"
    chmod 600 "$CTX/a.txt"; chmod 750 "$CTX/dir/sub"; chmod 4755 "$CTX/b.txt"
    touch -d @1500000000 "$CTX/a.txt"
    dockerfile << 'END'
FROM base
COPY a.txt /file
COPY a.txt b.txt /into/
COPY *.txt /glob/
COPY dir /dir
COPY dir/sub /dir/other/
COPY --chown=app:extra --chmod=640 a.txt /owned/by/app
COPY --chown=12:34 dir /numbers
COPY ["a.txt", "/json form"]
ADD b.txt /added/
WORKDIR /rel
COPY a.txt .
COPY nothing* /none/
END
    ok mlb -o out.tar "$CTX"
    run image tree out.tar
    says "regular 600 0 0 2 1 1500000000" " /file" "/into/a.txt" "/into/b.txt" "/glob/a.txt" "/glob/b.txt" \
        " /json form" " /added/b.txt" " /rel/a.txt" " /dir/.hidden" " /dir/other/s" "directory 750 0 0 0 1 "
    says_not "/none" "/glob/dir"
    tree() { image tree out.tar "$1" | cut -d' ' -f1-4,6; }
    same "mode of a setuid file" "$(tree into/b.txt)" "regular 4755 0 0 1"
    same "hard link" "$(tree dir/hard)" "regular 644 0 0 2"
    same "symbolic link" "$(tree dir/sub/link)" "symlink 777 0 0 1"
    same "--chown by name, --chmod" "$(tree owned/by/app)" "regular 640 1000 2000 1"
    same "--chown by number" "$(tree numbers/hard)" "regular 644 12 34 2"
    same "owner of a made parent" "$(tree owned | head -1)" "directory 640 1000 2000 1"
}

@test "COPY --from a stage, by name and by index, keeps owners" {
    dockerfile << 'END'
FROM base AS maker
RUN mkdir /made && echo 1 > /made/one && chown 5:6 /made/one && ln -s one /made/link
FROM base AS unused
RUN false
FROM scratch
COPY --from=Maker /made /by-name/
COPY --from=0 /made/one /by-index
COPY --from=maker --chown=7 /made/one /chowned
END
    ok mlb -o out.tar "$CTX"
    says_not "RUN false"
    run image tree out.tar
    same files "$(cut -d' ' -f1-4,9 <<< "$output")" "$(cat << 'END'
regular 644 5 6 /by-index
directory 755 0 0 /by-name
symlink 777 0 0 /by-name/link
regular 644 5 6 /by-name/one
regular 644 7 7 /chowned
END
)"
}

@test "COPY --from an image and from a named directory" {
    mkdir named
    echo n > named/n
    dockerfile << 'END'
FROM scratch
COPY --from=base /base/keep /keep
COPY --from=other n /n
END
    ok mlb --build-context other=named -o out "$CTX"
    same keep "$(cat out/keep)" keep
    same n "$(cat out/n)" n
}

@test ".dockerignore" {
    mkdir -p "$CTX/keep" "$CTX/drop/but"
    touch "$CTX/keep/a.log" "$CTX/keep/b" "$CTX/drop/x" "$CTX/drop/but/this"
    printf '# comment\n**/*.log\ndrop\n!drop/but\n' > "$CTX/.dockerignore"
    dockerfile << 'END'
FROM scratch
COPY . /
END
    ok mlb -o out "$CTX"
    same files "$(cd out && find . -type f | sort)" $'./.dockerignore\n./Dockerfile\n./drop/but/this\n./keep/b'
    printf 'keep\n' > "$CTX/Dockerfile.dockerignore"
    ok mlb -o out2 "$CTX"
    [ ! -e out2/keep ] && [ -e out2/drop/x ]
}

@test "WORKDIR makes directories for the user of that moment" {
    dockerfile << 'END'
FROM base
WORKDIR /made/by/root
USER app
WORKDIR by/app
WORKDIR /base/dirlink/through
END
    ok mlb -t img -o out.tar "$CTX"
    run image tree out.tar
    [ "$(image tree out.tar made | cut -d' ' -f1-4,7,9)" = "directory 755 0 0 0 /made
directory 755 0 0 0 /made/by
directory 755 0 0 0 /made/by/root
directory 755 1000 1000 0 /made/by/root/by
directory 755 1000 1000 0 /made/by/root/by/app" ] || { echo "$output"; return 1; }
    says " /base/dir/through"
    same WorkingDir "$(config_of img WorkingDir)" /base/dirlink/through
}

@test "the merged layers are what the steps saw" {
    changing
    # A copy-up leaves the other names of a file behind.
    echo 'RUN ln /src/one /src/eins && ln /base/hard1 /base/hard3' >> "$CTX/Dockerfile"
    see >> "$CTX/Dockerfile"
    ok mlb -t img -o out.tar "$CTX"
    compare_with_step out.tar
    run cat merged
    says " /base/opaque/new" " /base/dir" " /deep/a/z" " /pipe" "directory 2775 60000 50000" "regular 6755 1000 2000"
    says_not " /base/gone" " /base/opaque/old" " /base/dir/a" " /deep/a/b" " /src/dir/two" " /home/app"
    run image xattrs out.tar
    says "/base/xattr user.base=value" "/src/one user.ours=with attribute"
}

@test "hard links stay hard links, whiteouts are whiteouts" {
    dockerfile << 'END'
FROM base
RUN mkdir /links && cd /links && echo 1 > a && ln a b && ln a c && chown app c
RUN rm /base/gone
RUN rm -r /base/opaque && mkdir /base/opaque && echo new > /base/opaque/new
RUN touch /base/passing && rm /base/passing
END
    ok mlb -o out.tar "$CTX"
    same "links of a new file" "$(image tree out.tar links/b | cut -d' ' -f1-6)" "regular 644 1000 0 2 3"
    same "links of the base's" "$(image tree out.tar base/hard1 | cut -d' ' -f6)" 2
    same "entries of rm" "$(image entries out.tar -3 | grep -v '^base/*$')" "base/.wh.gone"
    run image entries out.tar -2
    [[ $output == *base/opaque/.wh..wh..opq* || $output == *base/opaque/.wh.old* ]] || { echo "$output"; return 1; }
    run image entries out.tar -1
    says_not passing .wh.
}

@test "umoci unpacks the same file system" {
    changing
    ok mlb -t img -o out.tar "$CTX"
    skopeo copy --quiet oci-archive:out.tar oci:layout:img
    ok userns umoci unpack --image layout:img bundle
    image tree out.tar | sed -E 's/^(directory( [^ ]+){5}) [^ ]+/\1 -/' > ours
    userns python3 - bundle/rootfs << 'END' > theirs
import hashlib, os, stat, sys
KINDS = {stat.S_IFDIR: "directory", stat.S_IFREG: "regular", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo"}
root = sys.argv[1]
for folder, dirs, files in os.walk(root):
    for name in dirs + files:
        p = os.path.join(folder, name)
        st = os.lstat(p)
        kind = KINDS[stat.S_IFMT(st.st_mode)]
        data, size, links, when = "-", 0, st.st_nlink, int(st.st_mtime)
        if kind == "regular":
            data, size = hashlib.sha256(open(p, "rb").read()).hexdigest(), st.st_size
        if kind == "symlink":
            data, size, when = os.readlink(p), st.st_size, "-"
        if kind == "directory":
            links, when = 1, "-"
        print(kind, "%o" % stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, size, links, when, data, p[len(root):])
END
    diff <(sort ours) <(sort theirs)
    same "xattr" "$(userns getfattr --only-values -n user.ours bundle/rootfs/src/one)" "with attribute"
}

@test "a stage on a stage, and equal layers one above the other" {
    dockerfile << 'END'
FROM base AS one
RUN echo 1 > /one
FROM one AS two
COPY Dockerfile /copy
COPY Dockerfile /copy
RUN cat /one /copy > /both
FROM two
RUN rm /copy
COPY Dockerfile /copy
END
    see >> "$CTX/Dockerfile"
    ok mlb -o out.tar "$CTX"
    compare_with_step out.tar
    [ "$(image cat out.tar /both | wc -l)" -eq 11 ] || image cat out.tar /both
}

@test "independent stages run at the same time" {
    # One serves a page until it was asked for, the other asks until it is served.
    local port=$(free_port)
    dockerfile << END
FROM base AS a
RUN mkdir /www && echo hello > /www/page && touch /got && (timeout 20 httpd -f -v -p 127.0.0.1:$port -h /www 2> /got & for i in \$(seq 200); do grep -q 200 /got && exit 0; sleep 0.1; done; exit 1)
FROM base AS b
RUN for i in \$(seq 200); do wget -q -O /got http://127.0.0.1:$port/page && exit 0; sleep 0.1; done; exit 1
FROM scratch
COPY --from=a /got /a
COPY --from=b /got /b
END
    ok mlb -o out "$CTX"
    same page "$(cat out/b)" hello
}

@test "scratch, and an image without layers" {
    dockerfile << 'END'
FROM scratch
ENV A=b
END
    ok mlb -t empty -o empty.tar "$CTX"
    same layers "$("$MLBUILD" inspect empty | json "d['layers']")" "[]"
    same Env "$(config_of empty Env)" '["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=b"]'
    ok skopeo inspect oci-archive:empty.tar
}

@test "--jobs: that many steps at a time" {
    local i
    {
        for i in 1 2 3 4; do
            printf 'FROM base AS s%s\nRUN --mount=type=cache,target=/c echo in >> /c/log; sleep 0.2; echo out >> /c/log # %s\n' $i $i
        done
        printf 'FROM base\n'
        for i in 1 2 3 4; do
            printf 'COPY --from=s%s /etc/passwd /%s\n' $i $i
        done
        printf 'RUN --mount=type=cache,target=/c tr "\\n" " " < /c/log; rm /c/log\n'
    } > "$CTX/Dockerfile"
    ok mlb --jobs 1 "$CTX"
    says "in out in out in out in out"
    ok mlb --no-cache --jobs 4 "$CTX"
    says "in in in in out out out out"
    fails 2 mlb --jobs many "$CTX"
    says "--jobs many" "0 is for no limit"
}
