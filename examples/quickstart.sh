#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a served model: builds mlbuild, builds examples/ml-serve with it as an ordinary
# user, and asks the image for a prediction. A second run takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
state=${QUICKSTART_DIR:-/var/tmp/mlbuild-quickstart-$(id -u)}
port=${PORT:-8080}

say() { printf '\n== %s\n' "$*"; }

say "packages"
examples/install-deps.sh build run

say "mlbuild"
cmake --preset release >/dev/null
cmake --build --preset release | tail -n 1
mlbuild=$top/build/release/mlbuild

# Started by root, the build still runs as an ordinary user: a throw-away one with sub-ids.
mkdir -p "$state"
if [ "$(id -u)" -eq 0 ]; then
    user=mlbuild-quickstart
    id "$user" >/dev/null 2>&1 || useradd --create-home "$user"
    grep -q "^$user:" /etc/subuid || usermod --add-subuids 400000-465535 --add-subgids 400000-465535 "$user"
    home=$(getent passwd "$user" | cut -d: -f6)
    work=$home/quickstart
    install -d -o "$user" "$work"
    install -m 755 "$mlbuild" "$work/mlbuild"
    rm -rf "$work/ml-serve"
    cp -rp examples/ml-serve "$work/"
    chown -R "$user" "$work/ml-serve"
    as_user() { setpriv --reuid "$user" --regid "$user" --init-groups env -i HOME="$home" USER="$user" \
        PATH="$PATH" TERM="${TERM:-dumb}" sh -c "cd '$work/ml-serve' && $*"; }
    mlbuild=$work/mlbuild
else
    work=$state
    as_user() { sh -c "cd '$top/examples/ml-serve' && $*"; }
fi

say "base image python:3.11-slim"
context=
base=$state/python-base
if [ ! -e "$base/index.json" ] && as_user "timeout 60 $mlbuild pull --quiet python:3.11-slim" 2>/dev/null; then
    echo "pulled from the registry"
else
    if [ ! -e "$base/index.json" ]; then
        echo "no registry in reach: making one from Debian's packages (about a minute)"
        examples/python-base.sh "$base"
    fi
    context="--build-context python:3.11-slim=oci-layout://$base"
    echo "made from Debian's packages: $base"
fi

say "mlbuild -t ml-serve $context ."
as_user "$mlbuild -t ml-serve $context -o $work/ml-serve.tar ."

say "serving $work/ml-serve.tar"
name=ml-serve-quickstart
podman load --quiet --input "$work/ml-serve.tar" >/dev/null
stop() { podman rm --force --time 1 "$name" >/dev/null 2>&1 || true; }
trap stop EXIT
# Hosts without unified control groups, or that forbid raising limits, need the second form.
start() { podman "$@" --rm --detach --name "$name" --network host --env PORT="$port" \
    docker.io/library/ml-serve:latest >/dev/null 2>&1; }
stop
start run || { stop; start --runtime runc run --ulimit nofile=1000:1000 --ulimit nproc=1000:1000; } || {
    echo "podman could not start the image" >&2
    exit 1
}
for _ in $(seq 50); do
    curl --silent --fail "http://127.0.0.1:$port/health" >/dev/null && break
    sleep 0.2
done
echo "POST /predict {\"x\": [1.0, 0.0]}"
curl --silent --show-error --fail --data '{"x": [1.0, 0.0]}' "http://127.0.0.1:$port/predict"
stop

say "what was built"
as_user "$mlbuild inspect ml-serve" | python3 -c '
import json, sys
image = json.load(sys.stdin)
steps = [h for h in image["config"]["history"] if not h.get("empty_layer")]
steps = [{"created_by": "(base)"}] * (len(image["layers"]) - len(steps)) + steps
print("image", image["id"])
for layer, step in zip(image["layers"], steps):
    size = layer.get("size") or layer["blob_size"]
    print(f"{size / 1e6:9.3f} MB  {step.get('"'created_by'"', '"'(base)'"')[:90]}")
'
cat <<END

Next:
  $mlbuild images
  $mlbuild inspect ml-serve
  $mlbuild -t ml-serve --push ...      with a name like HOST/ml-serve
END
