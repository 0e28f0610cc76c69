# SPDX-License-Identifier: Apache-2.0
# What every file of tests/cli loads. The binary is $MLBUILD; each test has a store, a context
# directory ($CTX) and a home of its own, and leaves no process and no mount.
bats_require_minimum_version 1.5.0

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
IMAGE_PY=$HERE/image.py
MLBUILD=${MLBUILD:-$HERE/../../build/dev/mlbuild}
MLBUILD=$(realpath "$MLBUILD")

# Root in a user namespace with the caller's sub-ids: what may touch files of a store.
userns() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        unshare --user --map-auto --map-root-user -- "$@"
    fi
}

common_setup_file() {
    [ -n "${MLBUILD_TEST_REAPER:-}" ] || { echo "start these tests through tests/cli/run.sh"; return 1; }
    export BASE=$BATS_FILE_TMPDIR/base
    python3 "$IMAGE_PY" base "$BASE"
}

common_setup() {
    export HOME=$BATS_TEST_TMPDIR/home XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
    export MLBUILD_STORE=$BATS_TEST_TMPDIR/store
    unset SOURCE_DATE_EPOCH XDG_DATA_HOME DOCKER_CONFIG DOCKER_AUTH_CONFIG REGISTRY_AUTH_FILE
    unset BUILDKIT_PROGRESS NO_COLOR http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
    CTX=$BATS_TEST_TMPDIR/ctx
    mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR"
    mkdir "$CTX"
    cd "$BATS_TEST_TMPDIR" || return 1
}

common_teardown() {
    local left=0
    no_process_left || left=1
    no_mount_left || left=1
    cd / || return 1
    userns find "$BATS_TEST_TMPDIR" -mindepth 1 -delete
    return $left
}

setup_file() { common_setup_file; }
setup() { common_setup; }
teardown() { common_teardown; }

# What lives on after its parent's death is a child of reaper.py.
processes_left() {
    local list
    read -r -a list < "/proc/$MLBUILD_TEST_REAPER/task/$MLBUILD_TEST_REAPER/children"
    local pid
    for pid in "${list[@]}"; do
        [ "$pid" -eq "$MLBUILD_TEST_RUNNER" ] || echo "$pid"
    done
}

no_process_left() {
    local i left
    for i in $(seq 50); do
        left=$(processes_left)
        [ -z "$left" ] && return 0
        sleep 0.1
    done
    echo "processes left:"
    for i in $left; do
        ps -o pid,ppid,user,stat,args -p "$i"
    done
    return 1
}

no_mount_left() {
    ! grep -F "$BATS_TEST_TMPDIR" /proc/self/mountinfo
}

# dockerfile < TEXT
dockerfile() {
    cat > "$CTX/${1:-Dockerfile}"
}

# A build with the small base and plain progress.
mlb() {
    "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" "$@"
}

# mlb in the background; $! is its planner. Job control is off, so that it ignores SIGINT.
mlb_in_background() {
    "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" "$@" > log 2>&1 3>&- &
}

# Runs a command; it must succeed.
ok() {
    run "$@"
    [ "$status" -eq 0 ] || { echo "exit $status of $*"; echo "$output"; return 1; }
}

# fails CODE COMMAND...
fails() {
    local want=$1
    shift
    run "$@"
    [ "$status" -eq "$want" ] || { echo "exit $status, not $want, of $*"; echo "$output"; return 1; }
}

# says TEXT: a part of the output
says() {
    local text
    for text; do
        [[ "$output" == *"$text"* ]] || { echo "no \"$text\" in:"; echo "$output"; return 1; }
    done
}

says_not() {
    local text
    for text; do
        [[ "$output" != *"$text"* ]] || { echo "there is \"$text\" in:"; echo "$output"; return 1; }
    done
}

# same WHAT GOT WANT
same() {
    [ "$2" = "$3" ] || {
        echo "$1 differs"
        diff <(echo "$2") <(echo "$3") | head -20
        return 1
    }
}

json() { python3 "$IMAGE_PY" json "$1"; }
image() { python3 "$IMAGE_PY" "$@"; }

# config_of NAME KEY: of the image's run configuration, as compact JSON
config_of() {
    "$MLBUILD" inspect "$1" | json "d['config']['config'].get('$2')"
}

id_of() { "$MLBUILD" inspect "$1" | json "d['id']"; }

diff_ids_of() { "$MLBUILD" inspect "$1" | json "'\n'.join(l['diff_id'] for l in d['layers'])"; }

# cached_steps: how many steps of the last `run` were cached, and how many were not
cached_steps() { grep -c '^#[0-9]* CACHED$' <<< "$output" || true; }

# The step whose name ends with $1 says $2 (CACHED, DONE or ERROR).
step_says() {
    local number
    number=$(grep -F -- "$1" <<< "$output" | sed -n 's/^#\([0-9]*\) \[.*/\1/p' | tail -1)
    [ -n "$number" ] || { echo "no step \"$1\" in:"; echo "$output"; return 1; }
    grep -q "^#$number $2" <<< "$output" || { echo "step \"$1\" is not $2:"; echo "$output"; return 1; }
}

# The text of a RUN step. It writes what it sees below / to /seen, in the form that `image.py seen` reads.
SEE='cd / && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/resolv.conf -o -path ./etc/hosts \) -prune -o -print | sed 1d | while IFS= read -r f; do
if [ -L "$f" ]; then d=$(readlink "$f"); elif [ -f "$f" ]; then d=$(sha256sum < "$f"); d=${d%% *}; else d=; fi;
echo "$(stat -c "%F|%a|%u|%g|%s|%i|%Y" "$f")|$d|${f#.}"; done > /dev/shm/seen; cp /dev/shm/seen /seen'
see() { printf 'RUN %s\n' "${SEE//$'\n'/ }"; }

# An image that says who it runs as and what its file holds.
showing() {
    echo content > "$CTX/file"
    dockerfile << 'END'
FROM base
RUN mkdir /made && echo 1 > /made/one && chown app:extra /made/one && rm /base/gone
COPY file /file
USER app
CMD ["/bin/sh", "-c", "echo $(id -u) $(cat /file)"]
END
}

# A step for each way in which an upper layer can change a lower one.
changing() {
    mkdir -p "$CTX/src/dir"
    echo 1 > "$CTX/src/one"; echo 2 > "$CTX/src/dir/two"
    setfattr -n user.ours -v "with attribute" "$CTX/src/one"
    ln "$CTX/src/one" "$CTX/src/uno"; ln -s ../one "$CTX/src/dir/up"
    chmod 2755 "$CTX/src/dir"; chmod 1777 "$CTX/src"
    touch -d @1234567890 "$CTX/src/dir/two"
    dockerfile << 'END'
FROM base
COPY src /src/
RUN rm /base/gone && echo new > /base/keep && rm /base/remade && echo remade > /base/remade
RUN rm -r /base/opaque && mkdir /base/opaque && echo new > /base/opaque/new
RUN rm -r /base/dir && echo "a file now" > /base/dir
RUN rm /base/link && mkdir /base/link && echo in > /base/link/file
RUN chmod 600 /base/xattr && touch -d @1000000000 /base/xattr
RUN chown app:extra /base/suid && chmod 6755 /base/suid
RUN ln -s nowhere /broken && mkdir /links && cd /links && echo 1 > a && ln a b && ln a c && chown app c
RUN mkfifo /pipe && mkdir -m 1777 /sticky && mkdir -m 2775 /group && chown 60000:50000 /group
RUN mkdir -p /deep/a/b && echo x > /deep/a/b/c && echo > "/a name with  spaces"
RUN rm -r /deep && mkdir -p /deep/a && echo y > /deep/a/z
RUN echo gone > /tmp/file && rm /tmp/file
RUN mv /src/dir/two /moved && mv /home/app /home/other
RUN chmod 700 /etc && chmod 755 /etc && : > /etc/motd
WORKDIR /base/opaque/below
COPY src/one /base/opaque/
END
}

# compare_with_step ARCHIVE: the image is what its last step saw (which wrote /seen).
compare_with_step() {
    image cat "$1" /seen | image seen > seen
    image tree "$1" | grep -v ' /seen$' > merged
    diff seen merged
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

wait_for_port() {
    local i
    for i in $(seq 100); do
        (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null && return
        sleep 0.1
    done
    echo "no server on port $1"
    return 1
}

# wait_until SECONDS COMMAND...
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "in vain: $*"; return 1; }
        sleep 0.02
    done
}

nothing_tagged() {
    [ -z "$("$MLBUILD" images -q)" ] || { echo "an image was tagged"; return 1; }
}
