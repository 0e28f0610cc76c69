# SPDX-License-Identifier: Apache-2.0
# Builds that are killed or interrupted. That no process and no mount stays is seen after each test.
load helpers

# The store is sound: every blob is what its name says, nothing is tagged but `NAMES`.
store_is_sound() {
    local blob
    for blob in "$MLBUILD_STORE"/blobs/sha256/*; do
        [ -e "$blob" ] || continue
        case $(basename "$blob") in .* | *tmp*) continue ;; esac
        same "digest of a blob" "$(sha256sum < "$blob" | cut -d' ' -f1)" "$(basename "$blob")"
    done
    ok "$MLBUILD" images
}

quick() {
    echo content > "$CTX/file"
    head -c 3000000 /dev/urandom > "$CTX/large"
    dockerfile << 'END'
FROM base
WORKDIR /app
COPY large /large
RUN echo 1 > /one; sleep 0.05
COPY file /app/
RUN cat /app/file > /two; mkdir /d; ln -s d /l
END
}

@test "kill -9 at 48 random moments, then a build with the same store and the same id" {
    quick
    MLBUILD_STORE=$PWD/fresh ok mlb --epoch 1 -t img -o fresh.tar "$CTX"
    local wanted=$(MLBUILD_STORE=$PWD/fresh id_of img)
    ok python3 "$HERE/kill_at_random.py" 16 "$MLBUILD" --no-cache --epoch 1 --build-context "base=oci-layout://$BASE" -o out.tar -t img "$CTX"
    echo "$output"
    no_process_left
    [ ! -e out.tar ] || skopeo inspect oci-archive:out.tar > /dev/null
    ok python3 "$HERE/kill_at_random.py" 32 "$MLBUILD" --epoch 1 --build-context "base=oci-layout://$BASE" --build-arg "N=$RANDOM" -o out.tar -t img "$CTX"
    no_process_left
    store_is_sound
    ok mlb --epoch 1 -t img -o out.tar "$CTX"
    same id "$(id_of img)" "$wanted"
    cmp out.tar fresh.tar
    ok mlb --no-cache --epoch 1 -t img -o out.tar "$CTX"
    same id "$(id_of img)" "$wanted"
    same "work that is left" "$(ls -A "$MLBUILD_STORE/tmp")" ""
    same "leases that are left" "$(ls -A "$MLBUILD_STORE/leases")" ""
    same "archives that are left" "$(find . -maxdepth 1 -name '.*out.tar*' -mmin -0 | wc -l)" 0
    ok "$MLBUILD" prune
}

@test "kill -9 of a builder says so" {
    dockerfile << 'END'
FROM base
RUN echo started; sleep 60
END
    mlb_in_background -t img "$CTX"
    local planner=$!
    wait_until 20 grep -q "^#3 .*started$" log
    local builder=$(cat /proc/$planner/task/$planner/children)
    kill -9 $builder
    local code=0
    wait $planner || code=$?
    same "exit code" $code 1
    output=$(cat log)
    says "ERROR: the build process was killed by signal 9" "hint: out of memory, perhaps"
    no_process_left
    nothing_tagged
}

@test "kill -9 of the process that a user started ends the steps too" {
    dockerfile << 'END'
FROM base
RUN (sleep 1861 &) ; setsid sleep 1862 & echo started; trap '' TERM INT HUP; sleep 1863
END
    mlb_in_background -t img "$CTX"
    wait_until 20 grep -q "^#3 .*started$" log
    kill -9 $!
    wait $! || true
    no_process_left
    run pgrep -a sleep
    says_not "sleep 1861" "sleep 1862" "sleep 1863"
}

# interrupted CODE TEXT OPTIONS...: SIGINT or SIGTERM when the build says TEXT
interrupted() {
    local code=$1 text=$2 name=INT
    [ "$code" -eq 143 ] && name=TERM
    shift 2
    fails "$code" python3 "$HERE/interrupt.py" $name "$text" "$MLBUILD" build --progress=plain \
        --build-context "base=oci-layout://$BASE" "$@" "$CTX"
    says "ended soon after the signal" "interrupted"
    no_process_left
    nothing_tagged
    same "archives" "$(find . -path ./store -prune -o -name '*img.tar*' -print)" ""
    same "work that is left" "$(ls -A "$MLBUILD_STORE/tmp")" ""
}

@test "Ctrl-C and SIGTERM in RUN: 130 and 143" {
    dockerfile << 'END'
FROM base
RUN echo 1 > /one
RUN (trap '' INT TERM; sleep 60) & echo started; sleep 60
END
    interrupted 130 " started" -t img -o img.tar
    step_says "RUN (trap" CANCELED
    interrupted 143 " started" -t img -o img.tar
    says "CACHED"
}

@test "Ctrl-C a second time does not wait for a step that will not end" {
    dockerfile << 'END'
FROM base
RUN trap '' INT TERM; echo started; sleep 60
END
    fails 130 python3 "$HERE/interrupt.py" INT2 " started" "$MLBUILD" build --progress=plain \
        --build-context "base=oci-layout://$BASE" -t img "$CTX"
    says "ended soon after the signal" "ERROR: interrupted"
    no_process_left
    nothing_tagged
}

@test "Ctrl-C and SIGTERM while the context is hashed, and in COPY" {
    printf 'FROM base\nCOPY large /\nRUN true\n' > "$CTX/Dockerfile"
    truncate -s 3G "$CTX/large"
    # A step that never ran hashes on the way; one that did is looked for first.
    interrupted 130 "COPY large" -t img -o img.tar
    truncate -s 1M "$CTX/large"
    ok mlb "$CTX"
    truncate -s 3G "$CTX/large"
    interrupted 130 "#1 DONE" -t img -o img.tar
    says_not "COPY large /"$'\n'"#"
    interrupted 143 "#1 DONE" -t img -o img.tar
    printf 'FROM scratch\nCOPY large /\n' > "$CTX/Dockerfile"
    interrupted 130 "COPY large" -t img -o img.tar
    truncate -s 300M "$CTX/large"
    interrupted 130 "COPY large" -t img -o img.tar
    interrupted 143 "COPY large" -t img -o img.tar
}

@test "Ctrl-C and SIGTERM in an export" {
    quick
    fails 130 python3 "$HERE/interrupt.py" INT "exporting manifest" "$MLBUILD" build --progress=plain \
        --build-context "base=oci-layout://$BASE" -o type=oci,dest=- "$CTX"
    says "ended soon after the signal" "interrupted"
    fails 143 python3 "$HERE/interrupt.py" TERM "exporting manifest" "$MLBUILD" build --progress=plain \
        --build-context "base=oci-layout://$BASE" -o type=oci,dest=- "$CTX"
    says "ended soon after the signal" "interrupted"
}

@test "SIGTERM while whoever is to read has stopped" {
    quick
    ok mlb -t img "$CTX"
    mkfifo unread
    sleep 60 < unread 3>&- &
    local reader=$! command code
    for command in "save img" "export img" "cp img:/large -"; do
        "$MLBUILD" $command > unread 2> log 3>&- &
        local writer=$!
        sleep 1
        kill -TERM $writer
        code=0
        wait $writer || code=$?
        same "exit code of $command" $code 143
        grep -q interrupted log
    done
    kill $reader
}

teardown() {
    [ -z "${server:-}" ] || kill "$server" 2> /dev/null || true
    common_teardown
}

# A server that takes connections and never says a word; its port is in the file `port`.
serve_silence() {
    python3 -c "
import socket, time
s = socket.socket()
s.bind(('127.0.0.1', 0))
s.listen(8)
print(s.getsockname()[1], flush=True)
time.sleep(60)" > port 3>&- &
    server=$!
    wait_until 10 test -s port
}

@test "Ctrl-C and SIGTERM in a pull" {
    serve_silence
    printf 'FROM localhost:%s/silent\nRUN true\n' "$(cat port)" > "$CTX/Dockerfile"
    interrupted 130 "load metadata" -t img -o img.tar
    interrupted 143 "load metadata" -t img -o img.tar
    fails 130 python3 "$HERE/interrupt.py" INT "pull localhost" "$MLBUILD" pull --progress=plain "localhost:$(cat port)/silent"
}

@test "a RUN may leave processes; they end with it" {
    dockerfile << 'END'
FROM base
RUN (sleep 60 &) ; setsid sleep 60 > /dev/null 2>&1 & echo done
END
    SECONDS=0
    ok mlb -t img "$CTX"
    [ $SECONDS -lt 20 ]
}

@test "Ctrl-C, SIGTERM and kill -9 while git, a web server or standard input say nothing" {
    serve_silence
    printf 'FROM scratch\nADD http://127.0.0.1:%s/r.git /\n' "$(cat port)" > "$CTX/Dockerfile"
    interrupted 130 "build definition" -t img
    interrupted 143 "build definition" -t img
    printf 'FROM scratch\nADD http://127.0.0.1:%s/file /\n' "$(cat port)" > "$CTX/Dockerfile"
    interrupted 130 "build definition" -t img
    interrupted 143 "build definition" -t img
    mkfifo silent
    sleep 60 > silent 3>&- &
    local writer=$!
    "$MLBUILD" build - < silent > log 2>&1 3>&- &
    local builder=$!
    sleep 0.5
    kill -TERM $builder
    local code=0
    wait $builder || code=$?
    kill $writer
    same "exit code" $code 143
    printf 'FROM scratch\nADD http://127.0.0.1:%s/r.git /\n' "$(cat port)" > "$CTX/Dockerfile"
    mlb_in_background "$CTX"
    builder=$!
    wait_until 10 pgrep -f "remote-http origin http://127.0.0.1:$(cat port)/r.git"
    kill -9 $builder
    wait $builder || true
    wait_until 5 eval '! pgrep -f "remote-http origin http://127.0.0.1:$(cat port)/r.git"'
    printf 'FROM base\nRUN true\n' | dockerfile
    ok mlb "$CTX"
    same "work that is left" "$(ls -A "$MLBUILD_STORE/tmp")" ""
}
