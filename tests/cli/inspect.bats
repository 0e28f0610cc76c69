# SPDX-License-Identifier: Apache-2.0
# What the store says of an image.
load helpers

setup() {
    common_setup
    head -c 3000000 /dev/urandom > "$CTX/weights"
    dockerfile << 'END'
FROM base
ENV A=1
COPY weights /weights
RUN echo a long command whose text does not fit into the column of a table > /f
LABEL l=x
END
    mlb -t img:1 "$CTX" > log 2>&1 || { cat log; return 1; }
}

@test "inspect: each layer with the instruction that made it, and its size" {
    run json "[(l['created_by'], l.get('size', 0) // 1000000) for l in d['layers']]" < <("$MLBUILD" inspect img:1)
    says '[["test", 0], ["test", 0], ["COPY weights /weights # buildkit", 3], ["RUN /bin/sh -c echo a long'
    same "layers and config" "$(diff_ids_of img:1)" \
        "$("$MLBUILD" inspect img:1 | json "'\n'.join(d['config']['rootfs']['diff_ids'])")"
}

@test "history: newest first, empty layers too, as docker prints it" {
    ok "$MLBUILD" history img:1
    same lines "${#lines[@]}" 7
    says "IMAGE" "CREATED BY" "SIZE"
    [[ "${lines[1]}" == "$(id_of img:1 | cut -c8-19)"*"LABEL l=x"*" 0B"* ]]
    [[ "${lines[2]}" == "<missing> "*"RUN /bin/sh -c echo a long command"*"..."* ]]
    [[ "${lines[3]}" == *"COPY weights /weights # buildkit"*"3.00MB"* ]]
    [[ "${lines[4]}" == *"ENV A=1"*" 0B"* ]]
    [[ "${lines[6]}" == *"2020-01-01T00:00:00"*"kB packed"* || "${lines[6]}" == *"MB packed"* ]]
    ok "$MLBUILD" history --no-trunc img:1
    says "does not fit into the column of a table > /f" "$(id_of img:1)"
    ok "$MLBUILD" history -q img:1
    same ids "$output" "$(id_of img:1 | cut -c8-19)$(printf '\n<missing>%.0s' 1 2 3 4 5)"
}

@test "history of hostile and incomplete images: control characters, fewer entries than layers" {
    ok python3 - "$BASE" << 'END'
import hashlib, json, os, shutil, sys
shutil.copytree(sys.argv[1], "odd")
blob = lambda d: "odd/blobs/" + d.replace(":", "/")
def put(value):
    data = json.dumps(value).encode(); h = "sha256:" + hashlib.sha256(data).hexdigest(); open(blob(h), "wb").write(data); return h, len(data)
index = json.load(open("odd/index.json"))
m = json.load(open(blob(index["manifests"][0]["digest"])))
c = json.load(open(blob(m["config"]["digest"])))
c["history"] = [{"created_by": "\x1b[31mred\x07\nsecond"}]
m["config"]["digest"], m["config"]["size"] = put(c)
index["manifests"][0]["digest"], index["manifests"][0]["size"] = put(m)
index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "odd:1"}
json.dump(index, open("odd/index.json", "w"))
END
    ok bash -c 'tar -C odd -c . | "$0" load' "$MLBUILD"
    ok "$MLBUILD" history odd:1
    same lines "${#lines[@]}" 3
    says " [31mred  second"
    says_not $'\x1b' $'\x07'
    ok "$MLBUILD" inspect odd:1
    same layers "$(json "len(d['layers'])" <<< "$output")" 2
}
