# SPDX-License-Identifier: Apache-2.0
# The same files make the same bytes, whatever the cores, threads, order of creation and environment, and
# whether the store was cold or warm.
load helpers

# A library to load first, with which mlbuild sees 64 cores on any host.
setup_file() {
    common_setup_file
    export MANY_CORES=$BATS_FILE_TMPDIR/many_cores.so
    cc -shared -fPIC -o "$MANY_CORES" -x c - << 'END'
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    (void)pid;
    memset(set, 0, size);
    for (int i = 0; i < 64; i++)
        CPU_SET(i, set);
    return 0;
}
END
}

setup() {
    common_setup
    dockerfile << 'END'
FROM base
COPY files /files/
COPY large /large/
RUN mkdir /made && cp -r /files/1 /made/ && cp /large/text /made/text && chown -R app /made
COPY --from=base /bin/busybox /copied
END
    many_files $(seq 10)
    large_files
    same_times "$CTX"
}

# many_files FOLDER...: twenty files in each, created in this order
many_files() {
    local folder file
    for folder; do
        mkdir -p "$CTX/files/$folder"
        for file in $(seq "$folder" $((folder + 19))); do
            echo "$folder $file" > "$CTX/files/$folder/$file"
        done
    done
}

# Of each kind that the compressor tells apart, and more than a few of its blocks.
large_files() {
    python3 - "$CTX/large" << 'END'
import os, random, struct, sys
rng = random.Random(1)
size = 3 << 20
os.mkdir(sys.argv[1])
def write(name, data):
    with open(f"{sys.argv[1]}/{name}", "wb") as f:
        f.write(data)
write("text", b"".join(b"%d is a line of text\n" % n for n in range(size // 24)))
write("noise", rng.randbytes(size))
# bfloat16 near zero: sign and exponent repeat, the mantissa does not
halves = [struct.pack(">f", rng.gauss(0, 0.02))[:2][::-1] for _ in range(1 << 15)]
write("weights", b"".join(halves) * (size >> 16))
END
}

# What was built would differ by its times.
same_times() {
    find "$1" -exec touch --no-dereference --date=@1700000000 {} +
}

# built OUTPUT PATH COMMAND-PREFIX...: the digest of the manifest there. The steps' own times are the epoch's.
built() {
    "${@:3}" "$MLBUILD" build -q --epoch 1700000000 --build-context "base=oci-layout://$BASE" \
        -o "$1" "$CTX" > log 2>&1 || { cat log; return 1; }
    image manifest "$2"
}

# digests COMMAND-PREFIX...: of a tar that an empty store makes, and of a directory that it makes next
digests() {
    rm -rf out.tar out.dir
    userns rm -rf "$MLBUILD_STORE"
    built out.tar out.tar "$@" && built type=oci-dir,dest=out.dir out.dir "$@"
}

# What all tests expect: found once.
expected() {
    [ -e "$BATS_FILE_TMPDIR/expected" ] || digests env > "$BATS_FILE_TMPDIR/expected"
    cat "$BATS_FILE_TMPDIR/expected"
}

@test "tar and directory, cold and warm" {
    ok expected
    [ "${#lines[@]}" -eq 2 ]
    same warm "${lines[1]}" "${lines[0]}"
    same "a tar again" "$(built again.tar again.tar env)" "${lines[0]}"
}

@test "one core, two cores, many threads" {
    local want
    want=$(expected)
    same "one core" "$(digests taskset -c 0)" "$want"
    [ "$(nproc)" -eq 1 ] || same "two cores" "$(digests taskset -c 0,1)" "$want"
    same "64 threads" "$(digests env LD_PRELOAD="$MANY_CORES")" "$want"
}

@test "files created in another order" {
    local want
    want=$(expected)
    rm -r "$CTX/files"
    many_files $(seq 10 -1 1)
    same_times "$CTX"
    same order "$(digests env)" "$want"
}

@test "another umask, locale and time zone" {
    local want
    want=$(expected)
    same digests "$(umask 077 && digests env LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8 TZ=Asia/Kathmandu)" "$want"
}

@test "what was packed before shows nowhere: after an edit, and with a store that was damaged" {
    ok mlb -o first.tar "$CTX"
    echo more >> "$CTX/files/3/7"
    echo more >> "$CTX/large/text"
    ok mlb -o again.tar "$CTX"
    MLBUILD_STORE=$PWD/other ok mlb -o alone.tar "$CTX"
    same "layers of files" "$(image layers again.tar | sed -n 3,4p)" "$(image layers alone.tar | sed -n 3,4p)"

    echo most >> "$CTX/files/4/9"
    local blob
    for blob in "$MLBUILD_STORE"/blobs/sha256/*; do # what is copied from there is not what it was
        chmod u+w "$blob"
        python3 -c 'import sys; f = open(sys.argv[1], "r+b"); d = f.read(); f.seek(0); f.write(bytes(b ^ 1 for b in d))' "$blob"
    done
    rm -r "$MLBUILD_STORE/images" "$MLBUILD_STORE/cache"
    ok mlb -o damaged.tar "$CTX"
    MLBUILD_STORE=$PWD/third ok mlb -o alone.tar "$CTX"
    same "the layer of files" "$(image layers damaged.tar | sed -n 3p)" "$(image layers alone.tar | sed -n 3p)"
}
