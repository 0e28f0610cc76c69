# SPDX-License-Identifier: Apache-2.0
# What is built again, and what is not.
load helpers

setup() {
    common_setup
    mkdir "$CTX/src"
    echo one > "$CTX/src/one"
    echo other > "$CTX/other"
    dockerfile << 'END'
FROM base
ARG WHO=nobody
ENV A=1
WORKDIR /app
COPY other /app/
RUN echo "$WHO" > /who; cat /proc/sys/kernel/random/uuid > /random
COPY src /app/src
RUN cat /app/src/one > /result
CMD ["/bin/true"]
END
}

# first: builds, and remembers the id
first() {
    ok mlb -t img "$@" "$CTX"
    first_id=$(id_of img)
}

# again OPTIONS...: builds once more as img2
again() {
    ok mlb -t img2 "$@" "$CTX"
    second_id=$(id_of img2)
}

@test "the second build is cached whole and has the same id" {
    first
    again
    same "cached steps" "$(cached_steps)" 6
    same id "$second_id" "$first_id"
}

@test "a cached build enters no namespace" {
    first
    mkdir bin
    printf '#!/bin/sh\nexit 1\n' > bin/newuidmap
    chmod 755 bin/newuidmap
    PATH=$PWD/bin:$PATH again
    same id "$second_id" "$first_id"
    ok mlb -o img.tar "$CTX"
    PATH=$PWD/bin:$PATH again -o img2.tar
    same manifest "$(image manifest img2.tar)" "$(image manifest img.tar)"
    PATH=$PWD/bin:$PATH fails 8 mlb --no-cache "$CTX"
    says "ERROR: newuidmap ended with status 1" "hint: newuidmap must be setuid root"
}

@test "with -o the manifest digest is the same, warm and from an empty store at the epoch" {
    ok mlb -t img -o one.tar "$CTX"
    ok mlb -t img -o two.tar "$CTX"
    cmp one.tar two.tar
    sed -i '/^RUN/d' "$CTX/Dockerfile"
    ok mlb --epoch 1700000000 -o three.tar "$CTX"
    MLBUILD_STORE=$PWD/store2 ok mlb --epoch 1700000000 -o four.tar "$CTX"
    cmp three.tar four.tar
}

@test "one byte in src: only what follows it is built" {
    first
    printf onf > "$CTX/src/one"
    again
    step_says "WORKDIR /app" CACHED
    step_says "COPY other" CACHED
    step_says "RUN echo" CACHED
    step_says "COPY src" DONE
    step_says "RUN cat" DONE
    [ "$first_id" != "$second_id" ]
    printf 'one\n' > "$CTX/src/one"
    again
    same "cached steps" "$(cached_steps)" 6
    same id "$second_id" "$first_id"
}

@test "a file that no COPY takes does not matter" {
    first
    echo new > "$CTX/unused"
    again
    same "cached steps" "$(cached_steps)" 6
    same id "$second_id" "$first_id"
}

@test "touch does not matter" {
    first
    touch "$CTX/src/one" "$CTX/other" "$CTX/src"
    again
    same "cached steps" "$(cached_steps)" 6
    same id "$second_id" "$first_id"
}

@test "the mode of a file matters" {
    first
    chmod 755 "$CTX/src/one"
    again
    step_says "COPY other" CACHED
    step_says "COPY src" DONE
}

@test "a new name in a directory matters" {
    first
    mv "$CTX/src/one" "$CTX/src/two"
    ln -s two "$CTX/src/one"
    again
    step_says "COPY src" DONE
}

@test "equal size and forged mtime: the new content is seen" {
    first
    for text in eno two six; do
        touch -r "$CTX/src/one" stamp
        echo $text > "$CTX/src/one"
        touch -r stamp "$CTX/src/one"
        again
        step_says "COPY src" DONE
        ok mlb -o out "$CTX"
        same content "$(cat out/result)" $text
    done
}

@test "equal size and forged mtime through a rename: the new content is seen" {
    first
    echo eno > new
    touch -r "$CTX/src/one" new
    mv new "$CTX/src/one"
    again
    step_says "COPY src" DONE
}

@test "--no-cache runs every step, and what it makes is cached" {
    first
    again --no-cache
    same "cached steps (WORKDIR alone)" "$(cached_steps)" 1
    [ "$first_id" != "$second_id" ]
    local id=$second_id
    again
    same "cached steps" "$(cached_steps)" 6
    same id "$second_id" "$id"
}

@test "a build argument matters to the RUN steps after its ARG" {
    first
    again --build-arg WHO=me
    step_says "WORKDIR /app" CACHED
    step_says "COPY other" CACHED
    step_says "RUN echo" DONE
    again --build-arg WHO=me
    same "cached steps" "$(cached_steps)" 6
    ok mlb --build-arg WHO=me --build-arg NONE=1 -t img3 "$CTX"
    says "WARNING: --build-arg NONE: no ARG declares it"
    same "cached steps" "$(cached_steps)" 6
}

@test "ENV matters to RUN, its order to nobody" {
    dockerfile << 'END'
FROM base
ENV A=1 B=2
RUN echo $A $B > /f
END
    first
    sed -i 's/A=1 B=2/A=1 B=3/' "$CTX/Dockerfile"
    again
    step_says "RUN echo" DONE
    sed -i 's/A=1 B=3/B=2 A=1/' "$CTX/Dockerfile"
    ok mlb -t ordered "$CTX"
    same Env "$(config_of ordered Env | json d[1:])" '["B=2", "A=1"]'
}

@test "LABEL, CMD and the like build no step again" {
    first
    sed -i 's/^CMD.*/CMD ["new"]\nLABEL a=b/' "$CTX/Dockerfile"
    again
    same "cached steps" "$(cached_steps)" 6
    same Cmd "$(config_of img2 Cmd)" '["new"]'
    same "layers" "$(diff_ids_of img2)" "$(diff_ids_of img)"
}

@test "COPY is cached although a RUN before it ran again" {
    first
    again --build-arg WHO=me
    step_says "RUN echo" DONE
    step_says "COPY src" CACHED
    step_says "RUN cat" DONE
}

@test "COPY is copied again when what it stands on differs" {
    dockerfile << 'END'
FROM base
ARG TARGET=one
RUN mkdir /one /two && ln -s $TARGET /to
COPY other /to/
END
    ok mlb -o out "$CTX"
    [ -f out/one/other ]
    ok mlb --build-arg TARGET=two -o out2 "$CTX"
    step_says "COPY other" DONE
    [ -f out2/two/other ]
}

@test "COPY --from: only what is taken counts" {
    dockerfile << 'END'
FROM base AS made
ARG WHO=a
RUN echo "$WHO" > /changes; echo same > /same
FROM base
COPY --from=made /same /same
RUN cat /same > /result
END
    first
    again --build-arg WHO=b
    step_says 'RUN echo "b"' DONE
    step_says "COPY --from" CACHED
    step_says "RUN cat" CACHED
    same layers "$(diff_ids_of img2)" "$(diff_ids_of img)"
}

@test "WORKDIR and COPY layers have the same diff_ids from two empty stores" {
    sed -i '/^RUN/d' "$CTX/Dockerfile"
    first
    sleep 1.1
    cp -r "$CTX" elsewhere
    cp -p "$CTX/other" elsewhere/
    cp -p "$CTX/src/one" elsewhere/src/
    touch -r "$CTX/src" elsewhere/src
    local ids=$(diff_ids_of img)
    export MLBUILD_STORE=$BATS_TEST_TMPDIR/store2
    (umask 077 && cd elsewhere && LC_ALL=C TZ=Asia/Tokyo mlb -t img .) 2> /dev/null
    same diff_ids "$(diff_ids_of img)" "$ids"
    same count "$(wc -l <<< "$ids")" 5
}

@test "another base: everything is built again" {
    first
    BASE=$PWD/base2
    image base "$BASE" other
    again
    step_says "RUN echo" DONE
    step_says "RUN cat" DONE
    [ "$first_id" != "$second_id" ]
}

@test "a failed step is not cached, what it stands on is" {
    dockerfile << 'END'
FROM base
RUN echo 1 > /one
RUN test -e /proc/1/none
END
    fails 1 mlb "$CTX"
    fails 1 mlb "$CTX"
    step_says "RUN echo" CACHED
    step_says "RUN test" ERROR
}

@test "a changed step that makes the same as before: what rests on it is cached" {
    dockerfile << 'END'
FROM base
RUN echo same > /file; ln /file /link; mkdir -m 700 /d # 1
RUN cat /proc/sys/kernel/random/uuid > /random
COPY other /
END
    first
    sed -i 's/# 1/# 2/' "$CTX/Dockerfile"
    again
    same "cached steps" "$(cached_steps)" 2
    # The step itself is new in the history; its layer is not.
    "$MLBUILD" save -o one.tar img && "$MLBUILD" save -o two.tar img2
    same layers "$(image layers two.tar)" "$(image layers one.tar)"
    again
    same "cached steps" "$(cached_steps)" 4
    sed -i 's/# 2/# 3/' "$CTX/Dockerfile"
    again --no-cache
    same "cached steps" "$(cached_steps)" 0
}

@test "a changed step that makes anything else is no stand-in" {
    local command
    dockerfile << 'END'
FROM base
ARG WHAT
RUN eval "$WHAT"
RUN cat /proc/sys/kernel/random/uuid > /random
END
    first --build-arg WHAT="echo a > /f; chmod 600 /f; echo b > /g"
    for command in "echo A > /f; chmod 600 /f; echo b > /g" "echo a > /f; chmod 644 /f; echo b > /g" \
        "echo a > /f; chmod 600 /f; echo b > /h" "echo a > /f; chmod 600 /f; ln /f /g" \
        "echo a > /f; chmod 600 /f; echo b > /g; chown 1 /g" "echo a > /f; chmod 600 /f; mkdir /g" \
        "echo a > /f; chmod 600 /f; ln -s b /g" "echo a > /f; chmod 600 /f; echo b > /g; rm /bin/false"; do
        again --build-arg WHAT="$command"
        same "cached steps after $command" "$(cached_steps)" 0
    done
}
