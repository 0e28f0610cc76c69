#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Where a build's files can come from: standard input, archives, web addresses, git repositories.

load helpers

setup() {
    common_setup
    serve_dir="$BATS_TEST_TMPDIR/www"
    mkdir -p "$serve_dir"
}

teardown() {
    [ -z "$server" ] || kill "$server" || true
    common_teardown
}

# Serves $serve_dir; $address is where.
serve() {
    python3 "$BATS_TEST_DIRNAME/web.py" "$serve_dir" > "$BATS_TEST_TMPDIR/port" 3>&- &
    server=$!
    for _ in $(seq 100); do
        [ ! -s "$BATS_TEST_TMPDIR/port" ] || break
        sleep 0.05
    done
    address="http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")"
}

# A repository at $address/git/repo.git with a branch, a tag and a submodule's worth of files.
make_repository() {
    git init -q -b main work
    git -C work config user.email a@example.org
    git -C work config user.name a
    mkdir work/sub
    printf 'FROM scratch\nCOPY . /\n' > work/Dockerfile
    echo one > work/file
    echo '#!/bin/sh' > work/tool
    chmod 755 work/tool
    printf 'FROM scratch\nCOPY inner /\n' > work/sub/Dockerfile
    echo inner > work/sub/inner
    git -C work add .
    git -C work commit -q -m one
    git -C work tag v1
    echo two > work/file
    git -C work commit -q -a -m two
    git clone -q --bare work "$serve_dir/repo.git"
}

@test "a Dockerfile on standard input, without a context" {
    printf 'FROM base\nRUN echo hello > /x\n' > in
    mlb -o out - < in
    same x "$(cat out/x)" hello
    printf 'FROM base\nCOPY x /x\n' > in
    fails 1 mlb - < in
    says '"/x": not found in the build context'
}

@test "a tar archive on standard input, plain and packed" {
    printf 'FROM scratch\nCOPY . /\n' | dockerfile
    echo data > "$CTX/file"
    ln -s file "$CTX/link"
    local option
    for option in "" -z -j -J; do
        tar -C "$CTX" $option -cf in.tar .
        mlb -o out - < in.tar
        same file "$(cat out/file)" data
        [ -L out/link ]
        rm -r out
    done
    tar -C "$CTX" -cf in.tar file
    fails 1 mlb - < in.tar
    says "there is no Dockerfile in the context"
    head -c 700 /dev/urandom | cat <(head -c 512 in.tar) - > bad.tar
    fails 1 mlb - < bad.tar
}

@test "-f - with a directory; both on standard input is an error" {
    echo data > "$CTX/file"
    printf 'FROM scratch\nCOPY file /\n' > in
    mlb -f - -o out "$CTX" < in
    same file "$(cat out/file)" data
    fails 2 mlb -f - - < in
    says "can't use stdin for both"
    fails 2 mlb -f in - < in
    says "ambiguous Dockerfile source"
}

@test "a git repository: branch, tag, subdirectory, query, checksum" {
    make_repository
    serve
    local repo="$address/git/repo.git"
    mlb -o out "$repo"
    same file "$(cat out/file)" two
    [ ! -e out/.git ]
    same modes "$(stat -c %a out/file out/tool | tr '\n' ' ')" "644 755 "
    mlb -o out1 "$repo#v1"
    same file "$(cat out1/file)" one
    mlb -o out2 "$repo#main:sub"
    same inner "$(cat out2/inner)" inner
    mlb -o out3 "$repo?tag=v1&subdir=sub"
    same inner "$(cat out3/inner)" inner
    local commit
    commit=$(git -C work rev-parse v1)
    mlb -o out4 "$repo#$commit"
    same file "$(cat out4/file)" one
    mlb -o out5 "$repo?ref=v1&checksum=${commit:0:10}"
    fails 1 mlb "$repo?ref=main&checksum=$commit"
    says "expected checksum to match $commit"
    fails 1 mlb "$repo#nothing"
    says "nothing"
    fails 1 mlb "$repo?color=red"
    says 'unexpected query "color"'
    fails 1 mlb "$repo#main:none"
    says "the repository has no directory none"
    mlb -o out6 "$repo?keep-git-dir=1"
    [ -d out6/.git ]
}

@test "a git repository does not touch the one the caller stands in" {
    make_repository
    serve
    git init -q here
    cd here
    GIT_DIR="$PWD/.git" mlb -o ../out "$address/git/repo.git"
    same head "$(git symbolic-ref HEAD; git status --porcelain)" "$(git symbolic-ref HEAD)"
    same file "$(cat ../out/file)" two
}

@test "a link in a repository leads to no file of the host" {
    make_repository
    serve
    echo secret > secret
    ln -s "$PWD/secret" work/Dockerfile.link
    git -C work add .
    git -C work commit -q -m link
    git -C work push -q "$serve_dir/repo.git" main
    fails 1 mlb -f Dockerfile.link "$address/git/repo.git"
    says_not secret$
    says "there is no Dockerfile.link in the context"
}

@test "a web address: an archive, a Dockerfile, -f" {
    printf 'FROM scratch\nCOPY . /\n' | dockerfile
    echo data > "$CTX/file"
    tar -C "$CTX" -czf "$serve_dir/context.tar.gz" .
    printf 'FROM base\nRUN echo hello\n' > "$serve_dir/plain"
    serve
    mlb -o out "$address/context.tar.gz"
    same file "$(cat out/file)" data
    mlb "$address/plain"
    mlb -o out1 -f "$address/redirect/plain" "$CTX"
    fails 4 mlb "$address/none.tar.gz"
    says "invalid response status 404"
}

@test "named contexts: a git repository and a web file, fetched only when used" {
    make_repository
    echo "from the web" > "$serve_dir/weights"
    serve
    printf 'FROM scratch\nCOPY --from=repo file /\nCOPY --from=web context /weights\n' | dockerfile
    mlb -o out --build-context "repo=$address/git/repo.git#v1" \
        --build-context "web=$address/weights" --build-context "unused=$address/none" "$CTX"
    same file "$(cat out/file)" one
    same weights "$(cat out/weights)" "from the web"
    ! grep -q none "$serve_dir/requests.log"
    fails 2 mlb --build-context x=ftp://host/x "$CTX"
    says "unsupported context source"
}

@test "secrets authorize what is fetched, at the host they are for alone" {
    make_repository
    echo weights > "$serve_dir/weights"
    serve
    printf 'FROM scratch\nADD %s/weights /\nADD %s/git/repo.git#v1 /src\n' "$address" "$address" | dockerfile
    printf 'web-token\n' > token
    GIT_TOKEN=git-token ok mlb --secret id=HTTP_AUTH_TOKEN_127.0.0.1,src=token \
        --secret id=GIT_AUTH_TOKEN,env=GIT_TOKEN -o out "$CTX"
    says_not web-token git-token
    same weights "$(cat out/weights)" weights
    same file "$(cat out/src/file)" one
    grep -q '^GET /weights Bearer web-token$' "$serve_dir/requests.log"
    grep -q "^GET /git/repo.git/info/refs.* basic $(printf 'x-access-token:git-token' | base64)\$" "$serve_dir/requests.log"
    ! grep -q '/weights.*git-token' "$serve_dir/requests.log"
}

@test "a user name that looks like a host gets none of that host's secrets" {
    make_repository
    serve
    local port=${address##*:}
    printf 'FROM scratch\nADD http://host.of.token:x@127.0.0.1:%s/git/repo.git#v1 /src\n' "$port" | dockerfile
    GIT_TOKEN=git-token ok mlb --secret id=GIT_AUTH_TOKEN.host.of.token,env=GIT_TOKEN -o out "$CTX"
    ! grep -q "$(printf 'x-access-token:git-token' | base64)" "$serve_dir/requests.log"
    GIT_TOKEN=git-token ok mlb --no-cache --secret id=GIT_AUTH_TOKEN.127.0.0.1,env=GIT_TOKEN -o out "$CTX"
    grep -q "$(printf 'x-access-token:git-token' | base64)" "$serve_dir/requests.log"
}

@test "a checksum is compared also if the same address was added before without one" {
    make_repository
    echo data > "$serve_dir/file"
    serve
    printf 'FROM scratch\nADD %s/file /a\nADD --checksum=sha256:%064d %s/file /b\n' "$address" 1 "$address" | dockerfile
    fails 1 mlb "$CTX"
    says "digest mismatch"
    printf 'FROM scratch\nADD %s/git/repo.git /a\nADD --checksum=abcdef1 %s/git/repo.git /b\n' "$address" "$address" | dockerfile
    fails 1 mlb "$CTX"
    says "repository does not contain commit abcdef1"
}

@test "an archive's directories: those it does not name, those it names twice; its pipes" {
    python3 - > in.tar << 'END'
import io, sys, tarfile
out = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
def add(name, data=None, **fields):
    entry = tarfile.TarInfo(name)
    entry.type, entry.mtime = tarfile.DIRTYPE, 1000
    if data is not None:
        entry.type, entry.size = tarfile.REGTYPE, len(data)
    for field, value in fields.items():
        setattr(entry, field, value)
    out.addfile(entry, io.BytesIO(data or b""))
add("Dockerfile", b"FROM scratch\nCOPY . /\n")
add("not/named/file", b"x")
add("twice", mode=0o700)
add("twice/file", b"x")
add("twice", mode=0o755)
add("pipe", type=tarfile.FIFOTYPE, mode=0o666)
out.close()
END
    umask 077
    ok mlb -o type=tar,dest=out.tar - < in.tar
    same modes "$(TZ=UTC tar --full-time -tvf out.tar | sed -n 's/ [^ ]* *0 / /; s/ 0[0-9]:.*:.. / /; /^[dp]/p')" \
"drwxr-xr-x 1970-01-01 not/
drwxr-xr-x 1970-01-01 not/named/
prw-rw-rw- 1970-01-01 pipe
drwxr-xr-x 1970-01-01 twice/"
}

@test "no space for a repository: exit 7" {
    make_repository
    head -c 20000000 /dev/urandom > work/large
    git -C work add large
    git -C work commit -q -m large
    git -C work push -q "$serve_dir/repo.git" main
    serve
    printf 'FROM scratch\nADD %s/git/repo.git /\n' "$address" | dockerfile
    mkdir small
    run userns env MLBUILD="$MLBUILD" CTX="$CTX" unshare --mount bash -c '
        mount -t tmpfs -o size=16m none small || exit 99
        MLBUILD_STORE=$PWD/small/store exec "$MLBUILD" build --progress=plain "$CTX"'
    [ "$status" -eq 7 ]
    says "No space left on device"
}
