# SPDX-License-Identifier: Apache-2.0
# Building for other platforms, without an emulator.
load helpers

# foreign: an architecture that this host is not
foreign() {
    [ "$(uname -m)" = aarch64 ] && echo amd64 || echo arm64
}

# platform_of IMAGE: os/architecture/variant of its configuration
platform_of() { image config "$1" | json "'/'.join(d.get(k, '') for k in ('os', 'architecture', 'variant'))"; }

@test "--platform: files alone need no emulator; the image and the arguments say so" {
    dockerfile << 'END'
FROM scratch
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM
COPY file /file
ENV SAYS="$TARGETPLATFORM|$TARGETOS|$TARGETARCH|$TARGETVARIANT|$BUILDPLATFORM"
END
    echo content > "$CTX/file"
    local here=$(python3 -c 'import runpy; print(runpy.run_path("'"$IMAGE_PY"'")["ARCH"])')
    ok mlb --platform linux/arm/v6 -o v6.tar "$CTX"
    same platform "$(platform_of v6.tar)" linux/arm/v6
    image config v6.tar | json "d['config']['Env']" | grep -qF "SAYS=linux/arm/v6|linux|arm|v6|linux/$here"
    DOCKER_DEFAULT_PLATFORM=arm ok mlb -o v7.tar "$CTX"
    same platform "$(platform_of v7.tar)" linux/arm/v7
    ok mlb --platform "linux/$(foreign)" -o foreign.tar "$CTX"
    same platform "$(platform_of foreign.tar)" "linux/$(foreign)/"
    same "the copied layer" "$(image diffids foreign.tar)" "$(image diffids v7.tar)"
    fails 1 mlb --platform windows/amd64 "$CTX"
    says "--platform windows/amd64: images are built for linux"
}

@test "--platform: a base is resolved for it; one that is for another is called what was asked for" {
    python3 "$HERE/../registry/make_layout.py" layout
    dockerfile << 'END'
FROM both
COPY file /file
END
    echo content > "$CTX/file"
    for arch in amd64 arm64; do
        ok "$MLBUILD" build --build-context both=oci-layout://layout --platform "linux/$arch" -o $arch.tar "$CTX"
        same platform "$(platform_of $arch.tar)" "linux/$arch/"
        same hello "$(image cat $arch.tar hello)" "$arch"
    done
    sed -i 's/both/base/' "$CTX/Dockerfile"
    run --separate-stderr mlb --platform "linux/$(foreign)" -o other.tar "$CTX"
    same platform "$(platform_of other.tar)" "linux/$(foreign)/"
    [[ "$stderr" == *InvalidBaseImagePlatform* ]]
}

@test "--platform: a RUN that nothing emulates says so before it starts; the build platform's steps run" {
    dockerfile << 'END'
FROM --platform=$BUILDPLATFORM base AS build
RUN echo made > /made
FROM scratch AS copied
COPY --from=build /made /made
FROM copied
RUN ["/made"]
END
    fails 8 mlb --platform linux/wasm "$CTX"
    says "Dockerfile:6" "a step for linux/wasm cannot run on this host (linux/" "nothing emulates it" \
        "qemu-user-static and binfmt-support" 'FROM --platform=$BUILDPLATFORM'
    ok mlb --platform linux/wasm --target copied -o made.tar "$CTX"
    same platform "$(platform_of made.tar)" linux/wasm/
    same made "$(image cat made.tar made)" made
}

@test "--platform linux/386 on amd64: the kernel runs it itself" {
    python3 "$HERE/elf.py" 386 "$CTX/program"
    dockerfile << 'END'
FROM scratch
COPY program /program
RUN ["/program"]
END
    if [ "$(uname -m)" = x86_64 ]; then
        "$MLBUILD" doctor | grep -q "^platforms .*linux/386 linux/amd64"
        ok mlb --platform linux/386 -o out.tar "$CTX"
        same made "$(image cat out.tar made)" /made
    else
        fails 8 mlb --platform linux/mips64le "$CTX"
    fi
}

@test "--platform: no step of one platform is taken for another's" {
    dockerfile << 'END'
FROM base
RUN echo made > /made
END
    ok mlb -t a "$CTX"
    # the base's layers are the same
    fails 8 mlb --platform linux/wasm -t b "$CTX"
    says "a step for linux/wasm cannot run"
}
