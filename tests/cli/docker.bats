# SPDX-License-Identifier: Apache-2.0
# What docker makes of an output, with the daemon that run.sh starts as root.
load helpers

setup() {
    common_setup
    [ -n "$MLBUILD_TEST_DOCKER" ]
    showing
}

@test "docker loads and runs FILE.tar" {
    ok mlb -t img:1 -o img.tar "$CTX"
    ok docker --host "$MLBUILD_TEST_DOCKER" load -i img.tar
    says "Loaded image: img:1"
    ok docker --host "$MLBUILD_TEST_DOCKER" image inspect img:1
    same id "$(json "d[0]['Id']" <<< "$output")" "$(id_of img:1)"
    ok docker --host "$MLBUILD_TEST_DOCKER" run --rm --network none img:1
    says "1000 content"
    ok docker --host "$MLBUILD_TEST_DOCKER" image rm img:1
}
