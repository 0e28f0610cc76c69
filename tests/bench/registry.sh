# SPDX-License-Identifier: Apache-2.0
# Debian's docker-registry on loopback (sourced).
# shellcheck shell=bash disable=SC2154 # $work is workspace.sh's
registry_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

wait_until() { # COMMAND...: ten seconds at most
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "in vain: $*" >&2
    return 1
}

registry_answers() { (: <"/dev/tcp/127.0.0.1/$registry_port"); }

start_registry() {
    cat >"$work/registry.yml" <<END
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$registry_port"}
END
    docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
    registry=$!
    servers+=("$registry")
    wait_until registry_answers
}

# An empty one: it forgets on a restart only.
restart_registry() {
    if [ -n "${registry:-}" ]; then
        kill "$registry"
        wait "$registry" || true
    fi
    rm -rf "$work/registry"
    start_registry
}
