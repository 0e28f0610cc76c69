# SPDX-License-Identifier: Apache-2.0
# Steps of another architecture. run.sh leaves this file out where the kernel has no emulator for arm64.
load helpers

@test "RUN under emulation: the emulator of the host is found, and the step is cached as any other" {
    python3 "$HERE/elf.py" arm64 "$CTX/program"
    dockerfile << 'END'
FROM scratch
COPY program /program
RUN ["/program"]
END
    ok mlb --platform linux/arm64 -t img -o out.tar "$CTX"
    same made "$(image cat out.tar made)" /made
    same platform "$(image config out.tar | json "d['architecture']")" arm64
    ok mlb --platform linux/arm64 -t img "$CTX"
    says "CACHED"
    "$MLBUILD" doctor | grep -q "^platforms .* linux/arm64"
}
