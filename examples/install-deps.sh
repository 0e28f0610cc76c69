#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs Debian 12's packages: `build` what compiling takes, `run` what the quickstart takes beside,
# `test` what the tests take beside. Uses sudo when not root; does nothing that is done already.
set -euo pipefail

declare -A packages=(
    [build]="gcc cmake ninja-build pkg-config libc6-dev libarchive-dev libssl-dev
        libcurl4-openssl-dev libjansson-dev libyaml-dev zlib1g-dev libzstd-dev liblzma-dev libbz2-dev
        libdeflate-dev libseccomp-dev"
    [run]="uidmap git ca-certificates curl python3 mmdebstrap umoci podman runc crun"
    [test]="libcmocka-dev bats skopeo umoci buildah podman runc crun docker.io docker-registry
        apache2-utils busybox-static uidmap python3 openssl curl attr acl libcap2-bin util-linux
        bsdutils procps xz-utils bzip2 zstd openssh-client binutils clang libclang-rt-14-dev clang-format clang-tidy
        e2fsprogs mount iproute2 qemu-user-static binfmt-support
        python3-yaml python3-jsonschema golang-github-opencontainers-image-spec-dev"
)
[ "$(dpkg --print-architecture)" != amd64 ] || packages[build]+=" libisal-dev"

missing=()
for group in "$@"; do
    for package in ${packages[$group]}; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok' || missing+=("$package")
    done
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
echo "installing: ${missing[*]}"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
