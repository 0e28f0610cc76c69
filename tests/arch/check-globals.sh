#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: check-globals.sh BUILD_DIR
# The libraries hold no state of their own: no writable variable outside globals.txt. Constant
# tables that hold addresses (.data.rel.ro) are read-only once the program is loaded.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 2
set -- lib*.a
[ -f "$1" ] || { echo "no libraries in $PWD"; exit 2; }

for library; do
    objdump --syms "$library" | sed "s/ \.hidden / /" |
        awk -v library="$library" '
            NF > 4 && $(NF - 2) ~ /^\.(data|bss|tdata|tbss)/ && $(NF - 2) !~ /^\.data\.rel\.ro/ && $NF !~ /^\./ {
                print library, $NF
            }'
done | sort -u |
awk 'NR == FNR { if (!/^#/ && NF) { allowed[$1 " " $2] } next }
     ($1 " " $2) in allowed { seen[$1 " " $2]; next }
     { print $1 ": writable global " $2; bad = 1 }
     END { for (name in allowed) if (!(name in seen)) { print "globals.txt: " name " is gone"; bad = 1 }
           exit bad }' "$here/globals.txt" -
