#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Dockerfile language from end to end: what is written is what is in the image.
load helpers

@test "here-documents: expanded, quoted, for a shell, as a script, from a trigger" {
    dockerfile << 'END'
FROM base AS parent
ONBUILD RUN <<EOF
echo "from a trigger in $PWD" > /trigger
EOF
ONBUILD COPY <<-A <<"B" /x/
	a $who
	A
b $who
B
FROM parent
ARG who=me
COPY --chmod=600 <<EOF /greeting
hello \$who is $who, "quoted" ${who:+yes}
EOF
RUN <<EOF
echo one > /shell
echo "$who" >> /shell
EOF
RUN <<script
#!/bin/sh
echo "$0" > /script
script
RUN cat <<A > /both && cat <<'B' /trigger - >> /both
$who
A
$who
B
END
    ok mlb -o image.tar "$CTX"
    [ "$(image cat image.tar greeting)" = 'hello $who is me, "quoted" yes' ]
    [ "$(image cat image.tar shell)" = "$(printf 'one\nme')" ]
    [ "$(image cat image.tar script)" = /dev/pipes/script ]
    [ "$(image cat image.tar both)" = "$(printf 'me\nfrom a trigger in /\n$who')" ]
    [ "$(image cat image.tar x/A)" = "a " ]
    [ "$(image cat image.tar x/B)" = 'b $who' ]
}

@test "a named context stands in for a stage" {
    mkdir -p other
    echo other > other/made
    dockerfile << 'END'
FROM base AS builder
RUN echo never; exit 1
FROM scratch
COPY --from=builder /made /made
END
    fails 1 mlb "$CTX"
    ok mlb --build-context builder=other -o image.tar "$CTX"
    [ "$(image cat image.tar made)" = other ]
    says_not "never"
}

@test "what only the caller can allow" {
    printf 'FROM base\nRUN --network=host true\n' > "$CTX/Dockerfile"
    fails 1 mlb "$CTX"
    says "Dockerfile:2" "network.host is not allowed" "hint:" "--allow network.host"
    ok mlb --allow network.host "$CTX"
}

@test "parse shows the tree" {
    printf '# base\nFROM base\nCOPY <<EOF /x\nhi\nEOF\n' > "$CTX/Dockerfile"
    ok "$MLBUILD" parse "$CTX"
    says 'comment "base"' 'word 3:12 "/x"' 'heredoc of word 0 "EOF" = "hi\n"'
    printf 'FROM base\nCOPY <<EOF /x\nhi\n' > "$CTX/Dockerfile"
    fails 1 "$MLBUILD" parse "$CTX"
    says "Dockerfile:2" "unterminated heredoc"
}
