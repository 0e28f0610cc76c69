# SPDX-License-Identifier: Apache-2.0
# What the registry*.bats have in common: Debian's registry on loopback, and one more image to push.

# start_registry NAME PORT [MORE-LINES [TLS]]: leaves its process id in $server
start_registry() {
    cat > "$BATS_TEST_TMPDIR/$1.yml" << END
version: 0.1
log: {level: error, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $BATS_TEST_TMPDIR/$1}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$2"${4:-}}
${3:-}
END
    docker-registry serve "$BATS_TEST_TMPDIR/$1.yml" > "$1.log" 2>&1 3>&- &
    server=$!
    servers+=("$server")
    wait_for_port "$2"
}

stop_registry() {
    kill "$server"
    wait "$server" 2> /dev/null || true
}

registry_setup() {
    common_setup
    servers=()
    port=$(free_port)
    HUB=localhost:$port
    start_registry hub "$port"
    echo content > "$CTX/file"
    dockerfile << END
FROM base
COPY file /file
END
}

registry_teardown() {
    for server in "${servers[@]}"; do
        kill "$server" 2> /dev/null || true
    done
    wait
    common_teardown
}

# Puts the base image there as team/base:1.0, by another tool.
put_base() {
    skopeo copy --quiet --dest-tls-verify=false "oci:$BASE:latest" "docker://$HUB/team/base:1.0"
}

inspect_remote() { skopeo inspect --tls-verify=false "docker://$1"; }

# fault KIND: a base from the server that misbehaves as KIND says
fault_server() {
    python3 "$HERE/../registry/fault_server.py" "$PWD/fault.port" "$PWD/fault.log" 3>&- &
    servers+=($!)
    wait_until 10 test -s fault.port
    fault=127.0.0.1:$(cat fault.port)
    mkdir -p "$HOME/.docker"
    echo "{\"auths\": {\"$fault\": {\"auth\": \"$(printf user:secret | base64)\"}}}" > "$HOME/.docker/config.json"
}

# basic USER:PASSWORD: as config.json has it
basic() { printf '%s' "$1" | base64; }

# start_closed [NAME]: a registry of user:secret; leaves its address in $closed
start_closed() {
    htpasswd -Bbn user secret > htpasswd 2> /dev/null
    local port2=$(free_port)
    closed=localhost:$port2
    start_registry "${1:-closed}" "$port2" "auth: {htpasswd: {realm: test, path: $PWD/htpasswd}}"
}

# start_tokens [get|post][-offline] [EXPIRES-S]: a registry with a token server; leaves its address in $tokens
start_tokens() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tokens -keyout token.key -out token.crt 2> /dev/null
    python3 "$HERE/../registry/token_server.py" "$PWD/token.port" "$PWD/token.log" token.key token.crt "$@" 3>&- &
    servers+=($!)
    wait_until 10 test -s token.port
    local port2=$(free_port)
    tokens=localhost:$port2
    start_registry tokens "$port2" "auth: {token: {realm: \"http://localhost:$(cat token.port)/token\", service: test, issuer: test, rootcertbundle: $PWD/token.crt}}"
}
