# SPDX-License-Identifier: Apache-2.0
# The builders (sourced). Each NAME has
#
#     NAME_start                     once, before the first row
#     NAME_forget                    its store is empty
#     NAME_base BASE                 ... but for this base image
#     NAME_build CONTEXT OUTPUT      sets `command`; OUTPUT: none, tar, dir (see out_of), store or push;
#                                    none is the cache alone, where a builder can do without an image
#
# so that another builder is five functions and a name in `builders`. Bases are layouts on disk; the one that
# is pulled in W9 is named by its registry and has none.
# shellcheck shell=bash disable=SC2034,SC2154 # `command` is for the caller; $work and $mlbuild are workspace.sh's
export CONTAINERS_STORAGE_CONF=$work/storage.conf
base_layout=$work/base

layout_of() {
    case $1 in
    base) echo "$base_layout" ;;
    python:3.11-slim) echo "$BENCH_PYTHON_BASE" ;;
    esac
}
base_of() { sed -n 's/^FROM \([^ ]*\).*/\1/p;T;q' "$work/$1/Dockerfile"; }
name_of() { echo "localhost:$registry_port/$1/$2:1"; }
out_of() { echo "$work/out/$1.$2"; }

mlbuild_start() { :; }
mlbuild_forget() { remove_tree "$MLBUILD_STORE"; }
mlbuild_base() { :; }
mlbuild_build() {
    local base layout name
    base=$(base_of "$1")
    layout=$(layout_of "$base")
    name=$(name_of mlbuild "$1")
    command=("$mlbuild" -q --network host)
    [ -z "$layout" ] || command+=(--build-context "$base=oci-layout://$layout")
    case $2 in
    none) command+=(-o type=cacheonly) ;;
    tar) command+=(-t "$name" -o "$(out_of mlbuild tar)") ;;
    dir) command+=(-t "$name" -o "type=oci-dir,dest=$(out_of mlbuild dir)") ;;
    store) command+=(-t "$name") ;;
    esac
    command+=("$work/$1")
    [ "$2" != push ] || command=("$mlbuild" push -q "$name")
}

buildah_start() {
    cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "overlay"
graphroot = "$work/buildah"
rootless_storage_path = "$work/buildah"
runroot = "$work/buildah-run"
END
    # crun is the faster, but starts only where control groups are not mixed.
    context probe <<<$'FROM base\nRUN true'
    buildah_base base
    buildah_runtime=crun
    buildah_build probe none
    "${command[@]}" >/dev/null 2>&1 || buildah_runtime=runc
}
buildah_forget() { buildah rmi --all --force >/dev/null 2>&1 || true; }
buildah_base() {
    buildah tag "$(buildah pull --quiet "oci:$(layout_of "$1")")" "localhost/$1"
}
buildah_build() {
    local name push=(buildah push --quiet)
    name=$(name_of buildah "$1")
    command=(buildah build --quiet --layers --jobs 0 --isolation rootless --runtime "$buildah_runtime"
        --network host --tls-verify=false --tag "$name" "$work/$1")
    case $2 in
    tar) push+=("$name" "oci-archive:$(out_of buildah tar)") ;;
    dir) push+=("$name" "oci:$(out_of buildah dir):1") ;;
    push) push+=(--tls-verify=false "$name") ;;
    esac
    case $2 in
    push) command=("${push[@]}") ;;
    tar | dir) command=(sh -c "${command[*]} && ${push[*]}") ;;
    esac
}

# What these variables name for buildx: stage.sh starts docker's, with its store of containerd.
buildkit_start() {
    export BUILDX_NO_DEFAULT_ATTESTATIONS=1
    buildx=(docker --config "$work/docker" buildx)
}
buildkit_forget() { "${buildx[@]}" prune --all --force >/dev/null; }
buildkit_base() { :; }
buildkit_build() {
    local base layout digest output=type=cacheonly
    base=$(base_of "$1")
    layout=$(layout_of "$base")
    command=("${buildx[@]}" build --quiet --network host --allow network.host "$work/$1")
    if [ -n "$layout" ]; then
        digest=$(grep -o 'sha256:[0-9a-f]*' "$layout/index.json" | head -n 1)
        command+=(--build-context "$base=oci-layout://$layout@$digest")
    fi
    case $2 in
    tar) output=type=oci,dest=$(out_of buildkit tar) ;;
    dir) output=type=oci,tar=false,dest=$(out_of buildkit dir) ;;
    push) output=type=image,name=$(name_of buildkit "$1"),push=true,registry.insecure=true ;;
    esac
    command+=(--output "$output")
}

installed() { command -v "$1" >/dev/null; }

builders=(mlbuild)
! installed buildah || builders+=(buildah)
[ -z "${DOCKER_HOST-}${BUILDX_BUILDER-}" ] || builders+=(buildkit)
