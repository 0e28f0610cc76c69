# SPDX-License-Identifier: Apache-2.0
# make_test_user NAME: as root, an ordinary user with sub-ids, if there is none yet.
make_test_user() {
    local kind start
    id "$1" > /dev/null 2>&1 || useradd -m -s /bin/bash "$1"
    for kind in uid gid; do
        grep -q "^$1:" "/etc/sub$kind" && continue
        start=$(awk -F: '$2 + $3 > top { top = $2 + $3 } END { print top < 100000 ? 100000 : top }' "/etc/sub$kind")
        usermod "--add-sub${kind}s" "$start-$((start + 65535))" "$1"
    done
}
