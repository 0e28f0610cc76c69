# SPDX-License-Identifier: Apache-2.0
# Who takes images from one place to another (sourced). Each NAME has
#
#     NAME_forget           its store is empty
#     NAME_move IMAGE WAY   sets `command`; WAY: pull, push, save or load
#
# skopeo has no store; a directory is one for it. buildah's pull and load unpack the layers as well.
# shellcheck shell=bash disable=SC2034,SC2154 # `command` is for the caller; the rest is builders.sh's and workspace.sh's

mlbuild_move() {
    local name
    name=$(name_of mlbuild "$1")
    case $2 in
    pull | push) command=("$mlbuild" "$2" -q "$name") ;;
    save) command=("$mlbuild" save -o "$(out_of mlbuild tar)" "$name") ;;
    load) command=("$mlbuild" load -q -i "$work/$1.tar") ;;
    esac
}

skopeo_forget() { rm -rf "$work/skopeo"; }
skopeo_move() {
    local here=oci:$work/skopeo:1 there
    there=docker://$(name_of skopeo "$1")
    command=(skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false)
    case $2 in
    pull) command+=("$there" "$here") ;;
    push) command+=("$here" "$there") ;;
    save) command+=("$here" "oci-archive:$(out_of skopeo tar)") ;;
    load) command+=("oci-archive:$work/$1.tar" "$here") ;;
    esac
}

buildah_move() {
    local name
    name=$(name_of buildah "$1")
    case $2 in
    pull) command=(buildah pull --quiet --tls-verify=false "docker://$name") ;;
    push) command=(buildah push --quiet --tls-verify=false "$name") ;;
    save) command=(buildah push --quiet "$name" "oci-archive:$(out_of buildah tar)") ;;
    load) command=(buildah pull --quiet "oci-archive:$work/$1.tar") ;;
    esac
}

# publish IMAGE LAYOUT: in an empty registry, under the name that each mover has for it
publish() {
    local mover
    restart_registry
    for mover in "${movers[@]}"; do
        skopeo copy --quiet --dest-tls-verify=false "oci:$2:1" "docker://$(name_of "$mover" "$1")"
    done
}

movers=(mlbuild)
! installed skopeo || movers+=(skopeo)
! installed buildah || movers+=(buildah)
