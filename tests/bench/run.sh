#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Times mlbuild beside Debian's buildah, in turn, in one run: only the ratios count.
#
#     tests/bench/run.sh [--quick]
#
# Both work rootless as the same ordinary user (started by root: a throw-away one) from the same busybox
# base; RUN uses the host's network in both.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD

runs=5 files=20000 megabytes=512 steps=50
[ "${1:-}" != --quick ] || { runs=3 files=2000 megabytes=32 steps=10; }

if [ "$(id -u)" -eq 0 ]; then
    user=mlbuild-bench
    id "$user" >/dev/null 2>&1 || useradd --create-home "$user"
    grep -q "^$user:" /etc/subuid || usermod --add-subuids 500000-565535 --add-subgids 500000-565535 "$user"
    home=$(getent passwd "$user" | cut -d: -f6)
    copy=$home/bench
    rm -rf "$copy"
    install -d -o "$user" "$copy/tests" "$copy/build/release"
    cmake --preset release >/dev/null && cmake --build --preset release >/dev/null
    cp -r tests/bench tests/cli "$copy/tests/"
    cp build/release/mlbuild "$copy/build/release/"
    chown -R "$user" "$copy"
    exec setpriv --reuid "$user" --regid "$user" --init-groups \
        env -i HOME="$home" USER="$user" PATH="$PATH" "$copy/tests/bench/run.sh" "$@"
fi

mlbuild=$top/build/release/mlbuild
work=$(mktemp -d "$HOME/bench.XXXXXX")
export MLBUILD_STORE=$work/store BUILDAH_ISOLATION=rootless STORAGE_DRIVER=overlay
cleanup() {
    buildah rmi --all --force >/dev/null 2>&1 || true
    unshare --map-auto --map-root-user rm -rf "$work" 2>/dev/null || rm -rf "$work"
}
trap cleanup EXIT

python3 "$top/tests/bench/base.py" "$work/base"
skopeo copy --quiet "oci:$work/base:latest" "oci-archive:$work/base.tar:base:latest"
buildah pull --quiet "oci-archive:$work/base.tar" >/dev/null
base_id=$(buildah images --format '{{.ID}}' | head -n 1)
buildah tag "$base_id" localhost/base:latest

workload() { # NAME: makes $work/NAME with a Dockerfile
    mkdir -p "$work/$1/src"
    echo 'print("hello")' >"$work/$1/src/app.py"
    cat >"$work/$1/Dockerfile"
}
head -c $((megabytes * 1024 * 1024)) /dev/urandom >"$work/weights.bin"

workload stages <<'END'
FROM base AS builder
WORKDIR /app
RUN mkdir /wheels && echo wheel > /wheels/a
FROM base
COPY --from=builder /wheels /wheels
COPY model/ /app/model/
COPY src/ /app/src/
RUN chown -R 1000:1000 /app/src
CMD ["sh"]
END
mkdir "$work/stages/model" && ln "$work/weights.bin" "$work/stages/model/weights.bin"

{ echo 'FROM base'; for i in $(seq "$steps"); do echo "RUN true # $i"; done; } | workload runs

workload files <<'END'
FROM base
COPY . /data/
END
for d in $(seq $((files / 100))); do
    mkdir "$work/files/$d"
    for f in $(seq 100); do echo "$d $f" >"$work/files/$d/$f"; done
done

ours() { echo "$mlbuild -q -t bench-$1 --build-context base=oci-layout://$work/base $work/$1"; }
theirs() { echo "buildah build -q --layers --isolation rootless --runtime runc --network host -t bench-$1 --from localhost/base $work/$1"; }
forget_ours() { echo "$mlbuild rmi bench-$1; $mlbuild prune"; }
forget_theirs() { echo "buildah rmi --all --force; buildah pull -q oci-archive:$work/base.tar | xargs -I% buildah tag % localhost/base:latest"; }

row() { # TITLE NAME PREPARE_OURS PREPARE_THEIRS
    hyperfine --runs "$runs" --style none --ignore-failure --export-json "$work/result.json" \
        --prepare "($3) >/dev/null 2>&1 || true" "$(ours "$2") >/dev/null" \
        --prepare "($4) >/dev/null 2>&1 || true" "$(theirs "$2") >/dev/null" >/dev/null 2>&1
    python3 - "$1" "$work/result.json" <<'END'
import json, sys
ours, theirs = (r for r in json.load(open(sys.argv[2]))["results"])
failed = any(code for r in (ours, theirs) for code in r.get("exit_codes", []))
print(f"{sys.argv[1]:34} {ours['median']:9.3f} s {theirs['median']:9.3f} s {theirs['median'] / ours['median']:7.1f}x"
      + ("  (a run failed)" if failed else ""))
END
}

printf '%-34s %11s %11s %8s\n' workload mlbuild buildah ratio
row "stages with $megabytes MB, cold" stages "$(forget_ours stages)" "$(forget_theirs)"
row "... again, nothing changed" stages true true
touch_src="echo 'print(' \$(date +%N) ')' > $work/stages/src/app.py"
row "... one file changed" stages "$touch_src" "$touch_src"
row "$steps x RUN true, cold" runs "$(forget_ours runs)" "$(forget_theirs)"
row "... again" runs true true
row "COPY of $files files, cold" files "$(forget_ours files)" "$(forget_theirs)"
row "... again" files true true

peak=$(/usr/bin/env python3 - "$mlbuild" "$work" <<'END'
import resource, subprocess, sys
subprocess.run([sys.argv[1], "-q", "--no-cache", "-t", "bench-peak", "-o", sys.argv[2] + "/peak.tar",
                "--build-context", f"base=oci-layout://{sys.argv[2]}/base", sys.argv[2] + "/stages"],
               check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
END
)
echo "largest process while exporting $megabytes MB of weights: $peak MiB"
