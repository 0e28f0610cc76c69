# SPDX-License-Identifier: Apache-2.0
# Steps shared between builders: --cache-to, --cache-from.
load helpers
load registry
load shared_cache

setup() {
    registry_setup
    CACHE=$HUB/team/cache:main
    dockerfile << 'END'
FROM base AS builder
RUN echo built > /out; cat /proc/sys/kernel/random/uuid > /id
FROM base
RUN cat /proc/sys/kernel/random/uuid > /a
COPY --from=builder /out /out
COPY file /file
RUN cat /a /file > /b
END
}
teardown() { registry_teardown; }

# What one builder shares another takes, and remembers: it has the same image, with the cache and without.
remembered() {
    ok on one mlb -t img --cache-to type=local,dest=cache "$CTX"
    ok on two mlb -t img --cache-from type=local,src=cache "$CTX"
    cached
    ok on two mlb -t img "$CTX"
    cached
    same id "$(on two id_of img)" "$(on one id_of img)"
}

layers_of() { skopeo inspect "oci-archive:$1" | json "d['Layers']"; }

entries_of_hub() { find hub/docker/registry/v2/repositories/team/cache/_manifests/tags -mindepth 1 -maxdepth 1 | wc -l; }

@test "a second builder with a store of its own runs nothing, and has the same image" {
    ok on one mlb -t img --cache-to "type=registry,ref=$CACHE" "$CTX"
    local id=$(on one id_of img)
    ok on two mlb -t img -o img.tar --cache-from "type=registry,ref=$CACHE" "$CTX"
    cached
    same id "$(on two id_of img)" "$id"
    ok on one mlb -t img -o one.tar "$CTX"
    same manifest "$(image manifest img.tar)" "$(image manifest one.tar)"
    ok on two mlb -t img "$CTX"
    cached
}

@test "what others have made can be built upon; only what a step needs is fetched" {
    ok on one mlb --cache-to "type=registry,ref=$CACHE,mode=max" "$CTX"
    echo 'RUN cat /a /b /file /out' >> "$CTX/Dockerfile"
    ok on two mlb -t img --cache-from "type=registry,ref=$CACHE" "$CTX"
    says "content" "built"
    same "steps that ran" "$(steps_run | grep -oE 'RUN.*')" "RUN cat /a /b /file /out"
    : > hub.log
    ok on three mlb --cache-from "$CACHE" --target builder "$CTX"
    cached
    same "blobs that were asked for" "$(grep -c 'GET .*/blobs/' hub.log)" 1 # the entry's configuration
}

@test "mode=min shares the image's own steps, mode=max all" {
    ok on one mlb --cache-to "type=local,dest=min" --cache-to "type=local,dest=max,mode=max" "$CTX"
    same "min" "$(ls min/entries | wc -l)" 4
    same "max" "$(ls max/entries | wc -l)" 5
    ok on two mlb --cache-from type=local,src=max --target builder "$CTX"
    cached
    ok on three mlb --cache-from type=local,src=min --target builder "$CTX"
    same "steps that ran" "$(steps_run | wc -l)" 1
}

@test "type=inline: the image tells of its steps" {
    ok on one mlb -t "$HUB/a/app:1" --push --cache-to type=inline "$CTX"
    ok on two mlb -t "$HUB/a/app:2" --push --cache-from "$HUB/a/app:1" --cache-to inline "$CTX"
    cached
    same digest "$(inspect_remote "$HUB/a/app:2" | json "d['Digest']")" "$(inspect_remote "$HUB/a/app:1" | json "d['Digest']")"
}

@test "a push of what others have made fetches nothing: it is mounted" {
    ok on one mlb --cache-to "type=registry,ref=$CACHE" "$CTX"
    : > hub.log
    ok on two mlb -t "$HUB/a/app:1" --push --cache-from "$CACHE" "$CTX"
    cached
    local layers=$(inspect_remote "$HUB/a/app:1" | json "len(d['Layers'])")
    same "layers sent" "$(grep -cE 'POST .*uploads.*mount=.*from=team%2Fcache.* 201 ' hub.log)" 4
    same layers "$layers" 6
    same "layers fetched" "$(grep -cE 'GET /v2/team/cache/blobs' hub.log)" 1 # a configuration
    ok skopeo copy --quiet --src-tls-verify=false "docker://$HUB/a/app:1" oci:pulled:1
    ok on two "$MLBUILD" save -o saved.tar "$HUB/a/app:1"
    image tree pulled > pulled.tree
    image tree saved.tar | diff pulled.tree -
}

@test "what was pushed without its layers can be called otherwise, and go to another registry" {
    local port2=$(free_port)
    start_registry other "$port2"
    ok on one mlb --cache-to "type=registry,ref=$CACHE" "$CTX"
    ok on two mlb -t "$HUB/a/app:1" --push --cache-from "$CACHE" "$CTX"
    ok on two "$MLBUILD" tag "$HUB/a/app:1" "localhost:$port2/b/app:1"
    ok on two "$MLBUILD" rmi "$HUB/a/app:1"
    ok on two "$MLBUILD" push "localhost:$port2/b/app:1"
    same layers "$(inspect_remote "localhost:$port2/b/app:1" | json "d['Layers']")" "$(inspect_remote "$HUB/a/app:1" | json "d['Layers']")"
}

@test "a push that fails leaves no name that leads to layers which are nowhere" {
    ok on one mlb --cache-to "type=registry,ref=$CACHE" "$CTX"
    fails 4 on two mlb -t localhost:1/a/app:1 --push --cache-from "$CACHE" "$CTX"
    ok on two "$MLBUILD" images -q
    same images "$output" ""
    fails 4 on one mlb -t localhost:1/a/app:1 --push "$CTX"
    ok on one "$MLBUILD" save -o saved.tar localhost:1/a/app:1
}

@test "three builders at once lose no entry; a fourth runs nothing" {
    local n
    for n in 1 2 3; do
        on $n mlb_in_background -t img --cache-from "$CACHE" --cache-to "type=registry,ref=$CACHE,mode=max" "$CTX"
        pids[n]=$!
    done
    for n in 1 2 3; do wait "${pids[n]}"; done
    ok on four mlb --cache-from "$CACHE" "$CTX"
    cached
    ok on five mlb --cache-from "$CACHE" --target builder "$CTX"
    cached
}

@test "a builder that is killed, or whose step fails, has shared the steps that it finished" {
    echo 'RUN sleep 60' >> "$CTX/Dockerfile"
    on one mlb_in_background --cache-to "type=registry,ref=$CACHE,mode=max" "$CTX"
    local pid=$!
    wait_until 20 eval '[ "$(entries_of_hub)" -eq 5 ]'
    kill -9 "$pid"
    wait "$pid" || true
    sed -i 's/sleep 60/false/' "$CTX/Dockerfile"
    fails 1 on two mlb --cache-from "$CACHE" "$CTX"
    same "steps that ran" "$(steps_run)" ""
    sed -i 's/cat .a .file/cat \/a/; s/RUN false/RUN echo 1 \&\& false/' "$CTX/Dockerfile"
    fails 1 on three mlb --cache-from "$CACHE" --cache-to "type=registry,ref=$CACHE" "$CTX"
    sed -i '$d' "$CTX/Dockerfile"
    ok on four mlb --cache-from "$CACHE" "$CTX"
    cached
}

@test "a cache that fails never fails a build, unless it is to be written" {
    ok mlb --cache-from "localhost:1/no/cache" --cache-from type=local,src=/nowhere -t img "$CTX"
    says "WARNING: the cache in localhost:1/no/cache:latest is left alone"
    fails 4 on two mlb --cache-to "type=registry,ref=localhost:1/no/cache" "$CTX"
    says "export the cache to localhost:1/no/cache:latest"
    ok on three mlb --cache-to "type=registry,ref=localhost:1/no/cache,ignore-error=true" "$CTX"
    says "WARNING: export the cache to localhost:1/no/cache:latest"
}

@test "a registry that breaks off is not waited for long" {
    python3 - tried 3>&- << 'END' &
import os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
with open("port.new", "w") as port:
    port.write(str(server.getsockname()[1]))
os.rename("port.new", "port")
while True:
    connection, _ = server.accept()
    with open(sys.argv[1], "ab") as tried:
        if b"/manifests/" in connection.recv(4096):
            tried.write(b"x")
    connection.close()
END
    servers+=($!)
    wait_until 10 test -s port
    ok mlb --cache-from "localhost:$(cat port)/a/cache" -t img "$CTX"
    says "WARNING: the cache in localhost:$(cat port)/a/cache:latest is left alone"
    [ "$(wc -c < tried)" -le 2 ] || { cat tried; false; }
}

@test "equal layers of several steps: each has the time of its own step" {
    dockerfile << 'END'
FROM base
RUN true
RUN sleep 1.1
RUN sleep 1.1; echo > /x
END
    ok on one mlb -t img --cache-to type=local,dest=cache "$CTX"
    ok on two mlb -t img --cache-from type=local,src=cache "$CTX"
    cached
    same id "$(on two id_of img)" "$(on one id_of img)"
}

@test "COPY --link of others is remembered like any other step" {
    dockerfile << 'END'
FROM base
RUN cat /proc/sys/kernel/random/uuid > /a
COPY --link file /b
COPY --link file /c
RUN cat /a /b /c > /d
END
    remembered
}

@test "a layer that many entries have is asked for, and sent, once" {
    local n
    for n in $(seq 20); do echo "COPY file /file$n"; done >> "$CTX/Dockerfile"
    ok mlb --cache-to "type=registry,ref=$CACHE" "$CTX"
    same "asked for twice" "$(grep -oE 'HEAD /v2/team/cache/blobs/[a-z0-9:]+' hub.log | sort | uniq -d)" ""
    same "entries" "$(entries_of_hub)" 24
    ok on two mlb --cache-from "$CACHE" "$CTX"
    cached
}

@test "a step that takes files from a stage below it, or an image, is remembered too" {
    dockerfile << 'END'
FROM base AS first
RUN cat /proc/sys/kernel/random/uuid > /a
FROM first
COPY --from=first /a /b
COPY --from=base /bin/busybox /c
RUN --mount=type=bind,from=first,target=/first cat /first/a > /d
END
    remembered
}

@test "another epoch, another argument, --no-cache: not what others have made" {
    ok on one mlb --epoch 1000 --cache-to type=local,dest=cache "$CTX"
    ok on two mlb --epoch 1000 --cache-from type=local,src=cache "$CTX"
    cached
    ok on three mlb --epoch 2000 --cache-from type=local,src=cache "$CTX"
    same "steps that ran" "$(steps_run | wc -l)" 5
    ok on four mlb --epoch 1000 --no-cache --cache-from type=local,src=cache "$CTX"
    same "steps that ran" "$(steps_run | wc -l)" 5
}

@test "a directory is made with those above it, as the umask allows" {
    (umask 027 && ok mlb --cache-to type=local,dest=new/deep/cache "$CTX")
    same mode "$(stat -c %a new new/deep new/deep/cache new/deep/cache/entries | sort -u)" 750
}

@test "an entry whose layer the location has forgotten is none" {
    ok on one mlb --cache-to type=local,dest=cache,compression=uncompressed --cache-to "type=registry,ref=$CACHE,compression=uncompressed" "$CTX"
    local blob hub=hub/docker/registry/v2/blobs/sha256
    for blob in cache/blobs/sha256/*; do
        grep -q mlbuild.cache "$blob" && continue
        blob=${blob##*/}
        rm "$hub/${blob:0:2}/$blob/data" && userns rm "cache/blobs/sha256/$blob"
    done
    ok on two mlb -t img --cache-from type=local,src=cache --cache-from "$CACHE" "$CTX"
    same "steps that ran" "$(steps_run | wc -l)" 5
    ok on two mlb -t img --no-cache --cache-to type=local,dest=cache "$CTX"
    ok on three mlb -t img --cache-from type=local,src=cache "$CTX"
    cached
}

@test "an entry that lies: its layers are not those that it names" {
    ok on one mlb --cache-to type=local,dest=cache,compression=uncompressed "$CTX"
    local blob
    for blob in cache/blobs/sha256/*; do # the same size, other bytes
        grep -q mlbuild.cache "$blob" && continue
        userns python3 -c 'import sys; p = sys.argv[1]; b = bytearray(open(p, "rb").read()); b[600] ^= 1; open(p, "wb").write(b)' "$blob"
    done
    fails 1 on two mlb -t img --cache-from type=local,src=cache "$CTX"
    says "not sha256:" "hint: without --cache-from"
    for blob in cache/entries/*; do echo '{"schemaVersion": 2, "layers": 3}' > "$blob"; done
    ok on three mlb -t img --cache-from type=local,src=cache "$CTX"
    says "WARNING: the cache in"
    same "steps that ran" "$(steps_run | wc -l)" 5
}

@test "the layers of an image that was never packed go along" {
    dockerfile base.df << 'END'
FROM base
RUN cat /proc/sys/kernel/random/uuid > /own
END
    dockerfile << 'END'
FROM team/own
RUN cat /own > /copy
END
    ok on one mlb -t team/own -f "$CTX/base.df" "$CTX"
    userns cp -a store-one store-two
    ok on one mlb -t img --cache-to type=local,dest=cache "$CTX"
    ok on two mlb -t img --cache-from type=local,src=cache "$CTX"
    cached
    same id "$(on two id_of img)" "$(on one id_of img)"
}

@test "steps of two stages with one key go wherever one of them should" {
    dockerfile << 'END'
FROM base AS other
RUN echo 1 > /1
FROM base
RUN echo 1 > /1
COPY --from=other /1 /2
END
    local n
    ok mlb "$CTX"
    for n in 1 2 3 4 5; do
        ok mlb --cache-to "type=local,dest=max$n,mode=max" --cache-to "type=local,dest=min$n" "$CTX"
        same "entries" "$(ls "min$n/entries" | wc -l) $(ls "max$n/entries" | wc -l)" "2 2"
    done
}

@test "an entry that lies about what its layers unpack to does not change what we know" {
    dockerfile honest << 'END'
FROM base
WORKDIR /made
COPY file /other
END
    dockerfile << 'END'
FROM base
COPY file /file
COPY file /other
END
    ok on one mlb --cache-to type=local,dest=cache "$CTX"
    userns python3 - << 'END'
import glob, json
for entry in glob.glob("cache/entries/*"):
    manifest = json.load(open(entry))
    manifest["layers"].reverse()
    json.dump(manifest, open(entry, "w"))
END
    ok on two mlb -t honest -f "$CTX/honest" "$CTX"
    ok on two mlb -t img --cache-from type=local,src=cache "$CTX"
    cached
    ok on two mlb -t honest -f "$CTX/honest" -o type=oci,dest=two.tar,compression=zstd "$CTX"
    ok on three mlb -f "$CTX/honest" -o type=oci,dest=three.tar,compression=zstd "$CTX"
    same layers "$(layers_of two.tar)" "$(layers_of three.tar)"
}

@test "layers of a cache are fetched again for another cache" {
    ok on one mlb --cache-to type=local,dest=a,mode=max "$CTX"
    ok on two mlb --cache-from type=local,src=a --cache-to "type=registry,ref=$CACHE" "$CTX"
    cached
    ok on three mlb --cache-from "$CACHE" -t img "$CTX"
    cached
    same id "$(on three id_of img)" "$(on one id_of "$(on one mlb -q "$CTX" | cut -c8-30)" 2> /dev/null || on one mlb -q "$CTX")"
}

@test "mounts=true: what RUN --mount=type=cache keeps goes along, and is what a new one begins with" {
    dockerfile << 'END'
FROM base
ARG N
RUN --mount=type=cache,target=/var/kept,uid=7,mode=0750 --mount=type=cache,id=other,target=/o \
    echo "$N: $(cat /var/kept/list) $(stat -c '%u %a' /var/kept)"; echo "$N" >> /var/kept/list; mkdir -p /o/dir && ln -sf x /o/dir/link
END
    ok on one mlb --build-arg N=1 --cache-to "type=registry,ref=$CACHE,mounts=true" "$CTX"
    ok on two mlb --build-arg N=2 --cache-from "type=registry,ref=$CACHE" "$CTX"
    says "2:  7 750"
    ok on three mlb --build-arg N=3 --cache-from "type=registry,ref=$CACHE,mounts=true" --cache-to type=local,dest=c,mounts=true "$CTX"
    says "3: 1 7 750"
    ok on four mlb --build-arg N=4 --cache-from type=local,src=c,mounts=true "$CTX"
    says "4: 1"
    ok on four mlb --build-arg N=5 --cache-from type=local,src=c,mounts=true "$CTX"
    says "5: 1"
    ok on four mlb --build-arg N=5 --no-cache --cache-from type=local,src=c,mounts=true "$CTX"
    says "5:  7 750"
    local blob
    for blob in c/blobs/sha256/*; do grep -q mlbuild.cache "$blob" || userns truncate -s 10 "$blob"; done
    ok on five mlb --build-arg N=6 --cache-from type=local,src=c,mounts=true "$CTX"
    says "6:  7 750"
}

@test "a registry that wants a password: the builder writes with what the user's files say" {
    start_closed
    mkdir -p "$HOME/.docker"
    echo "{\"auths\": {\"$closed\": {\"auth\": \"$(basic user:secret)\"}}}" > "$HOME/.docker/config.json"
    ok on one mlb --cache-to "type=registry,ref=$closed/x/cache" "$CTX"
    ok on two mlb --cache-from "$closed/x/cache" "$CTX"
    cached
    rm "$HOME/.docker/config.json"
    fails 4 on three mlb --cache-to "type=registry,ref=$closed/x/cache" "$CTX"
    ok on four mlb --cache-from "$closed/x/cache" "$CTX"
    says "WARNING: the cache in $closed/x/cache:latest is left alone" "not authorised"
}

@test "force-compression: layers of others are packed as this cache wants them" {
    ok on one mlb -t img --cache-to type=local,dest=gz "$CTX"
    ok on two mlb --cache-from type=local,src=gz --cache-to type=local,dest=mixed,compression=zstd "$CTX"
    ok on three mlb --cache-from type=local,src=gz --cache-to type=local,dest=zst,compression=zstd,force-compression=true "$CTX"
    cached
    same "layers of a mixed cache" "$(grep -ohE 'layer.v1.tar.[a-z]+' mixed/entries/* | sort -u)" layer.v1.tar+gzip
    same "layers of a forced one" "$(grep -ohE 'layer.v1.tar.[a-z]+' zst/entries/* | sort -u)" layer.v1.tar+zstd
    ok on four mlb -t img --cache-from type=local,src=zst "$CTX"
    cached
    same id "$(on four id_of img)" "$(on one id_of img)"
}

@test "what can be said wrong about caches" {
    fails 2 mlb --cache-to type=gha "$CTX"
    says "hint: use the registry beside it"
    fails 2 mlb --cache-to type=local,src=x "$CTX"
    says "unknown attribute src" "hint: type, ref, dest, mode"
    fails 2 mlb --cache-from type=local "$CTX"
    says "src is missing"
    fails 2 mlb --cache-to type=registry,ref=x/y,mode=most "$CTX"
    says "min (steps of the image) or max"
    fails 2 mlb --cache-from type=inline "$CTX"
    says "type=registry,ref=HOST/NAME:TAG"
    fails 2 mlb -o type=oci,dest=x.tar,compression=zstd --cache-to type=local,dest=c,compression=gzip "$CTX"
    says "with different compression"
}
