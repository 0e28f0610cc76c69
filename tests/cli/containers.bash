# SPDX-License-Identifier: Apache-2.0
# buildah and podman as root of a user namespace, with storage and locks of their own; a test that calls
# containers_tool ends with `userns rm -rf "$runroot"`.

containers_tool() {
    printf '[engine]\nlock_type = "file"\n' > containers.conf
    # instead of the host's signatures, which only root reads
    mkdir -p "$HOME/.config/containers/registries.d"
    echo "default-docker: {lookaside: \"file://$PWD/signatures\"}" > "$HOME/.config/containers/registries.d/default.yaml"
    runroot=$(mktemp -d "${TMPDIR:-/tmp}/XXXXXX") # at most 50 characters
    runc=$(PATH=$PATH:/usr/sbin:/sbin command -v runc)
}

# tool buildah|podman ARGUMENTS...
tool() {
    local program=$1
    shift
    userns env CONTAINERS_CONF="$PWD/containers.conf" "$program" --root "$PWD/storage" --runroot "$runroot" \
        --storage-driver vfs "$@"
}

pod() { tool podman --tmpdir "$runroot/tmp" --events-backend none --cgroup-manager cgroupfs --runtime "$runc" "$@"; }
