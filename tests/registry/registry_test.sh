#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# registry_test.sh PROBE: lib/registry against Debian's docker-registry and a server that misbehaves,
# all on loopback.
# A number behind a check is that of its bad input: 84 to 104 are documents (those that need no server are in
# unit/lib/oci), 109 to 136 what servers do (132 and more of 127, 130: unit/lib/net/http_test.c).
set -u
probe=$(realpath -e "$1") || exit 1
here=$(cd "$(dirname "$0")" && pwd)
for program in docker-registry htpasswd skopeo python3 openssl ip unshare; do
    command -v $program > /dev/null || { echo "not installed: $program"; exit 1; }
done
work=$(mktemp -d)
servers=()
finish() {
    for pid in "${servers[@]}"; do kill "$pid" 2> /dev/null; done
    wait 2> /dev/null
    rm -rf "$work"
}
trap finish EXIT
export HOME=$work/home XDG_RUNTIME_DIR=$work/run DOCKER_CONFIG= DOCKER_AUTH_CONFIG=
unset REGISTRY_AUTH_FILE # the server would take it for a setting of its own
unset CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"

failures=0
count=0
check() { # NAME EXPECTED-EXIT EXPECTED-WORDS COMMAND...
    local name=$1 want=$2 words=$3 out rc
    shift 3
    out=$("$@" 2>&1)
    rc=$?
    count=$((count + 1))
    if [ $rc -ne "$want" ] || ! grep -qF -- "$words" <<< "$out"; then
        echo "not ok - $name (exit $rc): $out"
        failures=$((failures + 1))
    else
        echo "ok - $name"
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_registry() { # NAME PORT AUTH-LINES [TLS]
    cat > "$work/$1.yml" << END
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $work/$1}}
http: {addr: "127.0.0.1:$2"${4:-}}
$3
END
    docker-registry serve "$work/$1.yml" > "$work/$1.log" 2>&1 &
    servers+=($!)
}

wait_for() { # PORT
    for _ in $(seq 100); do
        (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null && return
        sleep 0.1
    done
    echo "no server on port $1"
    exit 1
}

wait_for_file() { # FILE
    for _ in $(seq 100); do [ -s "$1" ] && return; sleep 0.1; done
    echo "no $1"
    exit 1
}

plain=$(free_port)
start_registry plain "$plain" ""
secure=$(free_port)
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2> /dev/null
openssl req -new -key "$work/key.pem" -subj /CN=test 2> /dev/null |
    openssl x509 -req -days -1 -signkey "$work/key.pem" -out "$work/expired.pem" \
        -extfile <(echo subjectAltName=IP:127.0.0.1) 2> /dev/null
start_registry secure "$secure" "" ", tls: {certificate: $work/cert.pem, key: $work/key.pem}"
closed=$(free_port)
htpasswd -Bbn user secret > "$work/htpasswd" 2> /dev/null
start_registry closed "$closed" "auth: {htpasswd: {realm: test, path: $work/htpasswd}}"
python3 "$here/fault_server.py" "$work/fault.port" "$work/fault.log" "$work/key.pem" "$work/cert.pem" &
servers+=($!)
wait_for "$plain"
wait_for "$secure"
wait_for "$closed"
wait_for_file "$work/fault.port"
fault=$(cat "$work/fault.port")

python3 "$here/make_layout.py" "$work/layout" 1
digest=$("$probe" layout "$work/layout:1")
arm=$("$probe" layout "$work/layout" linux/arm64)
check "layout: platforms differ" 1 "" test "$digest" = "$arm"
check "layout: no such tag" 1 "the layout has: 1" "$probe" layout "$work/layout:2"
check "layout: no such platform" 1 "linux/arm64" "$probe" layout "$work/layout" linux/s390x
check "layout: not a layout" 1 "oci-layout" "$probe" layout "$work"
check "layout: no directory" 1 "No such file" "$probe" layout "$work/nothing"

# what others push, we pull
skopeo copy --all --quiet --dest-tls-verify=false "oci:$work/layout:1" \
    "docker://127.0.0.1:$plain/team/app:1.0"
check "resolve by tag" 0 "$digest" "$probe" resolve "127.0.0.1:$plain/team/app:1.0"
check "resolve by digest" 0 "$digest" "$probe" resolve "127.0.0.1:$plain/team/app@$digest"
check "resolve for another platform" 0 "$arm" \
    "$probe" resolve "localhost:$plain/team/app:1.0" linux/arm64
check "resolve for no platform" 1 "it has: linux/amd64, linux/arm64" \
    "$probe" resolve "127.0.0.1:$plain/team/app:1.0" linux/riscv64 # 96
check "near tags" 1 "nearest tags that exist: 1.0" "$probe" resolve "127.0.0.1:$plain/team/app:1.1"
check "no repository" 1 "not found" "$probe" resolve "127.0.0.1:$plain/team/none:1"
check "pull" 0 "$digest" "$probe" pull "127.0.0.1:$plain/team/app:1.0" "$work/store"
check "the store holds what the layout does" 0 "" \
    sh -c "cd '$work/store/blobs/sha256' && [ \$(ls | wc -l) -ge 3 ] && sha256sum * | awk '\$1 != \$2 { exit 1 }'"
check "pull again" 0 "$digest" "$probe" pull "127.0.0.1:$plain/team/app:1.0" "$work/store"

# what we push, others pull
check "push with two tags and a second repository" 0 "$digest" "$probe" push "$work/store2" \
    "$work/layout" "127.0.0.1:$plain/ours/app:a" "127.0.0.1:$plain/ours/app:b" \
    "127.0.0.1:$plain/other/app:a"
for name in ours/app:a ours/app:b other/app:a; do
    check "skopeo reads $name" 0 "$digest" \
        skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://127.0.0.1:$plain/$name"
done
check "skopeo copies it" 0 "" skopeo copy --quiet --src-tls-verify=false \
    "docker://127.0.0.1:$plain/other/app:a" "dir:$work/copied"

# certificates: 133
check "an unknown certificate" 1 "SSL_CERT_FILE" "$probe" resolve "127.0.0.1:$secure/x:1"
expired=$(free_port)
start_registry expired "$expired" "" ", tls: {certificate: $work/expired.pem, key: $work/key.pem}"
wait_for "$expired"
check "a certificate that has expired" 1 "check the date of this machine" env SSL_CERT_FILE="$work/expired.pem" \
    "$probe" resolve "127.0.0.1:$expired/x:1"
check "push over https" 0 "$digest" env SSL_CERT_FILE="$work/cert.pem" \
    "$probe" push "$work/store2" "$work/layout" "127.0.0.1:$secure/x:1"
check "a certificate for another name" 1 "error" env SSL_CERT_FILE="$work/cert.pem" \
    "$probe" resolve "localhost:$secure/x:1"
check "a host listed as insecure" 0 "$digest" env PROBE_INSECURE="127.0.0.1:$secure" \
    "$probe" pull "127.0.0.1:$secure/x:1" "$work/store4"

# credentials
check "none found" 1 "no credentials for 127.0.0.1:$closed were found" \
    "$probe" resolve "127.0.0.1:$closed/x:1"
auth=$(printf user:secret | base64)
export DOCKER_AUTH_CONFIG="{\"auths\":{\"127.0.0.1:$closed\":{\"auth\":\"$auth\"}}}"
check "push with credentials" 0 "$digest" \
    "$probe" push "$work/store2" "$work/layout" "127.0.0.1:$closed/x:1"
check "pull with credentials" 0 "$digest" "$probe" pull "127.0.0.1:$closed/x:1" "$work/store3"
export DOCKER_AUTH_CONFIG="{\"auths\":{\"127.0.0.1:$closed\":{\"auth\":\"$(printf user:wrong | base64)\"}}}"
check "wrong credentials name their source" 1 "from \$DOCKER_AUTH_CONFIG" \
    "$probe" resolve "127.0.0.1:$closed/x:1"
export DOCKER_AUTH_CONFIG=
mkdir -p "$work/bin" "$HOME/.docker"
cat > "$work/bin/docker-credential-fake" << 'END'
#!/bin/sh
read -r server
echo "{\"ServerURL\":\"$server\",\"Username\":\"user\",\"Secret\":\"secret\"}"
END
chmod +x "$work/bin/docker-credential-fake"
echo '{"credsStore":"fake"}' > "$HOME/.docker/config.json"
PATH=$work/bin:$PATH check "a credential helper" 0 "$digest" \
    "$probe" resolve "127.0.0.1:$closed/x:1"
check "a helper that is not there" 1 "docker-credential-fake" \
    "$probe" resolve "127.0.0.1:$closed/x:1"
check "... does not stand in the way of public images" 0 "$digest" \
    "$probe" resolve "127.0.0.1:$plain/team/app:1.0"
rm -r "$HOME/.docker"

# a line that breaks at any byte, once, in either direction: EVERY=1 tries each, LINE_BYTES=65536 has more of them
python3 "$here/fault_proxy.py" "$work/line.port" "$plain" &
servers+=($!)
wait_for_file "$work/line.port"
line=$(cat "$work/line.port")
python3 "$here/make_layout.py" "$work/tiny" 1 "${LINE_BYTES:-500}"
tiny=$("$probe" layout "$work/tiny")
arm() { # DIRECTION BYTE: says "done" when the one before has come to pass
    exec 3<> "/dev/tcp/127.0.0.1/$line"
    echo "ARM $1 $2" >&3
    read -r armed <&3
    exec 3>&-
}
arm none 0
break_line() { # DIRECTION WHAT COMMAND...: until a cut comes too late to matter
    local direction=$1 what=$2 at=1 bad=0
    shift 2
    while [ $at -lt 500000 ]; do
        arm "$direction" $at
        if ! out=$("$@" $at 2>&1) || [ "$out" != "$tiny" ]; then
            echo "cut at byte $at of the $direction: $out"
            bad=1
        fi
        arm none 0
        [ "$armed" = done ] || break
        at=$((at + ${EVERY:-101}))
    done
    check "line: $what, cut in the $direction up to byte $at" 0 "" test $bad = 0 -a $at -gt 1000
}
push_tiny() { "$probe" push "$work/store7" "$work/tiny" "127.0.0.1:$line/cut/$direction-$1:1"; }
pull_tiny() { rm -rf "$work/store8"; "$probe" pull "127.0.0.1:$line/cut/whole:1" "$work/store8"; }
skopeo copy --quiet --dest-tls-verify=false "oci:$work/tiny:1" "docker://127.0.0.1:$plain/cut/whole:1"
for direction in request answer; do
    break_line $direction push push_tiny
    break_line $direction pull pull_tiny
done

# images there and back while 5 of 100 requests go wrong
images=${STRESS:-300}
python3 "$here/fault_proxy.py" "$work/bad-line.port" "$plain" 5 &
servers+=($!)
wait_for_file "$work/bad-line.port"
check "stress: $images pushes and pulls over a bad line" 0 "$tiny" \
    "$probe" stress "$work/stress" "$work/tiny" "127.0.0.1:$(cat "$work/bad-line.port")" "$images"
check "stress: what came is what went" 0 "$images" sh -c "cd '$work' && for store in stress-*; do
    (cd \$store/blobs/sha256 && sha256sum * | awk '\$1 != \$2 { exit 1 }') || exit 1; done; ls -d stress-* | wc -l"

# a server that misbehaves: the repository says how
export DOCKER_AUTH_CONFIG="{\"auths\":{\"127.0.0.1:$fault\":{\"auth\":\"$auth\"}}}"
n=0
fault() { # NAME EXPECTED-EXIT EXPECTED-WORDS
    n=$((n + 1))
    check "server: $1" "$2" "$3" timeout 60 "$probe" pull "127.0.0.1:$fault/$1:latest" "$work/fault$n"
}
fault good 0 "sha256:"
fault truncated 0 "sha256:"
fault reset 0 "sha256:"
fault closed-early 0 "sha256:" # 124
fault no-range 0 "sha256:" # 126
fault bad-range 0 "sha256:" # 126
fault range-refused 0 "sha256:" # 126
fault flaky 0 "sha256:" # 122
fault too-many 0 "sha256:" # 121
fault too-many-date 0 "sha256:" # 121
fault redirect 0 "sha256:" # 118 120
fault redirect-relative 0 "sha256:"
fault token 0 "sha256:" # 115: expires_in -1
fault mended 0 "sha256:"
fault twice 0 "sha256:"
fault foreign-realm 1 "belongs to another domain" # 111
fault always-truncated 1 "after 6 tries"
fault always-503 1 "after 6 tries" # 122
fault always-429 1 "try again later: the registry does not say when" # 121
fault limited 1 "the limit is 100 in 6 h; try again in 1 h 31 min, at 2" # 121
fault limited-until 1 "too many requests" # 121
fault wrong-bytes 1 "not sha256:"
fault wrong-config 1 "does not match size and digest" # 100
fault long-body 1 "more than the" # 125
fault lying-digest 1 "registry calls the manifest" # 128
fault html 1 "manifest: line 1" # 123
fault loop-401 1 "not authorised" # 109
fault redirect-loop 1 "redirects more than 10 times" # 117
fault redirect-file 1 "neither http nor https" # 116
fault redirect-credentials 1 "credentials in it" # 119
fault realm-file 1 "neither http nor https" # 110
fault no-token 1 "no usable token" # 115
fault huge-token 1 "longer than" # 115
fault encoding 1 "Content-Encoding" # 127
fault long-headers 1 "error" # 130
fault big-manifest 1 "longer than" # 84
fault index-loop 1 "nested more than 3" # 95
fault layer-count 1 "but the configuration" # 98
fault ansi 1 "denied"
fault too-many-bad 0 "sha256:" # 121
fault no-layers 0 "sha256:" # 101
fault urls 0 "sha256:" # 102: nobody goes there, see below
fault data-lies 0 "sha256:" # 103: not looked at
fault mixed 0 "sha256:" # 104
fault untyped 0 "sha256:" # 104
fault untyped-layer 1 "not a layer" # 104
fault type-lies 1 "but came as application/vnd.docker" # 104
fault index-type 1 "but came as application/vnd.oci.image.index" # 104
for expires in 0 huge real text null; do fault expires-$expires 0 "sha256:"; done # 115
fault expires-no-number 1 "too big integer" # 115
fault token-503 1 "after 6 tries" # 115
fault expires-mid 0 "sha256:" # a token that is no longer good in the midst of a blob
fault no-realm 1 "not authorised" # 113
fault empty-challenge 1 "not authorised" # 113
fault unterminated 0 "sha256:" # 113
fault two-challenges 0 "sha256:" # 114
fault redirect-ftp 1 "neither http nor https" # 116
fault redirect-gopher 1 "neither http nor https" # 116
fault redirect-maze 0 "sha256:" # 117
fault redirect-plain 1 "without https" # 118
fault redirect-signed 0 "sha256:" # an address that is good for one request
fault redirect-cr 1 "redirect by 127.0.0.1" # 130
fault redirect-escaped 0 "sha256:" # 130
fault long-header 1 "malformed answer" # 130
fault encoding-blob 1 "Content-Encoding" # 127
fault chunked 0 "sha256:" # 131
fault chunked-cut 0 "sha256:" # 124
fault chunked-garbage 1 "after 6 tries" # 131
secure_fault=127.0.0.1:$(cat "$work/fault.port.tls")
check "server: a token server without https" 1 "names a token server without https" env SSL_CERT_FILE="$work/cert.pem" \
    "$probe" resolve "$secure_fault/realm-plain" # 112

# HTTP/2; Debian's python has the module
/usr/bin/python3 "$here/h2_front.py" "$work/h2.port" "$work/h2.log" "$fault" "$work/key.pem" "$work/cert.pem" &
servers+=($!)
wait_for_file "$work/h2.port"
for kind in good h2-goaway h2-goodbye h2-refused h2-reset; do
    n=$((n + 1))
    check "HTTP/2: $kind" 0 "sha256:" env SSL_CERT_FILE="$work/cert.pem" timeout 60 \
        "$probe" pull "127.0.0.1:$(cat "$work/h2.port")/$kind:latest" "$work/fault$n"
    [ $kind = good ] || check "... it was" 0 "$kind" cat "$work/h2.log"
done

# 118: a server with a public address may not send us to a private one
public() { # NAME EXPECTED-EXIT EXPECTED-WORDS
    check "public server: $1" "$2" "$3" env PROBE_INSECURE="$public" PATH="$PATH:/usr/sbin" \
        nsenter --preserve-credentials -U -n -t "$public_pid" "$probe" pull "$public/$1:latest" "$work/public-$1"
}
FAULT_ADDRESS=203.0.113.1 PATH=$PATH:/usr/sbin unshare --map-root-user --net sh -c '
    ip link set lo up && ip address add 203.0.113.1/32 dev lo && exec python3 "$@"' sh \
    "$here/fault_server.py" "$work/public.port" "$work/public.log" &
public_pid=$!
servers+=($public_pid)
wait_for_file "$work/public.port"
public=203.0.113.1:$(cat "$work/public.port")
public good 0 "sha256:"
for name in redirect-loopback redirect-metadata redirect-mapped redirect-localhost realm-loopback; do
    public $name 1 "may not send mlbuild to a private address"
done

# images that it takes: blobs of 300 kB in parts of 100000 bytes
push() { # NAME EXPECTED-EXIT EXPECTED-WORDS
    PROBE_CHUNK=100000 check "push: $1" "$2" "$3" timeout 60 "$probe" push "$work/store2" \
        "$work/layout" "127.0.0.1:$fault/$1:latest"
}
push up-good 0 "$digest"
push up-good 0 "$digest"
for cut in 1 2 3 149 150 151 99999 100000 100001 150000 199999 200000 250000 299999 300000 300101; do
    push up-cut-at_$cut 0 "$digest"
done
push up-cut_99999 0 "$digest"
push up-cut_100001 0 "$digest"
for cut in 99999 100001 250000; do push up-forgets-cut_$cut 1 "after 6 tries"; done
for cut in 1 100000 250000; do push up-forgets-at_$cut 0 "$digest"; done
push up-torn 0 "$digest"
push up-lost-answer 0 "$digest"
push up-status-lies 0 "$digest"
push up-status-zero 0 "$digest"
push up-partial 0 "$digest"
push up-no-range 0 "$digest"
push up-range-lies 0 "$digest"
push up-no-chunks 0 "$digest" # 136
push up-416 0 "$digest" # 136
push up-503 1 "after 6 tries" # 122
push up-413_30000 0 "$digest"
push up-413_1000 1 "client_max_body_size"
push up-min_250000 0 "$digest" # 136
push up-min_1000000000000 0 "$digest" # 136
push up-relative 0 "$digest" # 134
push up-elsewhere 0 "$digest" # 134
push up-plain-elsewhere 1 "without https" # 134
push up-file 1 "neither http nor https" # 134
push up-redirects_307 0 "$digest"
push up-redirects_308 0 "$digest"
push up-redirects-early_307 0 "$digest"
for part in "POST blobs" "PATCH blobs" "PUT blobs" "PUT manifests"; do
    check "redirected: $part" 0 "redirected up-redirects_307 $part" cat "$work/fault.log"
done
push up-redirects_303 1 "HTTP 303"
push up-circles_307 1 "redirects more than 10 times"
push up-storm 0 "$digest"
push up-expiring_4 0 "$digest"
push up-mismatch 1 "not that digest"
push up-digest-lies 1 "stored sha256:0000" # 128
push up-manifest-lies 1 "stored another manifest" # 128
push up-pretends 0 "$digest" # 129
# 135: to a second repository of the host, by a mount or without
for kind in up-mounts up-mount-refused up-good; do
    check "push: $kind" 0 "$digest" timeout 60 "$probe" push "$work/store2" "$work/layout" \
        "127.0.0.1:$fault/$kind.one:1" "127.0.0.1:$fault/$kind.two:1"
    check "push: $kind, bytes of the second" 0 "" \
        awk -v name=$kind.two -v mounts=$([ $kind = up-mounts ]; echo $((!$?))) '
        $1 == "pushed" && $2 == name { seen = 1; if (mounts ? $3 > 0 : $3 == 0) exit 1 }
        END { exit !seen }' "$work/fault.log"
done

# a large layer over a line that breaks sixteen times; BIG_MIB=4096: as users have them
mib=${BIG_MIB:-512}
python3 "$here/make_layout.py" --big "$work/big" "$mib"
big=$("$probe" layout "$work/big")
most=$((64 * 1024)) # KiB; a sanitizer takes more
! nm "$probe" | grep -q __asan_init || most=$((1024 * 1024))
check "push: $mib MiB" 0 "$big" env PROBE_CHUNK=$((mib << 13)) python3 -c '
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("peak", peak, "KiB")
sys.exit(code or peak > int(sys.argv[1]))' "$most" \
    "$probe" push "$work/store6" "$work/big" "127.0.0.1:$fault/up-cut_$((mib << 16)):1"
check "... in less than 1.1 times its bytes" 0 "" awk -v name="up-cut_$((mib << 16))" -v size=$((mib << 20)) '
    $1 == "pushed" && $2 == name { print; sent = $3 }
    END { exit !(sent >= size && sent < 1.1 * size) }' "$work/fault.log"
rm -r "$work/big" "$work/store6"

# the same, read while it arrives; by a single thread as well
follow() { # NAME EXPECTED-EXIT EXPECTED-WORDS
    local alone
    for alone in "" alone; do
        n=$((n + 1))
        check "follow $alone: $1" "$2" "$3" timeout 60 "$probe" follow \
            "127.0.0.1:$fault/$1.follow$alone:latest" "$work/fault$n" $alone
    done
}
check "follow: two layers" 0 "$digest" "$probe" follow "127.0.0.1:$plain/team/app:1.0" "$work/store5"
check "follow: what is there" 0 "$digest" "$probe" follow "127.0.0.1:$plain/team/app:1.0" "$work/store5"
follow good 0 "sha256:"
follow slow 0 "sha256:"
follow twice 0 "sha256:"
follow truncated 0 "sha256:"
follow reset 0 "sha256:"
follow closed-early 0 "sha256:"
follow no-range 0 "sha256:"
follow bad-range 0 "sha256:"
follow range-refused 0 "sha256:"
follow mended 0 "sha256:"
follow always-truncated 1 "after 6 tries"
follow wrong-bytes 1 "not sha256:"
follow long-body 1 "more than the"
check "nothing escapes to the terminal" 1 "" \
    sh -c "'$probe' resolve 127.0.0.1:$fault/ansi 2>&1 | grep -q \$(printf '\\033')"
check "what was reset went on where it was" 0 "resumed reset at" cat "$work/fault.log"
check "no authorisation went to another origin" 1 "" grep -q "LEAK" "$work/fault.log"
check "but that origin was asked" 0 "stranger /token" cat "$work/fault.log"
check "... not for what a layer's urls say" 1 "" grep -q "stranger /urls" "$work/fault.log"

echo "$count checks, $failures failed"
[ $failures -eq 0 ]
