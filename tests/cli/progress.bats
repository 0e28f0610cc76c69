# SPDX-License-Identifier: Apache-2.0
# What is shown while a build goes on.
load helpers

setup() {
    common_setup
    dockerfile << 'END'
FROM base AS builder
WORKDIR /app
RUN echo "from the step"; echo "to stderr" >&2
FROM base
COPY --from=builder /app /app
END
}

@test "plain: the lines that people grep" {
    run --separate-stderr mlb -t img "$CTX"
    [ "$status" -eq 0 ]
    same "standard output" "$output" ""
    line() { grep -qxE -- "$1" <<< "$stderr" || { echo "no line $1 in:"; echo "$stderr"; return 1; }; }
    line '#[0-9]+ \[internal\] load build definition from Dockerfile'
    line '#[0-9]+ \[builder 1/3\] FROM docker.io/library/base:latest'
    line '#[0-9]+ \[builder 2/3\] WORKDIR /app'
    line '#[0-9]+ \[builder 3/3\] RUN echo "from the step"; echo "to stderr" >&2'
    line '#[0-9]+ [0-9]+\.[0-9]{3} from the step'
    line '#[0-9]+ [0-9]+\.[0-9]{3} to stderr'
    line '#[0-9]+ DONE [0-9]+\.[0-9]s'
    line '#[0-9]+ \[stage-1 2/2\] COPY --from=builder /app /app'
    line "image  sha256:[0-9a-f]{64}"
    line "named  img:latest"
    line "next   mlbuild save -o image.tar img:latest    or    mlbuild push img:latest"
    run --separate-stderr mlb -t img "$CTX"
    line '#[0-9]+ CACHED'
    run grep -E '^#[0-9]+ [0-9.]+ from the step' <<< "$stderr"
    same "output of a cached step" "$output" ""
}

@test "plain: a number belongs to one step, and is started once" {
    ok mlb -t img "$CTX"
    same "numbers" "$(grep -oE '^#[0-9]+ (\[|exporting)' <<< "$output" | sort | uniq -d)" ""
    same "ends" "$(grep -oE '^#[0-9]+ (DONE|CACHED)' <<< "$output" | cut -d' ' -f1 | sort | uniq -d)" ""
}

@test "plain: ERROR and the last lines of a step" {
    printf 'FROM base\nRUN echo said; exit 7\n' > "$CTX/Dockerfile"
    fails 1 mlb "$CTX"
    grep -qxE '#[0-9]+ ERROR: process "/bin/sh -c echo said; exit 7" did not complete successfully: exit code: 7' <<< "$output"
    says $'------\nsaid\n------'
}

@test "the output of a step cannot steer the terminal" {
    dockerfile << 'END'
FROM base
RUN printf '\033[31mred\033]0;title\007 \302\233bell\177 \rover\nplain \303\251\n'; exit 1
END
    run mlb "$CTX"
    [ "$status" -eq 1 ]
    mlb "$CTX" > raw 2>&1 && return 1
    same "control bytes" "$(LC_ALL=C tr -d '\11\12\40-\176\200-\377' < raw | wc -c)" 0
    same "C1 controls" "$(LC_ALL=C grep -c $'\302[\200-\237]' raw || true)" 0
    says '\x1b[31mred' 'plain é'
}

@test "plain: a line without an end, a very long one, many" {
    dockerfile << 'END'
FROM base
RUN printf 'no end'
RUN head -c 200000 /dev/zero | tr '\0' x
RUN seq 20000
END
    ok mlb "$CTX"
    says " no end" $' 20000\n'
    same "length" "$(grep -o 'x*' <<< "$output" | awk '{ n += length($0) } END { print (n >= 200000) }')" 1
}

@test "quiet: the image id and nothing else; errors all the same" {
    for option in -q --quiet; do
        run --separate-stderr mlb $option -t img "$CTX"
        same "standard output" "$output" "$(id_of img)"
        same "standard error" "$stderr" ""
    done
    printf 'FROM base\nRUN echo said; exit 7\n' > "$CTX/Dockerfile"
    run --separate-stderr mlb -q "$CTX"
    [ "$status" -eq 1 ]
    same "standard output" "$output" ""
    [[ $stderr == *"exit code: 7"* ]]
}

@test "auto is plain where standard error is no terminal; BUILDKIT_PROGRESS" {
    ok "$MLBUILD" --build-context "base=oci-layout://$BASE" "$CTX"
    says "#1 [internal] load build definition"
    BUILDKIT_PROGRESS=quiet ok "$MLBUILD" --build-context "base=oci-layout://$BASE" "$CTX"
    says_not "#1"
    BUILDKIT_PROGRESS=quiet ok "$MLBUILD" --progress=plain --build-context "base=oci-layout://$BASE" "$CTX"
    says "#1"
}

# on_terminal COMMAND...: into the file `screen`
on_terminal() {
    printf '%q ' "$@" > command
    run script -qec "stty cols 100 rows 30; . ./command" screen
}

@test "on a terminal: a live view" {
    on_terminal "$MLBUILD" --build-context "base=oci-layout://$BASE" -t img "$CTX"
    [ "$status" -eq 0 ]
    says "[+] Building " " FINISHED" " => [builder 2/3] WORKDIR /app" " => [builder 3/3] RUN echo" $'\033[' "named  img:latest"
    on_terminal "$MLBUILD" --build-context "base=oci-layout://$BASE" -t img "$CTX"
    says " => CACHED [builder 2/3] WORKDIR /app"
    [[ $(sed 's/\x1b\[[0-9;]*[A-Za-z]//g' <<< "$output" | tr -d '\r' | awk '{ if (length($0) > 100) print }' | wc -l) -eq 0 ]]
    on_terminal env NO_COLOR=1 "$MLBUILD" --build-context "base=oci-layout://$BASE" -t img "$CTX"
    says_not $'\033[34m'
}

@test "on a terminal: a failure, and a step that writes controls" {
    dockerfile << 'END'
FROM base
RUN printf '\033[2Jcleared\033]0;title\007\n'; sleep 0.3; exit 9
END
    on_terminal "$MLBUILD" --build-context "base=oci-layout://$BASE" -t img "$CTX"
    [ "$status" -eq 1 ]
    says " => ERROR [2/2] RUN printf" "exit code: 9" "Dockerfile:2"
    says_not $'\033[2J' $'\033]0;'
}

@test "an archive does not go to a terminal" {
    on_terminal "$MLBUILD" --build-context "base=oci-layout://$BASE" -o - "$CTX"
    [ "$status" -eq 2 ]
    says "an archive does not go to a terminal" "hint: redirect it"
}

@test "rawjson: every line is an object, and there is nothing else" {
    printf 'FROM base\nENV a b\nRUN echo from the step\n' | dockerfile
    ok "$MLBUILD" build --progress=rawjson --build-context "base=oci-layout://$BASE" -t img "$CTX"
    echo "$output" > log
    python3 - << 'EOF'
import base64, json
events = [json.loads(line) for line in open("log")]
vertices = [v for e in events for v in e.get("vertexes", [])]
run = [v for v in vertices if "RUN echo" in v["name"]]
assert run[0]["digest"] == run[-1]["digest"] and "completed" in run[-1], run
logs = [e["logs"][0] for e in events if "logs" in e]
assert base64.b64decode(logs[0]["data"]) == b"from the step\n" and logs[0]["vertex"] == run[0]["digest"]
warning = [e["warnings"][0] for e in events if "warnings" in e]
assert b"LegacyKeyValueFormat" in base64.b64decode(warning[0]["short"]), warning
EOF
}
