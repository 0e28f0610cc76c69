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

@test "--load hands the image to docker, and again only its name" {
    export DOCKER_HOST=$MLBUILD_TEST_DOCKER
    ok mlb -t img:2 -t img:3 --load "$CTX"
    says "loading into docker"
    same id "$(docker image inspect --format '{{.Id}}' img:2)" "$(id_of img:2)"
    same id "$(docker image inspect --format '{{.Id}}' img:3)" "$(id_of img:2)"
    ok docker run --rm --network none img:2
    says "1000 content"
    ok docker image rm img:3
    ok mlb -t img:4 -o type=docker "$CTX"
    same id "$(docker image inspect --format '{{.Id}}' img:4)" "$(id_of img:2)"
    ok docker image rm img:2 img:4
}

@test "docker save: what docker wrote loads here" {
    export DOCKER_HOST=$MLBUILD_TEST_DOCKER
    ok mlb -t img:5 -o img.tar "$CTX"
    ok docker load -i img.tar
    ok docker save -o saved.tar img:5
    local id=$(id_of img:5)
    export MLBUILD_STORE=$BATS_TEST_TMPDIR/other
    ok "$MLBUILD" load -i saved.tar
    says "Loaded image: img:5"
    same id "$(id_of img:5)" "$id"
    "$MLBUILD" save -o again.tar img:5
    image tree img.tar > want
    image tree again.tar | diff want -
    ok docker image rm img:5
}
