# SPDX-License-Identifier: Apache-2.0
# For root alone. What differs when root builds: the identity map where root has no sub-ids.
load helpers

setup() { common_setup; }

@test "a build as root" {
    changing
    see >> "$CTX/Dockerfile"
    ok mlb -t img -o out.tar "$CTX"
    compare_with_step out.tar
    ok mlb -t img2 "$CTX"
    same id "$(id_of img2)" "$(id_of img)"
}

@test "an ordinary user's image, to the byte" {
    changing
    ok mlb --epoch 1 -o root.tar "$CTX"
    local place=$(mktemp -d "${TMPDIR:-/tmp}/XXXXXX")
    cp -a "$CTX" "$BASE" "$place"
    chown mlbuild-test "$place"
    cd "$place"
    ok setpriv --reuid mlbuild-test --regid mlbuild-test --init-groups env HOME="$place" MLBUILD_STORE="$place/store" \
        "$MLBUILD" build --progress=plain --epoch 1 --build-context base=oci-layout://base -o users.tar ctx
    cmp "$BATS_TEST_TMPDIR/root.tar" users.tar
    rm -rf "$place"
}

@test "steps of root are confined: no device, no mount, no other process" {
    dockerfile << 'END'
FROM base
RUN ! mknod /sda b 8 0 2> /dev/null || ! cat /sda 2> /dev/null
RUN ! mount -t tmpfs none /tmp 2> /dev/null
RUN ! chroot /proc/1/root /bin/true 2> /dev/null || [ ! -e /proc/1/root/etc/shadow ]
RUN [ "$(ls -d /proc/[0-9]* | wc -l)" -lt 8 ]
RUN ! echo 1 2> /dev/null > /proc/sys/kernel/panic
RUN ! cat /proc/kcore 2> /dev/null | head -c 1 | grep -q .
END
    ok mlb "$CTX"
}

@test "doctor says that root is less isolated" {
    ok "$MLBUILD" doctor
    if ! grep -q '^root:' /etc/subuid; then
        says "root without sub-ids: builds are less isolated"
    fi
    says "namespaces   ok"
}

@test "a user without sub-ids: one id, and what would lift it" {
    dockerfile << 'END'
FROM base
RUN id -u > /who
END
    local place=$(mktemp -d "${TMPDIR:-/tmp}/XXXXXX")
    cp -a "$CTX" "$BASE" "$place"
    chown -R 64999:64999 "$place"
    cd "$place"
    loner() {
        setpriv --reuid 64999 --regid 64999 --clear-groups env HOME="$place" MLBUILD_STORE="$place/store" \
            "$MLBUILD" "$@"
    }
    ok loner doctor
    says "ids          1 users, 1 groups" "to lift it: sudo usermod --add-subuids"
    # The base has a file of user 1000.
    fails 8 loner build --progress=plain --build-context base=oci-layout://base -t img ctx
    says "home/app belongs to 1000:1000, which your sub-ids do not reach" "hint: mlbuild doctor shows what ids you have"
    same nothing "$(loner images -q)" ""
    cd /
    rm -rf "$place"
}
