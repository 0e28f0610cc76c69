#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The include graph is the architecture: layers.txt says who may include whom, the table below in
# which folder a third-party header may stand. Run from anywhere; prints what is wrong.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0

# Edges between folders, *_internal.h only at home, and no line of layers.txt without a use.
grep -rnoE '^#include "[^"]+/[^"/]+"' --include='*.[ch]' cmd lib frontend snapshotter |
awk -F'[:"]' '
    NR == FNR && /^#/ { next }
    NR == FNR {
        split($0, side, ": *"); n = split(side[2], dep, " "); known[side[1]]
        for (i = 1; i <= n; i++) {
            may[side[1], dep[i]]
            if (dep[i] != "(all)" && !(dep[i] in known)) {
                print "layers.txt: " side[1] " lists " dep[i] ", which is not below it"; bad = 1
            }
        }
        next
    }
    {
        from = $1; sub("/[^/]*$", "", from); to = $4; sub("/[^/]*$", "", to)
        if (!(from in known)) { print $1 ": folder " from " is not in layers.txt"; bad = 1 }
        if (from == to) next
        used[from, to]
        if (!((from, to) in may) && !((from, "(all)") in may)) {
            print $1 ":" $2 ": " from " must not include " to; bad = 1
        }
        if ($4 ~ /_internal\.h$/) { print $1 ":" $2 ": " $4 " belongs to " to; bad = 1 }
    }
    END {
        for (edge in may) {
            split(edge, side, SUBSEP)
            if (side[2] != "(all)" && !(edge in used)) {
                print "layers.txt: " side[1] " does not use " side[2]; bad = 1
            }
        }
        exit bad
    }' tests/arch/layers.txt - || bad=1

# Each third-party library is included in one folder.
only_in() {
    folder=$1
    pattern=$2
    found=$(grep -rnE "^#include <($pattern)" --include='*.[ch]' cmd lib frontend snapshotter |
        grep -v "^$folder/[^/]*:")
    if [ -n "$found" ]; then
        printf '%s\n' "$found" | sed "s|\$|: belongs in $folder|"
        bad=1
    fi
}
only_in lib/codec 'openssl/|zlib\.h|zstd\.h|lzma\.h|bzlib\.h|archive|jansson\.h|yaml\.h|libdeflate\.h|isa-l'
only_in lib/net 'curl/'
only_in snapshotter/sandbox 'seccomp\.h'

exit "$bad"
