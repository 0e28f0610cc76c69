# SPDX-License-Identifier: Apache-2.0
# Bad input: what is said, which line, which exit code, and that nothing is left.
load helpers

# bad CODE OPTIONS...: the build fails and leaves no tag and no output
bad() {
    local code=$1
    shift
    fails "$code" mlb -t img -o img.tar "$@" "$CTX"
    nothing_tagged
    [ -z "$(find . -path ./store -prune -o -name '*img.tar*' -print)" ] || { echo "half a file is left"; return 1; }
    same "work that is left" "$(ls -A "$MLBUILD_STORE/tmp" 2> /dev/null)" ""
}

@test "unknown instruction: the nearest name, the line, the caret" {
    printf 'FROM base\n\n  COPPY a b\n' > "$CTX/Dockerfile"
    fails 1 mlb -t img "$CTX"
    says "Dockerfile:3" "   3 | >>>   COPPY a b" $'     |       ^\n' "ERROR: " "unknown instruction: COPPY" "did you mean COPY?"
    nothing_tagged
}

@test "parse errors name their line" {
    try() { # LINE TEXT-OF-DOCKERFILE WORDS
        printf '%b' "$2" > "$CTX/Dockerfile"
        fails 1 mlb -t img "$CTX"
        says "Dockerfile:$1" " >>> " "     |" "^" "$3"
    }
    try 1 'FROM\n' "FROM requires either one or three arguments"
    try 1 'FROM a b c d\n' "FROM requires either one or three arguments"
    try 1 'RUN true\nFROM base\n' "no build stage in current context"
    try 2 'FROM base\nENV\n' "ENV requires at least one argument"
    try 2 'FROM base\nENV a\n' "ENV must have two arguments"
    try 2 'FROM base\nENV a=b c\n' "Syntax error - can't find = in \"c\""
    try 2 'FROM base\nENV a=${b\n' "missing '}'"
    try 2 'FROM base\nENV a="b\n' "matching double-quote"
    try 3 'FROM base\n# x\nCOPY a\n' "COPY requires at least two arguments"
    try 2 'FROM base\nCOPY --form=x a b\n' "unknown flag: --form"
    try 2 'FROM base\nCOPY --chmod=9 Dockerfile /\n' "invalid chmod parameter: '9'"
    try 2 'FROM base\nEXPOSE 80/icmp\n' "invalid proto: icmp"
    try 2 'FROM base\nSTOPSIGNAL SIGKIL\n' "invalid signal: SIGKIL"
    try 2 'FROM base\nSHELL /bin/sh\n' "SHELL requires the arguments to be in JSON form"
    try 2 'FROM base\nHEALTHCHECK CDM x\n' "Unknown type \"CDM\" in HEALTHCHECK (try CMD)"
    try 2 'FROM base\nHEALTHCHECK --interval=3 CMD x\n' "invalid duration \"3\""
    try 2 'FROM base\nRUN --network=lan true\n' "invalid network mode: lan"
    try 2 'FROM base\nRUN []\n' "RUN requires a command"
    try 2 'FROM base\nVOLUME [""]\n' "VOLUME specified can not be an empty string"
    try 4 'FROM base\nRUN a \\\n  b\nRUNE\n' "unknown instruction: RUNE"
    nothing_tagged
}

@test "of a very long line the start is shown" {
    { echo 'FROM base'; printf 'RUN %060000d\n' 0; echo 'UNKNOWN x'; } | dockerfile
    fails 1 mlb "$CTX"
    says "unknown instruction: UNKNOWN" "0000..."
    [ "${#output}" -lt 5000 ]
}

@test "empty Dockerfiles, missing ones, wrong contexts" {
    : > "$CTX/Dockerfile"
    fails 1 mlb "$CTX"
    says "the Dockerfile cannot be empty"
    echo "# only this" > "$CTX/Dockerfile"
    fails 1 mlb "$CTX"
    says "file with no instructions"
    echo "ARG a=b" > "$CTX/Dockerfile"
    fails 1 mlb "$CTX"
    says "contains no stages to build"
    rm "$CTX/Dockerfile"
    fails 1 mlb "$CTX"
    says "there is no Dockerfile in $CTX" "hint: "
    touch "$CTX/Containerfile"
    fails 1 mlb "$CTX"
    says "there is a Containerfile: use -f $CTX/Containerfile"
    fails 1 mlb "$PWD/none"
    says "unable to prepare context: path $PWD/none not found"
    fails 1 mlb "$CTX/Containerfile"
    says "not a directory"
    fails 1 mlb -f "$CTX/none" "$CTX"
    says "none"
}

@test "the command line: exit 2" {
    dockerfile <<< "FROM scratch"
    fails 2 "$MLBUILD"
    says "usage: mlbuild"
    fails 2 "$MLBUILD" --taag x "$CTX"
    says "ERROR: unknown option --taag" "did you mean --tag? (see --help)"
    fails 2 "$MLBUILD" -t x
    says "which build context?" "hint: mlbuild -t NAME ."
    fails 2 "$MLBUILD" -t x a b
    says "more than one build context"
    fails 2 "$MLBUILD" -t
    says "--tag needs a value"
    fails 2 mlb -o type=ocy,dest=x "$CTX"
    says "unknown output type ocy" "did you mean oci?"
    fails 2 mlb -o type=oci "$CTX"
    says "dest is missing"
    fails 2 mlb -o type=oci,dest= "$CTX"
    says "dest is missing"
    fails 2 mlb -o "" "$CTX"
    says "--output is empty"
    fails 1 mlb -o "$(printf 'long%.0s' {1..80}).tar" "$CTX"
    says "File name too long"
    fails 2 mlb -o dest=x "$CTX"
    says "type is missing"
    fails 2 mlb --network=lan "$CTX"
    says "--network takes default, host or none, not lan"
    fails 2 mlb --progress=loud "$CTX"
    says "unknown progress mode loud"
    fails 2 mlb -t "a@sha256:$(printf %064d 1)" "$CTX"
    says "a tag has no digest"
    fails 2 "$MLBUILD" inspect
    fails 2 "$MLBUILD" images x
    fails 2 "$MLBUILD" build --build-context none "$CTX"
    says "write it as name=value"
}

@test "--help of every command" {
    for command in build images inspect history pull push save load import export cp tag rmi du prune doctor index; do
        ok "$MLBUILD" $command --help
        says "usage: mlbuild $command"
    done
    ok "$MLBUILD" --help
    says "exit codes" "doctor"
    ok "$MLBUILD" --version
}

@test "COPY of a path that is not there" {
    mkdir "$CTX/source"
    touch "$CTX/source/file.txt"
    printf 'FROM base\nCOPY source/fil.txt /x\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:2" ">>> COPY source/fil.txt /x" "\"/source/fil.txt\": not found in the build context"
}

@test "COPY of a path that another stage makes" {
    printf 'FROM base AS builder\nWORKDIR /app\nRUN mkdir /wheels\nFROM base\nCOPY /wheels /wheels\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:5" ">>> COPY /wheels /wheels" "not found" "hint: stage \`builder\` writes /wheels (line 3): did you mean COPY --from=builder /wheels /wheels?"
}

@test "COPY of a path that .dockerignore excludes" {
    touch "$CTX/secret.key"
    printf '# keys\n\n*.key\n' > "$CTX/.dockerignore"
    printf 'FROM base\nCOPY secret.key /x\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:2" "secret.key\" is excluded from the build context by .dockerignore line 3: *.key"
}

@test "COPY --from a path that is not in the stage, a stage that is not there" {
    printf 'FROM base AS one\nFROM base\nCOPY --from=one /none /x\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:3" "/none" "not found"
    printf 'FROM base AS one\nFROM base\nCOPY --from=5 /none /x\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:3" "invalid stage index 5"
    printf 'FROM base AS one\nCOPY --from=two /x /x\nFROM base AS two\n' > "$CTX/Dockerfile"
    bad 1 --target one
    says "Dockerfile:2" "cannot copy from stage \"two\""
    printf 'FROM base\nCOPY --from=$x /x /x\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:2" "variable expansion is not supported for --from, define a new stage with FROM using ARG"
}

@test "--target of no stage: the nearest name" {
    printf 'FROM base AS builder\nFROM base AS runtime\n' > "$CTX/Dockerfile"
    bad 1 --target biulder
    says "target stage \"biulder\" could not be found" "did you mean builder?"
}

@test "malformed references and digests" {
    try() { # REFERENCE WORDS
        echo "FROM $1" > "$CTX/Dockerfile"
        bad 1
        says "Dockerfile:1" ">>> FROM $1" "^" "$2"
    }
    try Base "repository name must be lowercase"
    try base:-x "is not a tag"
    try base@sha256:123 "digest"
    try base@md5:abc "is not a digest"
    try "a//b" "invalid reference"
    try '$none' "base name (\$none) should not be blank"
    fails 1 "$MLBUILD" pull Base
    says "repository name must be lowercase"
    run mlb -t UPPER "$CTX"
    [ "$status" -ne 0 ]
    says "repository name must be lowercase"
}

@test "a RUN that fails: its exit code and its last lines" {
    dockerfile << 'END'
FROM base
RUN true
RUN seq 100 && echo "to stderr" >&2 && \
    exit 42
END
    bad 1
    says $'------\n' $'\n100\nto stderr\n------' "Dockerfile:3" "   3 | >>> RUN seq" "   4 | >>>     exit 42" \
        "ERROR: process \"/bin/sh -c seq 100 " "did not complete successfully: exit code: 42"
    dockerfile << 'END'
FROM base
RUN ["/no/such/program", "x"]
END
    bad 1
    says "Dockerfile:2" "/no/such/program" "No such file"
    printf 'FROM base\nRUN kill -9 $$\n' > "$CTX/Dockerfile"
    bad 1
    says "exit code: 137"
    printf 'FROM base\nUSER nobody-here\nRUN true\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:3" "unable to find user nobody-here"
}

@test "a failing stage ends the others" {
    dockerfile << 'END'
FROM base AS slow
RUN sleep 60
FROM base AS bad
RUN sleep 0.3; exit 3
FROM scratch
COPY --from=slow /x /x
COPY --from=bad /x /x
END
    SECONDS=0
    bad 1
    [ $SECONDS -lt 20 ]
    says "exit code: 3"
    step_says "RUN sleep 60" CANCELED
}

@test "hostile layers: what climbs out is refused, what can be kept inside is" {
    hostile() { # KIND CODE WORDS
        image bad "$1" "bad-$1"
        printf 'FROM bad\nRUN ls -ld /out /out/escape /absolute 2>&1; true\n' > "$CTX/Dockerfile"
        fails "$2" "$MLBUILD" build --progress=plain --build-context "bad=oci-layout://bad-$1" -t "img-$1" "$CTX"
        says "$3"
        [ ! -e /etc/escape ] && [ ! -e /escape ] && [ ! -e /absolute ]
        [ -z "$(userns find "$BATS_TEST_TMPDIR" -name escape -not -path '*/layers/*/out/escape')" ]
    }
    hostile dotdot 1 "entry ../../escape climbs out of the layer"
    says "Dockerfile:1" ">>> FROM bad"
    hostile hard-link 1 "entry ../../../../etc/passwd climbs out of the layer"
    says "Dockerfile:1" ">>> FROM bad"
    hostile hard-absolute 1 "hard link hard to etc/hostname, which does not exist"
    says "Dockerfile:1" ">>> FROM bad"
    nothing_tagged
    hostile absolute 0 "/absolute"
    says_not "ls: /absolute"
    hostile through-link 0 " /out/escape"
    hostile up-link 0 " /out/escape"
}

@test "damaged layers: truncated, altered, absent, another diff_id" {
    try() { # KIND WORDS
        image bad "$1" "bad-$1"
        printf 'FROM bad\nRUN true\n' > "$CTX/Dockerfile"
        fails 1 "$MLBUILD" build --progress=plain --build-context "bad=oci-layout://bad-$1" -t img -o img.tar "$CTX"
        says "Dockerfile:1" ">>> FROM bad" "$2"
        [ ! -e img.tar ]
        nothing_tagged
    }
    try truncated "bytes"
    try damaged "as promised"
    try absent "open blobs/sha256/"
    try diff-id "but the image's configuration says"
}

@test "an owner that the sub-ids do not reach" {
    image bad high-owner bad
    printf 'FROM bad\nRUN true\n' > "$CTX/Dockerfile"
    run "$MLBUILD" build --progress=plain --build-context bad=oci-layout://bad -t img "$CTX"
    [ "$status" -eq 8 ] || { echo "$status $output"; return 1; }
    says "3000000:3000000" "hint: mlbuild doctor shows what ids you have"
}

@test "an OCI layout that is none" {
    mkdir none
    printf 'FROM bad\nRUN true\n' > "$CTX/Dockerfile"
    fails 1 "$MLBUILD" build --progress=plain --build-context bad=oci-layout://none "$CTX"
    says "Dockerfile:1" "an OCI layout is a directory with oci-layout, index.json and blobs"
    fails 1 "$MLBUILD" build --progress=plain --build-context "bad=oci-layout://$BASE:other" "$CTX"
    says "the layout has: latest"
}

@test "conflicts of types in COPY and WORKDIR" {
    mkdir "$CTX/dir"
    touch "$CTX/dir/keep" "$CTX/base"
    printf 'FROM base\nCOPY base /\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:2" "cannot replace to directory /base with file"
    printf 'FROM base\nCOPY dir /base/keep\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:2" "cannot copy to non-directory: /base/keep"
    printf 'FROM base\nWORKDIR /base/keep\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:2" "/base/keep is not a directory"
}

@test "a file that cannot be read names itself" {
    touch "$CTX/closed"
    chmod 0 "$CTX/closed"
    printf 'FROM base\nCOPY closed /x\n' > "$CTX/Dockerfile"
    bad 1
    says "Dockerfile:2" "closed" "Permission denied"
}

@test "outputs that cannot be written" {
    dockerfile <<< "FROM scratch"
    touch log
    fails 1 mlb -o none/img.tar "$CTX"
    says "open the directory none: No such file or directory"
    if [ "$(id -u)" -ne 0 ]; then
        fails 1 mlb -o /proc/img.tar "$CTX"
        says "/proc"
    fi
    fails 1 mlb -o type=oci-dir,dest=log/layout "$CTX"
    says "create the directory log/layout: Not a directory"
    mlb -o type=oci,dest=- "$CTX" 2> log > /dev/full && return 1
    grep -q "standard output" log
    fails 1 mlb --iidfile none/id "$CTX"
    says "--iidfile"
}

@test "no space: exit 7, and the store goes on" {
    mkdir small
    dockerfile << 'END'
FROM base
RUN dd if=/dev/zero of=/big bs=1M count=30
END
    run userns env MLBUILD="$MLBUILD" BASE="$BASE" CTX="$CTX" unshare --mount bash -c '
        mount -t tmpfs -o size=16m none small || exit 99
        export MLBUILD_STORE=$PWD/small/store
        "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" -t img "$CTX"
        echo "exit $?"
        sed -i s/count=30/count=1/ "$CTX/Dockerfile"
        "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" -t img "$CTX"
        echo "then $?"'
    says "No space left on device" "then 0"
    dockerfile << 'END'
FROM scratch
COPY big /big
END
    dd if=/dev/urandom of="$CTX/big" bs=1M count=30 2> /dev/null
    run userns env MLBUILD="$MLBUILD" CTX="$CTX" unshare --mount bash -c '
        mount -t tmpfs -o size=16m none small || exit 99
        export MLBUILD_STORE=$PWD/small/store
        "$MLBUILD" build --progress=plain -t img "$CTX"
        echo "exit $?"
        "$MLBUILD" images -q | wc -l
        tar -C "$CTX" -c big | "$MLBUILD" import -
        rm "$CTX/big"; touch "$CTX/big"
        "$MLBUILD" build --progress=plain -t img "$CTX"
        echo "then $?"'
    says "No space left on device" "exit 7" "then 0" $'\n0\n'
    same hints "$(grep -c 'is full: mlbuild prune frees some of it' <<< "$output")" 2
}

@test "no space: a tarball that is begun early leaves it to the steps" {
    mkdir small
    head -c 32M /dev/urandom >"$CTX/big"
    dockerfile <<'END'
FROM base
COPY big /big
RUN head -c 30000000 /dev/urandom >/aside && rm /aside && echo done >/done
END
    run userns env MLBUILD="$MLBUILD" BASE="$BASE" CTX="$CTX" unshare --mount bash -c '
        mount -t tmpfs -o size=112m none small || exit 99
        export MLBUILD_STORE=$PWD/small/store
        "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" -o small/x.tar "$CTX"
        echo "exit $?"'
    says "exit 0"
}

@test "no user namespaces: exit 8 and what would lift it" {
    dockerfile << 'END'
FROM base
RUN true
END
    run unshare --user --map-root-user bash -c '
        echo 0 > /proc/sys/user/max_user_namespaces || exit 99
        exec "$0" build --progress=plain --build-context "base=oci-layout://$1" -t img "$2"' "$MLBUILD" "$BASE" "$CTX"
    [ "$status" -eq 8 ] || { echo "exit $status"; echo "$output"; return 1; }
    says "no more user namespaces are allowed" "hint: the limit is user.max_user_namespaces = 0; lift it with: sudo sysctl"
    fails 1 "$MLBUILD" inspect img
}

@test "newuidmap is missing or refuses: exit 8" {
    dockerfile << 'END'
FROM base
RUN true
END
    mkdir bin empty
    printf '#!/bin/sh\necho "not allowed" >&2\nexit 1\n' > bin/newuidmap
    chmod 755 bin/newuidmap
    PATH=$PWD/bin:$PATH bad 8
    says "newuidmap ended with status 1: not allowed" "hint: newuidmap must be setuid root"
    run env PATH="$PWD/empty" "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" "$CTX"
    [ "$status" -eq 8 ] || { echo "exit $status"; echo "$output"; return 1; }
    says "hint: newuidmap comes with the package uidmap"
}

@test "a store of somebody else, open to others, or of another version" {
    dockerfile <<< "FROM scratch"
    mkdir -m 777 "$MLBUILD_STORE"
    fails 1 mlb "$CTX"
    says "is open to other users (mode 0777)" "hint: chmod 700 $MLBUILD_STORE"
    chmod 700 "$MLBUILD_STORE"
    ok mlb "$CTX"
    MLBUILD_STORE=/proc/none fails 1 mlb "$CTX"
    says "/proc/none"
}

@test "doctor says what this host gives" {
    ok "$MLBUILD" doctor
    says "kernel" "store        $MLBUILD_STORE" "ids          65537 users" "namespaces   ok" "snapshotter  overlay"
}

@test "options of other builders: what holds anyway passes, the rest is refused by name" {
    dockerfile <<< "FROM scratch"
    mlb --rm --layers --provenance=false --sbom=false "$CTX"
    fails 2 mlb --provenance=mode=max "$CTX"
    says "--provenance is not supported: mlbuild makes no attestations"
    fails 2 mlb --rm=false "$CTX"
    says "--rm=false is not supported"
    fails 2 mlb --builder x "$CTX"
    says "--builder is not supported: there is no builder instance"
    fails 2 mlb --pull=sometimes "$CTX"
    says "--pull takes always, missing or never"
    fails 2 mlb --annotation index:a=b "$CTX"
    says "not supported for single platform export" "hint: an image of one platform has a manifest and no index"
}

@test "--pull=never asks no registry" {
    dockerfile <<< "FROM localhost:1/nobody/has:this"
    fails 5 mlb --pull=never "$CTX"
    says "is not in the store, and --pull=never" "mlbuild pull localhost:1/nobody/has:this"
}

@test "annotations of an output: buildx's annotation.KEY" {
    dockerfile <<< "FROM scratch"
    ok mlb -o "type=oci,dest=img.tar,annotation.org.example.a=1,\"annotation-manifest.b=2,3\"" "$CTX"
    same annotations "$(tar -xOf img.tar "blobs/sha256/$(image manifest img.tar | cut -c8-)" | json "sorted(d['annotations'].items())")" '[["b", "2,3"], ["org.example.a", "1"]]'
    fails 2 mlb -o type=oci,dest=img.tar,annotation-index.a=1 "$CTX"
    says "index annotations not supported for single"
    fails 2 mlb -o type=oci,dest=img.tar,annotations.a=1 "$CTX"
    says "unknown output attribute annotations.a"
}

@test "--metadata-file and --annotation" {
    dockerfile <<< "FROM scratch"
    mlb -t img --annotation manifest:org.example.a=1 --annotation b=2 \
        --metadata-file meta.json -o type=oci,dest=out.tar "$CTX"
    python3 - << 'EOF'
import json, tarfile
meta = json.load(open("meta.json"))
assert meta["image.name"] == "docker.io/library/img:latest", meta
digest = meta["containerimage.digest"]
assert meta["containerimage.descriptor"]["digest"] == digest
manifest = json.load(tarfile.open("out.tar").extractfile("blobs/sha256/" + digest[7:]))
assert manifest["annotations"] == {"b": "2", "org.example.a": "1"}, manifest
assert manifest["config"]["digest"] == meta["containerimage.config.digest"]
EOF
}
