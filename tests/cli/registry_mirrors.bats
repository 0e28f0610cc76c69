# SPDX-License-Identifier: Apache-2.0
# registries.conf, certs.d, proxies: what stands between mlbuild and a registry.
load helpers
load registry

setup() { registry_setup; }
teardown() { registry_teardown; }

# conf < TEXT: the user's registries.conf
conf() {
    mkdir -p "$HOME/.config/containers"
    cat > "$HOME/.config/containers/registries.conf"
}

# start_mirror NAME: a pull-through cache of the hub, which takes no pushes; its address in $mirror
start_mirror() {
    local port2=$(free_port)
    mirror=localhost:$port2
    start_registry "$1" "$port2" "proxy: {remoteurl: \"http://$HUB\"}"
}

# start_secure NAME [TLS-LINES]: a registry with a certificate of a CA of its own; leaves $secure, ca.crt
start_secure() {
    [ -e ca.key ] || openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt 2> /dev/null
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$1.key" -out "$1.csr" 2> /dev/null
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" \
        -extfile <(echo subjectAltName=DNS:localhost,DNS:registry.test) 2> /dev/null
    local port2=$(free_port)
    secure=localhost:$port2
    start_registry "$1" "$port2" "" ", tls: {certificate: $PWD/$1.crt, key: $PWD/$1.key${2:-}}"
}

@test "mirror: a read-only cache in front; the registry need not be asked, and cannot be pushed around" {
    put_base
    start_mirror cache
    conf << END
[[registry]]
location = "$HUB"
[[registry.mirror]]
location = "$mirror"
END
    ok "$MLBUILD" pull --debug --progress=plain "$HUB/team/base:1.0"
    says "source 1 of 2 is $mirror/team/base, a mirror" "source 2 of 2 is $HUB/team/base"
    grep -q 'GET /v2/team/base/blobs.*mlbuild' cache.log
    ! grep -q mlbuild hub.log
    # what is pushed goes to the registry itself
    ok mlb -t "$HUB/a:1" --push "$CTX"
    ok inspect_remote "$HUB/a:1"
}

@test "mirror: dead, without the image, without a blob, with wrong bytes: the next is asked" {
    put_base
    fault_server
    local dead=localhost:$(free_port)
    start_registry other "$(free_port)"
    skopeo copy --quiet --dest-tls-verify=false "oci:$BASE:latest" "docker://localhost:$port/team/base:1.0"
    conf << END
[[registry]]
location = "$HUB/team"
[[registry.mirror]]
location = "$dead/x"
[[registry.mirror]]
location = "$fault/always-503"
[[registry.mirror]]
location = "$fault/html"
END
    ok "$MLBUILD" pull --debug --progress=plain "$HUB/team/base:1.0"
    says "next source: " "$dead" "source 4 of 4"
    # with what the fault server calls base, whose layers it damages
    conf << END
[[registry]]
prefix = "images.example/base"
location = "$fault/good"
[[registry.mirror]]
location = "$fault/always-truncated"
[[registry.mirror]]
location = "$fault/wrong-bytes"
[[registry.mirror]]
location = "$fault/forgets"
END
    MLBUILD_STORE=$PWD/store2 ok "$MLBUILD" pull --progress=plain images.example/base
    for blob in store2/blobs/sha256/*; do
        same "digest of a blob" "$(sha256sum < "$blob" | cut -d' ' -f1)" "$(basename "$blob")"
    done
    # all of them fail: what each said
    conf << END
[[registry]]
prefix = "images.example"
location = "$HUB/none"
[[registry.mirror]]
location = "$fault/html"
END
    fails 4 "$MLBUILD" pull --progress=plain images.example/base
    says "no source has it: " "html" "last: $HUB: " "not found"
}

@test "registries.conf: blocked, insecure where it says so, not understood" {
    put_base
    conf << END
[[registry]]
location = "$HUB"
blocked = true
END
    fails 1 "$MLBUILD" pull "$HUB/team/base:1.0"
    says "$HOME/.config/containers/registries.conf blocks $HUB"
    fails 1 mlb -t "$HUB/a:1" --push "$CTX"
    says "blocks $HUB"
    echo '[[registry]' | conf
    fails 1 "$MLBUILD" pull "$HUB/team/base:1.0"
    says "registries.conf: line 1: ]] is expected"
    start_secure secure
    echo "# nothing" | conf
    fails 4 mlb -t "$secure/a:1" --push "$CTX"
    says "certificate"
    conf << END
[[registry]]
location = "$secure"
insecure = true
END
    ok mlb -t "$secure/a:1" --push "$CTX"
    ok "$MLBUILD" pull "$secure/a:1"
}

@test "certs.d: a private authority, a client's certificate; SSL_CERT_FILE" {
    put_base
    start_secure secure
    fails 4 mlb -t "$secure/a:1" --push "$CTX"
    says "certs.d/HOST:PORT/ca.crt"
    SSL_CERT_FILE=$PWD/ca.crt ok mlb -t "$secure/a:1" --push "$CTX"
    local dir=$HOME/.config/containers/certs.d/$secure
    mkdir -p "$dir"
    cp ca.crt "$dir/ca.crt"
    ok mlb -t "$secure/b:1" --push "$CTX"
    # both: what SSL_CERT_FILE names goes on to count
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=stranger -keyout s.key -out s.crt 2> /dev/null
    SSL_CERT_FILE=$PWD/s.crt ok "$MLBUILD" pull "$secure/a:1"
    cp s.crt "$dir/ca.crt"
    fails 4 "$MLBUILD" pull "$secure/a:1"
    SSL_CERT_FILE=$PWD/ca.crt ok "$MLBUILD" pull "$secure/a:1"
    echo rubbish > "$dir/ca.crt"
    fails 4 "$MLBUILD" pull "$secure/a:1"

    start_secure mutual ", clientcas: [$PWD/ca.crt]"
    dir=$HOME/.config/docker/certs.d/$secure
    mkdir -p "$dir"
    cp ca.crt "$dir"
    fails 4 mlb -t "$secure/a:1" --push "$CTX"
    openssl req -newkey rsa:2048 -nodes -subj /CN=me -keyout "$dir/me.key" -out me.csr 2> /dev/null
    openssl x509 -req -in me.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$dir/me.cert" 2> /dev/null
    ok mlb -t "$secure/a:1" --push "$CTX"
    ok "$MLBUILD" pull --debug "$secure/a:1"
    says "and we are $dir/me.cert"
    rm "$dir/me.key"
    fails 1 "$MLBUILD" pull "$secure/a:1"
    says "the key $dir/me.key of the certificate beside it"
}

@test "proxies: used but for this host and NO_PROXY; capitals count" {
    put_base
    start_secure secure
    python3 "$HERE/../registry/proxy.py" "$PWD/proxy.port" "$PWD/proxy.log" "${secure#*:}" 3>&- &
    servers+=($!)
    python3 "$HERE/../registry/proxy.py" "$PWD/plain.port" "$PWD/plain.log" "$port" 3>&- &
    servers+=($!)
    wait_until 10 test -s proxy.port
    wait_until 10 test -s plain.port
    unset no_proxy NO_PROXY
    export https_proxy=http://127.0.0.1:$(cat proxy.port) SSL_CERT_FILE=$PWD/ca.crt
    ok mlb -t registry.test/a:1 --push "$CTX"
    grep -q "CONNECT registry.test:443" proxy.log
    : > proxy.log
    ok mlb -t "$secure/b:1" --push "$CTX"
    same "proxied requests to this host" "$(cat proxy.log)" ""
    NO_PROXY=other.test,registry.test fails 4 mlb -t registry.test/a:1 --push "$CTX"
    same "proxied requests to NO_PROXY" "$(cat proxy.log)" ""
    unset https_proxy
    # https is tried first there, and has no way
    export HTTP_PROXY=http://127.0.0.1:$(cat plain.port)
    ok "$MLBUILD" pull --insecure-registry registry.test registry.test/team/base:1.0
    grep -q "GET http://registry.test/v2/team/base/manifests/1.0" plain.log
}
