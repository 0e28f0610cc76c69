#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No source file is longer than 600 lines, every folder has a README.md of at most 40 lines, and
# every source file names its license.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0

complain() {
    echo "$1"
    bad=1
}

# shellcheck disable=SC2044 # our own names have no blanks
for file in $(find cmd lib frontend snapshotter tests examples -name "*.[ch]"); do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || complain "$file: $lines lines, more than 600"
    head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
        complain "$file: no SPDX line"
done

for folder in lib/* frontend/* snapshotter snapshotter/sandbox cmd; do
    [ -d "$folder" ] || continue
    if [ ! -f "$folder/README.md" ]; then
        complain "$folder: no README.md"
    elif [ "$(wc -l <"$folder/README.md")" -gt 40 ]; then
        complain "$folder/README.md: more than 40 lines"
    fi
done

exit "$bad"
