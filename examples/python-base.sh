#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a stand-in for python:3.11-slim from Debian's packages, as an OCI layout, for hosts that reach a
# package mirror but no registry. Needs mmdebstrap and umoci; root, or sub-ids.
#
#     examples/python-base.sh DIR        then: mlbuild --build-context python:3.11-slim=oci-layout://DIR ...
#
# apt's sources and keys are this host's. Debian's Python refuses pip outside a virtual environment, and
# where there is no registry there is no PyPI either: the image's environment settles both.
set -euo pipefail

dir=${1:?usage: python-base.sh DIR}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mmdebstrap --quiet --variant=minbase \
    --include=ca-certificates,python3,python3-pip,python3-venv,python3-setuptools,python3-wheel \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='ln -s python3 "$1/usr/bin/python"' \
    --customize-hook='rm -rf "$1"/var/cache/apt/* "$1"/var/log/*' \
    bookworm "$work/rootfs.tar"

umoci init --layout "$work/layout"
umoci new --image "$work/layout:3.11-slim"
umoci raw add-layer --image "$work/layout:3.11-slim" "$work/rootfs.tar"
umoci config --image "$work/layout:3.11-slim" \
    --config.env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    --config.env PYTHON_VERSION=3.11 \
    --config.env PIP_BREAK_SYSTEM_PACKAGES=1 \
    --config.env PIP_NO_INDEX=1 \
    --config.env PIP_NO_BUILD_ISOLATION=0 \
    --config.env PIP_DISABLE_PIP_VERSION_CHECK=1 \
    --config.env PIP_ROOT_USER_ACTION=ignore \
    --config.cmd python3
umoci gc --layout "$work/layout" >/dev/null

mkdir -p "$(dirname "$dir")"
rm -rf "$dir"
cp -r "$work/layout" "$dir"
chmod -R a+rX "$dir"
