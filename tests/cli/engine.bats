# SPDX-License-Identifier: Apache-2.0
# --load into docker or podman, whichever answers. The programs are made up here, but for the last test;
# docker.bats has the real docker.
load helpers

setup() {
    common_setup
    showing
    mkdir bin
    export PATH=$PWD/bin:$PATH
}

# engine NAME: a program that answers, has no image, and keeps what it is given and told
engine() {
    cat > "bin/$1" << END
#!/bin/sh
echo "\$*" >> "$PWD/$1.log"
case "\$1" in
version) exit 0 ;;
image) exit 1 ;;
load) cat > "$PWD/$1.tar"; echo "Loaded image: it" ;;
esac
END
    chmod +x "bin/$1"
}

dead() {
    printf '#!/bin/sh\necho "Cannot connect to %s" >&2\nexit 1\n' "$1" > "bin/$1"
    chmod +x "bin/$1"
}

@test "docker first: it gets the tarball that -o writes" {
    engine docker
    engine podman
    ok mlb -t img --load "$CTX"
    says "loading into docker"
    [ ! -e podman.tar ]
    ok skopeo inspect docker-archive:docker.tar
    ok mlb -t img -o type=docker,dest=same.tar --compression none "$CTX"
    cmp same.tar docker.tar
    ok mlb -t img --load --compression gzip "$CTX"
    ok mlb -t img -o img.tar "$CTX"
    cmp img.tar docker.tar
}

@test "podman if docker does not answer" {
    dead docker
    engine podman
    ok mlb -t img --load "$CTX"
    says "loading into podman"
    ok skopeo inspect docker-archive:podman.tar
}

@test "neither: exit 8 at once, and what they said" {
    dead docker
    dead podman
    fails 8 mlb -t img --load "$CTX"
    says "neither docker nor podman answers (docker: Cannot connect to docker; podman: Cannot connect to podman)" \
        "hint: start docker or install podman, or write a tarball: -o image.tar"
    says_not "FROM"
    nothing_tagged
}

@test "an engine that fails on the way, early or late" {
    engine docker
    head -c 3000000 /dev/urandom > "$CTX/file"
    sed -i 's/^load) .*/load) echo "no space left" >\&2; exit 3 ;;/' bin/docker
    fails 8 mlb -t img --load "$CTX"
    says "docker load failed (exit code 3): no space left"
    sed -i 's/^load) .*/load) cat > \/dev\/null; echo "bad image" >\&2; exit 4 ;;/' bin/docker
    fails 8 mlb -t img --load "$CTX"
    says "docker load failed (exit code 4): bad image"
}

@test "what the engine has already is only named" {
    engine docker
    sed -i 's/^image) .*/image) exit 0 ;;/' bin/docker
    ok mlb -t img:1 -t img:2 --load "$CTX"
    [ ! -e docker.tar ]
    grep -qx "tag $(id_of img:1) docker.io/library/img:1" docker.log
    grep -qx "tag $(id_of img:1) docker.io/library/img:2" docker.log
}

@test "Ctrl-C ends the load, and with it the engine" {
    engine docker
    head -c 3000000 /dev/urandom > "$CTX/file"
    sed -i 's/^load) .*/load) head -c 1000 > \/dev\/null; echo > started; exec sleep 20 ;;/' bin/docker
    mlb_in_background -t img --load "$CTX"
    local build=$!
    wait_until 20 test -e started
    kill -TERM $build
    local code=0
    wait $build || code=$?
    same "exit code" "$code" 143
    no_process_left
}

@test "the real podman" {
    printf '[engine]\nlock_type = "file"\n' > containers.conf
    runroot=$(mktemp -d "${TMPDIR:-/tmp}/XXXXXX") # at most 50 characters
    local runc=$(PATH=$PATH:/usr/sbin:/sbin command -v runc)
    dead docker
    printf '#!/bin/sh\nexec %s env CONTAINERS_CONF=%s /usr/bin/podman --root %s --runroot %s --storage-driver vfs --tmpdir %s --events-backend none --cgroup-manager cgroupfs --runtime %s "$@"\n' \
        "unshare --user --map-auto --map-root-user --" "$PWD/containers.conf" "$PWD/storage" "$runroot" "$runroot/tmp" "$runc" > bin/podman
    chmod +x bin/podman
    ok mlb -t img:1 --load "$CTX"
    same id "sha256:$(podman image inspect --format '{{.Id}}' docker.io/library/img:1)" "$(id_of img:1)"
    ok mlb -t img:2 --load "$CTX"
    same id "sha256:$(podman image inspect --format '{{.Id}}' docker.io/library/img:2)" "$(id_of img:1)"
    userns rm -rf "$runroot"
}
