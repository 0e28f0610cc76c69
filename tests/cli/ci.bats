# SPDX-License-Identifier: Apache-2.0
# What examples/ci counts on: builders that share a registry and nothing else, and the root of a pod.
load helpers
load registry

setup() { registry_setup; }
teardown() { registry_teardown; }

# A stage that all share, and one for each service.
services=(api worker trainer web)
dockerfile_of_services() {
    {
        printf 'FROM base AS shared\nRUN cat /proc/sys/kernel/random/uuid > /shared\n'
        printf 'FROM shared AS %s\nRUN echo %s > /service\n' $(printf '%s %s ' "${services[@]/%/ }" | xargs -n1 | sed 's/.*/& &/')
    } | dockerfile
}

# build_service SERVICE STORE ARGUMENTS...
build_service() {
    MLBUILD_STORE=$PWD/$2 mlb -t "$HUB/app/$1:1" --push --target "$1" --cache-from "type=registry,ref=$HUB/app-cache" \
        --cache-to "type=registry,ref=$HUB/app-cache,mode=max" "${@:3}" "$CTX"
}

@test "builders at once over one cache: none hinders another, and whoever comes next finds all of it" {
    dockerfile_of_services
    local service pids=()
    for service in "${services[@]}"; do
        build_service "$service" "store-$service" > "$service.log" 2>&1 3>&- &
        pids+=($!)
    done
    for service in "${services[@]}"; do
        wait "${pids[0]}" || { cat "$service.log"; return 1; }
        pids=("${pids[@]:1}")
    done
    for service in "${services[@]}"; do
        ok build_service "$service" "next-$service" -o "$service.tar"
        step_says "RUN echo $service" CACHED
        [ -n "$(image cat "$service.tar" /shared)" ]
        same service "$(image cat "$service.tar" /service)" "$service"
    done
}

@test "a cache that is not there, or may not be written: the build is as good" {
    fault_server
    dockerfile_of_services
    ok mlb -t "$HUB/app/api:1" --push --target api --cache-from "type=registry,ref=localhost:1/app-cache" \
        --cache-from "type=registry,ref=$fault/html" -o img.tar "$CTX"
    ok inspect_remote "$HUB/app/api:1"
}

# The capabilities of containerd and CRI-O, with hostUsers: false and allowPrivilegeEscalation: false.
in_pod() {
    local caps=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service
    caps+=,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap
    userns setpriv --bounding-set=$caps --inh-caps=$caps --no-new-privs "$@"
}

@test "the root of a pod with user namespaces builds: no capability of the host, no setuid program" {
    dockerfile << 'END'
FROM base
RUN id -u > /who && echo x > /theirs && chown app:extra /theirs && grep NoNewPrivs /proc/self/status > /privs
USER app
RUN id -u > /tmp/app
END
    ok in_pod "$MLBUILD" build --progress=plain --build-context "base=oci-layout://$BASE" -t img -o img.tar "$CTX"
    same root "$(image cat img.tar /who)" 0
    same app "$(image cat img.tar /tmp/app)" 1000
    image tree img.tar theirs | grep -q "644 1000 2000 "
    ok in_pod "$MLBUILD" doctor
    says "namespaces   ok" "ids          65536 users"
}
