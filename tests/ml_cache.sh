#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# After examples/quickstart.sh: its builder shares the steps of the ML example in a registry, and another
# one with a store of its own makes the same image from that without running a step.
set -euo pipefail
cd "$(dirname "$0")/.."

state=${QUICKSTART_DIR:-/var/tmp/mlbuild-quickstart-$(id -u)}
user=$(id -un)
home=$HOME
prefix=()
if [ "$user" = root ]; then
    user=mlbuild-quickstart
    home=$(getent passwd "$user" | cut -d: -f6)
    prefix=(setpriv --reuid "$user" --regid "$user" --init-groups)
fi
work=$(mktemp -d /tmp/mlbuild-ml-cache.XXXXXX)
registry=
finish() {
    [ -z "$registry" ] || kill "$registry"
    "${prefix[@]}" unshare --map-auto --map-root-user rm -rf "$work/store"
    rm -rf "$work"
}
trap finish EXIT
cp build/release/mlbuild "$work/"
cp -rp examples/ml-serve "$work/"
mkdir -m 700 "$work/store"
chmod 755 "$work"
[ ${#prefix[@]} -eq 0 ] || chown -R "$user" "$work"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf '%s\n' 'version: 0.1' 'log: {level: error, accesslog: {disabled: true}}' \
    "storage: {filesystem: {rootdirectory: $work/registry}}" "http: {addr: \"127.0.0.1:$port\"}" >"$work/registry.yml"
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry=$!
for _ in $(seq 100); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.1
done

# build STORE OPTIONS...: the image id is in FILE
build() {
    (cd "$work/ml-serve" && "${prefix[@]}" env -i HOME="$home" USER="$user" PATH="$PATH" MLBUILD_STORE="$1" \
        "$work/mlbuild" build --progress plain -t ml-serve "${@:2}" .) 2>&1
}
context=()
[ ! -e "$state/python-base/index.json" ] || context=(--build-context "python:3.11-slim=oci-layout://$state/python-base")
cache=localhost:$port/team/cache
first=$(build "$home/.local/share/mlbuild" "${context[@]}" --cache-to "type=registry,ref=$cache,mode=max") || { echo "$first" >&2; exit 1; }
second=$(build "$work/store" "${context[@]}" --cache-from "type=registry,ref=$cache") || { echo "$second" >&2; exit 1; }

ran=$(awk '/^#[0-9]+ \[.*\] (RUN|COPY|WORKDIR)/ { step[$1] = $0 } /^#[0-9]+ DONE/ && ($1 in step) { print step[$1] }' <<<"$second")
if [ -n "$ran" ] || [ "$(grep '^image' <<<"$first")" != "$(grep '^image' <<<"$second")" ]; then
    printf '%s\n' "$first" "$second" "not cached: $ran" >&2
    exit 1
fi
echo "the second builder ran no step: $(grep '^image' <<<"$second")"
