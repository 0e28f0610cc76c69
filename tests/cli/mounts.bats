#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What RUN steps mount: each type and option, nothing of it in the image, several builds at once.
load helpers

# The files of the last layer of image.tar, mount points included if there were any.
layer() { image entries image.tar -1; }

# in_both TEST: with overlayfs and with plain copies
in_both() {
    local kind
    for kind in overlay native; do
        MLBUILD_SNAPSHOTTER=$kind MLBUILD_STORE=$BATS_TEST_TMPDIR/store-$kind "$@" || {
            echo "with $kind"
            return 1
        }
    done
}

binds() {
    ok mlb -o image.tar "$CTX"
    [ "$(image cat image.tar /out)" = "$(printf 'one\ntwo\nfrom a stage\nhello\nread-only\nread-only\nwritten\n')" ] || {
        image cat image.tar /out
        return 1
    }
    [ "$(layer)" = out ] || { echo "the layer has:"; layer; return 1; }
}

@test "binds from the context, a stage, an image; read-only or for the step alone; no trace" {
    mkdir -p "$CTX/dir"
    echo one > "$CTX/dir/one"; echo two > "$CTX/two"; echo hidden > "$CTX/hidden"
    echo hidden > "$CTX/.dockerignore"
    dockerfile << 'END'
FROM base AS other
RUN mkdir /made && echo "from a stage" > /made/file && ln -s /made/file /link && echo hello > /hello
FROM base
RUN --mount=type=bind,target=/ctx --mount=source=two,target=/new/place/two,readonly \
    --mount=from=other,source=/link,target=/linked --mount=from=base,target=/image \
    --mount=from=other,target=/other,rw \
    cat /ctx/dir/one /new/place/two /linked > /out; cat /other/hello >> /out; \
    test ! -e /ctx/hidden && test -x /image/bin/sh && \
    { echo x 2>&- > /ctx/dir/one || echo read-only >> /out; } && \
    { echo x 2>&- > /linked || echo read-only >> /out; } && \
    echo written > /other/hello && cat /other/hello >> /out
END
    in_both binds
    # Older kernels copy no mount that is nowhere yet.
    MLBUILD_TEST_NO_DETACHED_CLONE=1 MLBUILD_TEST_OVERLAY_FORM=mount MLBUILD_TEST_NO_OPENAT2=1 \
        MLBUILD_TEST_NO_MOUNT_SETATTR=1 MLBUILD_STORE=$BATS_TEST_TMPDIR/store-older binds
    # What was written is gone.
    dockerfile << 'END'
FROM base AS other
RUN mkdir /made && echo "from a stage" > /made/file && ln -s /made/file /link && echo hello > /hello
FROM base
RUN --mount=from=other,target=/other,rw grep hello /other/hello
END
    ok mlb "$CTX"
}

@test "a step runs again when what it binds has changed, not when its stage has" {
    dockerfile << 'END'
FROM base AS other
ARG NOISE
RUN echo content > /file && echo $NOISE > /noise
FROM base
RUN --mount=from=other,source=/file,target=/file cat /file > /copy
END
    echo x > "$CTX/used"; echo x > "$CTX/unused"
    dockerfile Second << 'END'
FROM base
RUN --mount=source=used,target=/file cat /file > /copy
END
    ok mlb --build-arg NOISE=1 "$CTX"
    step_says "cat /file > /copy" DONE
    ok mlb --build-arg NOISE=2 "$CTX"
    step_says "echo \$NOISE > /noise" DONE || step_says "> /noise" DONE
    step_says "cat /file > /copy" CACHED
    ok mlb -f "$CTX/Second" "$CTX"
    echo y > "$CTX/unused"
    ok mlb -f "$CTX/Second" "$CTX"
    step_says "cat /file > /copy" CACHED
    echo y > "$CTX/used"
    ok mlb -f "$CTX/Second" "$CTX"
    step_says "cat /file > /copy" DONE
}

@test "a source that is missing is named, with its line" {
    dockerfile << 'END'
FROM base AS other
RUN mkdir /dir && touch /dir/file
FROM base
RUN --mount=from=other,source=/dir/fill,target=/x true
END
    fails 1 mlb "$CTX"
    says '/dir/fill": not found' "did you mean /dir/file?" "Dockerfile:4"
    dockerfile << 'END'
FROM base
RUN --mount=source=nothing,target=/x true
END
    fails 1 mlb "$CTX"
    says "nothing" "not found" "Dockerfile:2"
}

caches() {
    ok mlb -t caches "$CTX"
    says "count 1" "mode 1750 0:1000"
    ok mlb -t caches --build-arg AGAIN=1 "$CTX"
    says "count 2" "mode 1750 0:1000" "read-only"
    ok mlb -t caches --build-arg AGAIN=2 --no-cache "$CTX"
    says "count 1"
    ok mlb -t caches --build-arg AGAIN=3 "$CTX"
    says "count 2"
    ok "$MLBUILD" prune
    ok mlb -t caches --build-arg AGAIN=4 "$CTX"
    says "count 3"
    ok "$MLBUILD" prune --mounts
    says "removed 1 cache mounts"
    ok mlb -t caches --build-arg AGAIN=5 "$CTX"
    says "count 1"
    ok mlb -o image.tar "$CTX"
    [ -z "$(layer)" ] || { echo "the layer has:"; layer; return 1; }
}

@test "a cache is kept between builds, is in no layer, begins anew with --no-cache, is pruned" {
    dockerfile << 'END'
FROM base
ARG AGAIN
RUN --mount=type=cache,target=/var/cache/mine,mode=1750,gid=1000 --mount=type=cache,id=/var/cache/mine,target=/same,ro \
    echo x >> /var/cache/mine/lines; echo "count $(wc -l < /same/lines)"; echo "mode $(stat -c '%a %u:%g' /same)"; \
    touch /same/new 2>&- || echo read-only
END
    in_both caches
}

@test "a cache begins with files of a stage; other stages have other caches" {
    dockerfile << 'END'
FROM base AS seed
ARG CONTENT
RUN mkdir -p /seed/dir && echo "$CONTENT" > /seed/dir/file && mkfifo -m 666 /seed/pipe && chown -R 5:6 /seed && ln /seed/dir/file /seed/hard
FROM base
ARG AGAIN
RUN --mount=type=cache,target=/c,from=seed,source=/seed cat /c/dir/file; stat -c 'owner %u:%g %h' /c/hard; stat -c 'pipe %a' /c/pipe; \
    echo "lines $(cat /c/lines 2>&- | wc -l)"; echo >> /c/lines
END
    ok mlb --build-arg CONTENT=first "$CTX"
    says "first" "owner 5:6 2" "pipe 666" "lines 0"
    ok mlb --build-arg CONTENT=first --build-arg AGAIN=1 "$CTX"
    says "first" "lines 1"
    ok mlb --build-arg CONTENT=second "$CTX"
    says "second" "lines 0"
}

# Three steps that run at the same time, each with a cache of the same name.
three_steps() {
    local i
    for i in 1 2 3; do
        echo "FROM base AS s$i"
        echo "RUN --mount=type=cache,target=/c,sharing=$1 touch /c/$i-$1; sleep 0.7; ls /c | wc -l > /met; rm /c/$i-$1"
    done
    echo "FROM scratch"
    for i in 1 2 3; do echo "COPY --from=s$i /met /$i"; done
}

@test "locked caches are waited for, private ones are others, shared ones are met" {
    three_steps locked | dockerfile
    ok mlb -o out "$CTX"
    says "waiting for the cache mount /c"
    [ "$(cat out/1 out/2 out/3)" = "$(printf '1\n1\n1')" ]
    three_steps private | dockerfile
    ok mlb -o out "$CTX"
    says_not "waiting"
    [ "$(cat out/1 out/2 out/3)" = "$(printf '1\n1\n1')" ]
    three_steps shared | dockerfile
    ok mlb -o out "$CTX"
    grep -q '[23]' out/1 out/2 out/3
}

@test "two builds share a locked cache; one that waits can be interrupted; a killed one frees it" {
    dockerfile << 'END'
FROM base
ARG N
RUN --mount=type=cache,target=/c,sharing=locked touch /c/held-$N; sleep ${N}00
END
    dockerfile Second << 'END'
FROM base
RUN --mount=type=cache,target=/c,sharing=locked ls /c
END
    mlb_in_background --build-arg N=9 "$CTX"
    local first=$!
    wait_until 10 userns sh -c "ls $MLBUILD_STORE/mounts/*/data/held-9"
    run timeout --signal=TERM 2 "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" -f "$CTX/Second" "$CTX"
    says "waiting for the cache mount /c"
    [ "$status" -eq 143 ] || [ "$status" -eq 124 ]
    kill -KILL "$first"
    wait "$first" || true
    ok mlb -f "$CTX/Second" "$CTX"
    says "held-9"
}

@test "two builds at once: private caches are two, a shared one is the same" {
    local mode sees
    dockerfile << 'END'
FROM base
ARG N
ARG MODE
RUN --mount=type=cache,target=/c,sharing=$MODE touch /c/$MODE-$N; sleep 1.5; echo "sees $(ls /c | grep -c $MODE)"
END
    for mode in private shared; do
        mlb_in_background --build-arg N=1 --build-arg MODE=$mode "$CTX"
        ok mlb --build-arg N=2 --build-arg MODE=$mode "$CTX"
        wait $!
        [ $mode = private ] && sees=1 || sees=2
        says "sees $sees"
        grep "sees $sees" log
    done
}

@test "tmpfs: a size, read-only, over a directory of the image; no trace" {
    dockerfile << 'END'
FROM base
RUN --mount=type=tmpfs,target=/base,size=64k --mount=type=tmpfs,target=/new/t --mount=type=tmpfs,target=/dev/shm,size=4k \
    head -c 100000 /dev/zero > /base/x 2>&-; stat -c 'size %s' /base/x; touch /new/t/x; head -c 9000 /dev/zero > /dev/shm/x 2>&-; \
    stat -c 'shm %s' /dev/shm/x; stat -c 'mode %a' /new/t
END
    ok mlb -o image.tar "$CTX"
    says "size 65536" "shm 4096" "mode 1777"
    [ -z "$(layer)" ] || { layer; return 1; }
}

@test "mounts inside mounts, and their order" {
    mkdir -p "$CTX/d/sub"
    echo in > "$CTX/d/sub/file"; echo other > "$CTX/other"
    dockerfile << 'END'
FROM base
RUN --mount=type=cache,target=/t/a/b/cache --mount=source=other,target=/t/a/file --mount=type=tmpfs,target=/t \
    --mount=source=d,target=/t/a/d --mount=type=tmpfs,target=/t/a/d/sub \
    cat /t/a/file; ls /t/a; ls /t/a/d/sub | wc -l; touch /t/a/b/cache/x
END
    ok mlb -o image.tar "$CTX"
    says "other" "0"
    [ -z "$(layer)" ] || { layer; return 1; }
    dockerfile << 'END'
FROM base
RUN --mount=source=d,target=/t --mount=type=tmpfs,target=/t/none true
END
    fails 1 mlb "$CTX"
    says "create the mount point /t/none: Read-only file system" "Dockerfile:2" "mount that rw"
}

@test "targets that lead through links of the image stay inside it" {
    dockerfile << 'END'
FROM base AS hostile
RUN rm -rf /run /var/run /srv; ln -s ../../../../../../etc /run; mkdir -p /var /real; ln -s /run /var/run; ln -s /real/deep /srv
FROM hostile
RUN --mount=type=secret,id=s,required=true --mount=type=tmpfs,target=/var/run/dir --mount=type=tmpfs,target=/srv/x/y \
    cat /etc/secrets/s; touch /etc/dir/in; touch /real/deep/x/y/in; ls /real
END
    echo the value > secret
    ok mlb --secret id=s,src=secret -o image.tar "$CTX"
    says "the value" "deep"
    [ -z "$(layer)" ] || { layer; return 1; }
    [ ! -e /etc/secrets/s ]
    dockerfile << 'END'
FROM base
RUN ln -s /proc /here
RUN --mount=type=tmpfs,target=/here/sys true
END
    fails 1 mlb "$CTX"
    says "inside /proc" "Dockerfile:3"
}

SECRET=hunter2-with-a-tail

# Nothing that is kept has it.
secret_is_nowhere() {
    says_not "$SECRET"
    ! userns grep -rqF "$SECRET" "$MLBUILD_STORE" || { echo "it is in the store"; return 1; }
    ! image config image.tar | grep -F "$SECRET"
    mkdir -p unpacked
    tar -xf image.tar -C unpacked
    ! python3 - "$SECRET" << 'END'
import gzip, os, sys
found = 1
for folder, _, names in os.walk("unpacked"):
    for name in names:
        data = open(os.path.join(folder, name), "rb").read()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if sys.argv[1].encode() in data:
            print(folder, name)
            found = 0
sys.exit(found)
END
}

secrets() {
    ok mlb --secret id=file,src=secret --secret id=var,env=MY_VAR -o image.tar "$CTX"
    says "file 400 0:0 19" "moved 440 1000:1000" "var in file 10" "both set" "no file" "optional <>" "ran"
    secret_is_nowhere
    [ -z "$(layer)" ] || { layer; return 1; }
    # Another value is no reason to run again.
    printf other > secret
    ok mlb --secret id=file,src=secret --secret id=var,env=MY_VAR -o image.tar "$CTX"
    [ "$(cached_steps)" -gt 0 ]
    says_not "file 400"
    printf %s "$SECRET" > secret
}

@test "secrets: files and variables, owners and modes; not in the image, the log, the store" {
    printf %s "$SECRET" > secret
    export MY_VAR=var-$SECRET
    MY_VAR=0123456789
    dockerfile << 'END'
FROM base
RUN --mount=type=secret,id=file stat -c 'file %a %u:%g %s' /run/secrets/file && \
    test "$(cat /run/secrets/file)" = hunter2-with-a-tai""l
RUN --mount=type=secret,id=file,target=/etc/moved,mode=0440,uid=1000,gid=1000 stat -c 'moved %a %u:%g' /etc/moved
RUN --mount=type=secret,id=var stat -c 'var in file %s' /run/secrets/var
RUN --mount=type=secret,id=file,env=TOKEN --mount=type=secret,id=var,env=VAR,target=/v \
    test "${#TOKEN}" = 19 && test "$VAR" = "$(cat /v)" && test ! -e /run/secrets/file && echo both set
RUN --mount=type=secret,id=none --mount=type=secret,id=none,env=NONE \
    test ! -e /run/secrets/none && echo no file && echo "optional <${NONE-unset}>"
RUN --mount=type=secret,id=file,target=/tool,mode=0555 test -x /tool && echo ran
END
    in_both secrets
}

@test "a secret that is required, too large, or given wrong" {
    dockerfile << 'END'
FROM base
RUN --mount=type=secret,id=token,required=true true
END
    fails 1 mlb "$CTX"
    says "secret token: not found" "Dockerfile:2" "--secret id=token"
    head -c 600000 /dev/zero > big
    fails 1 mlb --secret id=token,src=big "$CTX"
    says "secret token too big. max size 500KB"
    fails 1 mlb --secret id=token,src=missing "$CTX"
    says "--secret id=token: missing: No such file"
    fails 2 mlb --secret src=x "$CTX"
    says "secret missing ID"
    ok mlb --secret id=token,env=NOT_SET "$CTX"
    says "the variable NOT_SET is not set"
    printf one > one
    printf two > two
    printf 'FROM base\nRUN --mount=type=secret,id=token cat /run/secrets/token > /got\n' | dockerfile
    ok mlb --secret id=token,src=one --secret id=token,src=two -o out "$CTX"
    same "the secret given last" "$(cat out/got)" two
}

@test "a secret is not on any command line while the step runs" {
    printf %s "$SECRET" > secret
    dockerfile << 'END'
FROM base
RUN --mount=type=secret,id=s,env=S --mount=type=secret,id=s touch /running; sleep 2; cat /proc/[0-9]*/cmdline | tr '\0' ' '
END
    mlb_in_background --secret id=s,src=secret "$CTX"
    local build=$!
    sleep 1
    ! cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\0' ' ' | grep -F "$SECRET"
    wait "$build"
    ! grep -F "$SECRET" log
}

@test "ssh: keys can be listed through the socket, nothing can be added; without an agent no socket" {
    command -v ssh-agent
    ssh-keygen -q -t ed25519 -N "" -C key-of-the-test -f key
    dockerfile << 'END'
FROM base
RUN --mount=type=ssh,mode=0666,uid=1000 stat -c 'socket %a %u %F' "$SSH_AUTH_SOCK"; \
    /usr/bin/ssh-add -l; /usr/bin/ssh-add -D 2>&1; /usr/bin/ssh-add -l | wc -l
END
    # The host's client, with its libraries.
    ok mlb -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro --ssh default=key -o image.tar "$CTX"
    says "socket 666 1000 socket" "key-of-the-test" "Failed to remove all identities"
    [ -z "$(layer)" ] || { layer; return 1; }
    dockerfile Second << 'END'
FROM base
RUN --mount=type=ssh test -n "$SSH_AUTH_SOCK" && test ! -e "$SSH_AUTH_SOCK"
END
    ok mlb -f "$CTX/Second" "$CTX"
    echo "RUN --mount=type=ssh,required=true true" >> "$CTX/Second"
    fails 1 mlb -f "$CTX/Second" "$CTX"
    says 'no SSH key "default" forwarded' "--ssh default"
    unset SSH_AUTH_SOCK
    fails 1 mlb --ssh default "$CTX"
    says "make sure SSH_AUTH_SOCK is set"
}

@test "a killed build with an agent of its own leaves neither agent nor socket" {
    command -v ssh-agent
    ssh-keygen -q -t ed25519 -N "" -f key
    dockerfile << 'END'
FROM base
RUN --mount=type=ssh sleep 1000
END
    mlb_in_background --ssh default=key "$CTX"
    local build=$!
    wait_until 10 grep -q "sleep 1000" log
    sleep 0.5
    kill -KILL "$build"
    wait "$build" || true
    # teardown sees to it that no process is left
}

@test "here-documents run as files of their own" {
    dockerfile << 'END'
FROM base
RUN <<EOF
echo one
echo two > /file
EOF
RUN <<EOF
#!/bin/awk -f
BEGIN { print "three" }
EOF
END
    ok mlb -o image.tar "$CTX"
    says "one" "three"
    [ "$(image cat image.tar /file)" = two ]
}

@test "security=insecure: only when it is allowed, and then with all capabilities" {
    dockerfile << 'END'
# syntax=docker/dockerfile:1-labs
FROM base
RUN --security=insecure grep -E '^(Seccomp|CapEff):' /proc/self/status; mkdir /m && mount -t tmpfs none /m && echo mounted && umount /m && rmdir /m
END
    fails 1 mlb "$CTX"
    says "security.insecure" "--allow security.insecure"
    ok mlb --allow security.insecure "$CTX"
    says "mounted" "Seccomp:	0"
    dockerfile << 'END'
FROM base
RUN --network=host true
END
    fails 1 mlb "$CTX"
    says "network.host"
    ok mlb --allow network.host "$CTX"
    ok mlb --network=host "$CTX"
}

@test "settings of all steps: hosts, limits, name servers, /dev/shm, capabilities; their cache" {
    dockerfile << 'END'
FROM base
RUN cat /etc/hosts /etc/resolv.conf; hostname; echo "limit $(ulimit -n) $(ulimit -Hn)"; df -k /dev/shm | tail -1; grep CapBnd /proc/self/status
END
    ok mlb --add-host db:10.1.2.3 --ulimit nofile=100:200 --dns 192.0.2.7 --dns-search a.example --dns-option ndots:3 \
        --shm-size 1m --cap-drop ALL --cap-add CHOWN --build-arg BUILDKIT_SANDBOX_HOSTNAME=my-builder "$CTX"
    says "10.1.2.3	db" "nameserver 192.0.2.7" "search a.example" "options ndots:3" "my-builder" "limit 100 200" " 1024 " \
        "0000000000000001"
    ok mlb --add-host db:10.9.9.9 --ulimit nofile=100:200 --dns 192.0.2.8 --shm-size 1m --cap-drop ALL --cap-add CHOWN \
        --build-arg BUILDKIT_SANDBOX_HOSTNAME=my-builder "$CTX"
    step_says "grep CapBnd /proc/self/status" CACHED
    ok mlb "$CTX"
    step_says "grep CapBnd /proc/self/status" DONE
    says "limit 1024"
    fails 1 mlb --ulimit nofile=2000000000 "$CTX"
    says "--ulimit"
    fails 2 mlb --add-host nonsense "$CTX"
    says "--add-host nonsense: invalid host"
    fails 2 mlb --memory 1g "$CTX"
    says "systemd-run"
}

@test "volumes and devices of the host" {
    mkdir vol
    echo mine > vol/file
    chmod 755 . vol
    dockerfile << 'END'
FROM base
RUN cat /vol/file; touch /vol/new 2>&- || echo read-only; echo x > /dev/other && echo device
END
    ok mlb -v "$PWD/vol:/vol:ro" --device /dev/null:/dev/other -o image.tar "$CTX"
    says "mine" "read-only" "device"
    [ -z "$(layer)" ] || { layer; return 1; }
    ok mlb -v "$PWD/vol:/vol" --device /dev/null:/dev/other "$CTX"
    [ -e vol/new ]
}

@test "devices by name: variables, nodes, files of the host; hooks are named; allowed or not" {
    mkdir cdi
    echo library > lib.so
    chmod 755 . ; chmod 644 lib.so
    export MLBUILD_CDI_PATH=$PWD/cdi
    cat > cdi/vendor.yaml << END
cdiVersion: "0.6.0"
kind: vendor.com/dev
devices:
- name: one
  containerEdits:
    deviceNodes:
    - path: /dev/mine
      hostPath: /dev/null
containerEdits:
  env: [FOUND=yes]
  mounts:
  - hostPath: $PWD/lib.so
    containerPath: /usr/lib/new/lib.so
    options: [ro]
  hooks:
  - hookName: createContainer
    path: /usr/bin/some-hook
    args: [some-hook, update-ldcache]
END
    dockerfile << 'END'
# syntax=docker/dockerfile:1-labs
FROM base
RUN --device=vendor.com/dev=one --device=vendor.com/dev=none echo "found $FOUND"; test -c /dev/mine && echo x > /dev/mine; cat /usr/lib/new/lib.so
END
    fails 1 mlb "$CTX"
    says "device" "--allow device"
    ok mlb --allow device -o image.tar "$CTX"
    says "found yes" "library" "hooks are not run: /usr/bin/some-hook update-ldcache" "vendor.com/dev=none is not known"
    [ -z "$(layer)" ] || { layer; return 1; }
    fails 1 mlb --allow device=vendor.com/dev=none --no-cache "$CTX"
    says "device vendor.com/dev=one is not allowed"
    dockerfile << 'END'
# syntax=docker/dockerfile:1-labs
FROM base
RUN --device=vendor.com/dev=none,required true
END
    fails 1 mlb --allow device "$CTX"
    says 'required device "vendor.com/dev=none" is not registered' "Dockerfile:3" "$PWD/cdi"
    dockerfile << 'END'
FROM base
RUN echo "found $FOUND"
END
    ok mlb --device vendor.com/dev "$CTX"
    says "found yes"
}
