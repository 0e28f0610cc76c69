# SPDX-License-Identifier: Apache-2.0
# The same Dockerfile with each way to mount layers and without newer kernel calls: the same image.
load helpers

setup_file() {
    common_setup_file
    export REFERENCE=$BATS_FILE_TMPDIR/reference
    mkdir "$REFERENCE"
    BATS_TEST_TMPDIR=$REFERENCE
    common_setup
    changing
    mlb --epoch 1 -o "$REFERENCE/img.tar" "$CTX" 2> "$REFERENCE/log" || { cat "$REFERENCE/log"; return 1; }
    common_teardown_store
}

teardown_file() { userns rm -rf "$BATS_FILE_TMPDIR/reference"; }

common_teardown_store() { userns rm -rf "$REFERENCE/store"; }

# build_with NAME=VALUE...
build_with() {
    cp -a "$REFERENCE/ctx/." "$CTX"
    export "$@"
    ok mlb --epoch 1 -t img -o img.tar "$CTX"
    says_not WARNING
}

# with NAME=VALUE...: builds so, and compares
with() {
    build_with "$@"
    same "layers" "$(image diffids img.tar)" "$(image diffids "$REFERENCE/img.tar")"
    same "manifest" "$(image manifest img.tar)" "$(image manifest "$REFERENCE/img.tar")"
    ok mlb --epoch 1 -t img -o again.tar "$CTX"
    same "steps that ran again" "$(grep -c '^#[0-9]* \[.*\(RUN\|COPY\|WORKDIR\)' <<< "$output")" "$(($(cached_steps) - 1))"
    cmp img.tar again.tar
}

@test "overlay layers by descriptor, by path, by mount(2): the first that the kernel takes is the reference's" {
    local form taken=0
    for form in fd path mount; do
        export MLBUILD_STORE=$PWD/$form
        run env MLBUILD_TEST_OVERLAY_FORM=$form MLBUILD_SNAPSHOTTER=overlay "$MLBUILD" doctor
        if [ "$status" -ne 0 ]; then
            says "ERROR: "
            [ $form = fd ] # newer than Debian 12's kernel; the others are not
            continue
        fi
        with MLBUILD_TEST_OVERLAY_FORM=$form MLBUILD_SNAPSHOTTER=overlay
        taken=$((taken + 1))
    done
    [ $taken -ge 2 ]
}

@test "plain copies: the same merged files" {
    build_with MLBUILD_SNAPSHOTTER=native
    # A directory that was made anew is told by whiteouts of what was in it.
    image tree img.tar > ours
    image tree "$REFERENCE/img.tar" | diff - ours
    image xattrs img.tar > ours
    image xattrs "$REFERENCE/img.tar" | diff - ours
}

@test "without openat2" {
    with MLBUILD_TEST_NO_OPENAT2=1
}

@test "without mount_setattr and close_range" {
    with MLBUILD_TEST_NO_MOUNT_SETATTR=1 MLBUILD_TEST_NO_CLOSE_RANGE=1 MLBUILD_TEST_NO_DETACHED_CLONE=1
}

@test "plain copies see what the steps saw" {
    changing
    see >> "$CTX/Dockerfile"
    export MLBUILD_SNAPSHOTTER=native
    ok mlb -o out.tar "$CTX"
    # /etc gets its time back after each step: mount points are made in it.
    image cat out.tar /seen | image seen | grep -v ' /etc$' > seen
    image tree out.tar | grep -v ' /seen$\| /etc$' > merged
    diff seen merged
}

@test "mount points that the image lacks do not enter layers" {
    dockerfile << 'END'
FROM scratch
COPY --from=base /bin /bin
RUN ["/bin/sh", "-c", "echo 1 > /one; ls / > /list"]
RUN ["/bin/rm", "/one"]
END
    for snapshotter in overlay native; do
        export MLBUILD_SNAPSHOTTER=$snapshotter MLBUILD_STORE=$PWD/$snapshotter
        ok mlb -o $snapshotter.tar "$CTX"
        same "entries with $snapshotter" "$(image entries $snapshotter.tar -2 | tr '\n' ' ')" "list one "
        same "entries with $snapshotter" "$(image entries $snapshotter.tar -1 | tr '\n' ' ')" ".wh.one "
    done
}

@test "a directory that a step moves keeps what is empty in it" {
    dockerfile << 'END'
FROM base
RUN mkdir -p /old/sub/emptydir && : > /old/sub/empty && echo x > /old/sub/full && ln -s full /old/sub/link
RUN mv /old /new
END
    for snapshotter in overlay native; do
        export MLBUILD_SNAPSHOTTER=$snapshotter MLBUILD_STORE=$PWD/$snapshotter
        ok mlb -o type=tar,dest=$snapshotter.tar "$CTX"
        same "files with $snapshotter" "$(tar tf $snapshotter.tar | grep -E '^(old|new)' | tr '\n' ' ')" \
            "new/ new/sub/ new/sub/empty new/sub/emptydir/ new/sub/full new/sub/link "
    done
}
