# SPDX-License-Identifier: Apache-2.0
# File systems into and out of images: import, export, cp.
load helpers

setup() {
    common_setup
    showing
    mlb -t img "$CTX" > log 2>&1 || { cat log; return 1; }
}

@test "export: the files that -o type=tar gives, on standard output and to a file" {
    mlb -o type=tar,dest=want.tar "$CTX" > log 2>&1
    "$MLBUILD" export img | cmp want.tar -
    ok "$MLBUILD" export -o got.tar img
    cmp want.tar got.tar
    ok "$MLBUILD" export "$(id_of img | cut -c8-20)" -o got.tar
    cmp want.tar got.tar
    fails 2 script -qec "'$MLBUILD' export img" /dev/null
    says "an archive does not go to a terminal"
    fails 1 "$MLBUILD" export nothing
    says "no image docker.io/library/nothing:latest in the store"
}

@test "export of what was loaded, pulled or copied without a step: the layers have no trees yet" {
    printf 'FROM base\nCOPY file /copied\n' > "$CTX/Dockerfile"
    ok mlb -t copied -o copied.tar "$CTX"
    "$MLBUILD" export copied > one.tar
    export MLBUILD_STORE=$BATS_TEST_TMPDIR/other
    ok "$MLBUILD" load -i copied.tar
    "$MLBUILD" export copied | cmp one.tar -
    same content "$(tar -xOf one.tar copied)" content
}

@test "import: what export wrote, packed or not, is the same file system" {
    "$MLBUILD" export img > fs.tar
    ok "$MLBUILD" import fs.tar plain:1
    same id "${lines[-1]}" "$(id_of plain:1)"
    same layers "$(diff_ids_of plain:1)" "sha256:$(sha256sum < fs.tar | cut -d' ' -f1)"
    "$MLBUILD" export plain:1 | cmp fs.tar -
    gzip < fs.tar > fs.tar.gz
    ok "$MLBUILD" import fs.tar.gz packed
    same layers "$(diff_ids_of packed)" "$(diff_ids_of plain:1)"
    ok bash -c 'zstd < fs.tar | "$0" import - piped' "$MLBUILD"
    same layers "$(diff_ids_of piped)" "$(diff_ids_of plain:1)"
    same comment "$("$MLBUILD" inspect piped | json "d['config']['history'][0]['comment']")" "Imported from -"
    printf 'FROM plain:1\nUSER app\nRUN id -u > /tmp/uid; test "$(stat -c %%u:%%g /made/one)" = 1000:2000\n' > "$CTX/Dockerfile"
    ok mlb --pull=never "$CTX"
    ok "$MLBUILD" save -o plain.tar plain:1
    ok skopeo inspect docker-archive:plain.tar
    ok umoci_tree plain.tar
}

# What another tool makes of an archive.
umoci_tree() {
    skopeo copy --quiet "oci-archive:$1" oci:layout:1 && userns umoci unpack --image layout:1 bundle &&
        same owner "$(userns stat -c '%u:%g' bundle/rootfs/made/one)" 1000:2000
}

@test "import: changes, message, platform, without a name, from the web" {
    "$MLBUILD" export img > fs.tar
    ok "$MLBUILD" import -c 'CMD ["/bin/sh"]' --change 'ENV A=1 B="2 3"' -c 'LABEL l=x' -c 'USER app' \
        -c 'WORKDIR /work' -c 'EXPOSE 80' -m "by hand" --platform linux/arm64 fs.tar changed
    same cmd "$(config_of changed Cmd)" '["/bin/sh"]'
    run config_of changed Env
    says '"A=1"' '"B=2 3"'
    same labels "$(config_of changed Labels)" '{"l": "x"}'
    same user "$(config_of changed User)" app
    same dir "$(config_of changed WorkingDir)" /work
    same platform "$("$MLBUILD" inspect changed | json "d['config']['architecture']")" arm64
    same comment "$("$MLBUILD" inspect changed | json "[h['comment'] for h in d['config']['history']]")" '["by hand"]'
    ok "$MLBUILD" import -q fs.tar
    ok "$MLBUILD" tag "$output" later
    local port=$(free_port)
    python3 -m http.server --bind 127.0.0.1 "$port" > web.log 2>&1 3>&- &
    local web=$!
    wait_for_port "$port"
    ok "$MLBUILD" import "http://127.0.0.1:$port/fs.tar" web
    kill $web
    same layers "$(diff_ids_of web)" "$(diff_ids_of later)"
}

@test "import refuses what is no tar, what climbs, and instructions that make files" {
    echo text > text
    fails 1 "$MLBUILD" import text none
    : > empty
    fails 1 "$MLBUILD" import empty none
    says "there is no file in the archive"
    tar -cPf climbs.tar --transform 's,text,../../text,' text
    fails 1 "$MLBUILD" import climbs.tar none
    says "climbs out"
    tar -cf ok.tar text
    head -c 700 ok.tar > short.tar
    fails 1 "$MLBUILD" import short.tar none
    for change in 'RUN touch x' 'COPY a b' 'FROM x' $'CMD a\nRUN b'; do
        fails 2 "$MLBUILD" import -c "$change" ok.tar none
        says "--change takes instructions that change the configuration"
    done
    fails 1 "$MLBUILD" import -c 'CDM a' ok.tar none
    says "CDM"
    fails 1 "$MLBUILD" import nowhere.tar
    ok "$MLBUILD" images
    says_not none
}

@test "cp: a file gets the name that docker cp gives it" {
    ok "$MLBUILD" cp img:/file new
    same content "$(cat new)" content
    same owner "$(stat -c %u new)" "$(id -u)"
    mkdir dir
    ok "$MLBUILD" cp img:/file dir
    ok "$MLBUILD" cp img:file dir/other
    same names "$(ls dir | tr '\n' ' ')" "file other "
    echo old > dir/file
    ok "$MLBUILD" cp img:latest:/file dir/file
    same content "$(cat dir/file)" content
    ln -s dir/other link
    echo old > dir/other
    ok "$MLBUILD" cp img:/file link
    [ -L link ]
    same content "$(cat dir/other)" content
    fails 1 "$MLBUILD" cp img:/file nowhere/
    says "the directory nowhere/ must exist"
    fails 1 "$MLBUILD" cp img:/file nowhere/x
    fails 1 "$MLBUILD" cp img:/nothing .
    says "there is no /nothing in the image"
    fails 1 "$MLBUILD" cp img:/file/ .
    fails 2 "$MLBUILD" cp ./file img:/x
    says "hint: files get into an image by COPY"
    fails 2 "$MLBUILD" cp ./file there
}

@test "cp: a directory, its content, the whole image" {
    ok "$MLBUILD" cp img:/base new
    [ -f new/keep ] && [ -L new/link ] && [ ! -e new/gone ]
    mkdir there
    ok "$MLBUILD" cp img:/base there
    diff -r --no-dereference new there/base
    ok "$MLBUILD" cp img:/base/. there
    diff -r --no-dereference --exclude base new there
    same links "$(stat -c %h there/hard1)" 2
    ok "$MLBUILD" cp img:/ all
    [ -f all/base/keep ] && [ -x all/bin/busybox ]
    echo > plain
    fails 1 "$MLBUILD" cp img:/base plain
    says "/base is a directory, plain is not"
}

@test "cp: links are copied as links, or followed with -L, inside the image" {
    printf 'FROM base\nRUN ln -s /etc/passwd /out && ln -s ../../../etc/group /up && ln -s /base /d\n' > "$CTX/Dockerfile"
    ok mlb -t img "$CTX"
    ok "$MLBUILD" cp img:/out link
    same link "$(readlink link)" /etc/passwd
    ok "$MLBUILD" cp -L img:/out passwd
    grep -q '^app:x:1000:' passwd
    ok "$MLBUILD" cp -L img:/up group
    grep -q '^extra:x:2000:' group
    ok "$MLBUILD" cp img:/d/keep keep
    same content "$(cat keep)" keep
    ok "$MLBUILD" cp img:/d/. inside
    [ -f inside/keep ]
}

@test "cp -: a tar, with owners" {
    "$MLBUILD" cp -q img:/made - > made.tar
    same names "$(tar --numeric-owner -tvf made.tar | awk '{print $2, $6}' | tr '\n' ' ')" "0/0 made/ 1000/2000 made/one "
    "$MLBUILD" cp -q img:/file - | tar -xO file | grep -q content
    "$MLBUILD" cp -q img:/made/. - > content.tar
    same names "$(tar -tf content.tar)" one
}

@test "cp writes through no link of the image, and replaces nothing but what it must" {
    mkdir outside there
    printf 'FROM base\nRUN mkdir /a && echo x > /a/f\n' > "$CTX/Dockerfile"
    ok mlb -t img "$CTX"
    ln -s ../outside there/a
    fails 1 "$MLBUILD" cp img:/a there
    same "files outside" "$(ls outside)" ""
    mkdir -p here/a/f/full
    fails 1 "$MLBUILD" cp img:/a here
    [ -d here/a/f/full ]
    mkfifo pipe
    fails 1 "$MLBUILD" cp img:/a/f pipe
    says "pipe is neither a file nor a directory" "cp IMAGE:PATH -"
    [ -p pipe ]
    ln -s nowhere dangling
    fails 1 "$MLBUILD" cp img:/a/f dangling
    says "dangling is a link that leads nowhere"
    [ -L dangling ]
}
