# SPDX-License-Identifier: Apache-2.0
# Every document that mlbuild writes obeys the schemas of the OCI image-spec, and tells the truth.
load helpers
load registry

setup() {
    registry_setup
    # what there is to say of an image
    dockerfile << 'END'
FROM base
ARG SOURCE_DATE_EPOCH
LABEL one="1" empty="" quoted="a \"b\" <c> & ü" org.opencontainers.image.title=title
ENV A=b EMPTY=
EXPOSE 80 53/udp
VOLUME /data ["/more"]
WORKDIR /work
COPY file /file
RUN rm /base/gone && mkdir /made && chown app /made
USER app:extra
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --retries=2 CMD true
SHELL ["/bin/sh", "-ec"]
ONBUILD RUN true
ENTRYPOINT ["/bin/sh"]
CMD []
END
}
teardown() { registry_teardown; }

schema() { python3 "$HERE/schema.py" "$@"; }

@test "the schemas bite" {
    local digest=sha256:$(printf '%064d' 0)
    local config='{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "'$digest'", "size": 2}'
    local layer=${config/config.v1+json/layer.v1.tar}
    local rest='"rootfs": {"type": "layers", "diff_ids": []}'
    schema --is manifest <<< '{"schemaVersion": 2, "config": '"$config"', "layers": ['"$layer"']}'
    fails 1 schema --is manifest <<< '{"schemaVersion": 2, "config": '"$config"', "layers": []}'
    fails 1 schema --is manifest <<< '{"schemaVersion": 2, "config": '"${config/\"size\": 2/\"size\": \"2\"}"', "layers": ['"$layer"']}'
    fails 1 schema --is manifest <<< '{"schemaVersion": 2, "config": '"${config/sha256:/sha256-}"', "layers": ['"$layer"']}'
    fails 1 schema --is manifest <<< '{"schemaVersion": 2, "config": '"$config"', "layers": ['"$layer"'], "annotations": {"a": 1}}'
    fails 1 schema --is index <<< '{"schemaVersion": 1, "manifests": []}'
    fails 1 schema --is layout <<< '{}'
    schema --is config <<< '{"os": "linux", "architecture": "amd64", '"$rest"'}'
    fails 1 schema --is config <<< '{"os": "linux", "architecture": "amd64"}'
    fails 1 schema --is config <<< '{"os": "linux", "architecture": "amd64", "created": "today", '"$rest"'}'
    fails 1 schema --is config <<< '{"os": "linux", "architecture": "amd64", "config": {"Env": null}, '"$rest"'}'
}

@test "each output of a build: oci, docker, oci-dir, standard output; the store; save" {
    ok mlb -t img:1 -t example.org/a/b:2 -o type=oci,dest=oci.tar -o type=docker,dest=docker.tar \
        -o type=oci-dir,dest=layout -o img.tar "$CTX"
    mlb -t img:1 -o type=oci,dest=- "$CTX" > out.tar 2> /dev/null
    ok "$MLBUILD" save -o saved.tar img:1
    ok "$MLBUILD" save --format oci-dir -o saved img:1
    ok schema oci.tar docker.tar layout img.tar out.tar saved.tar saved "$MLBUILD_STORE"
}

@test "each compression, and of the base too" {
    local format
    for format in auto gzip zstd none; do
        ok mlb -t img --compression $format -o "$format.tar" "$CTX"
        ok mlb -t img --compression $format --force-compression -o "all-$format.tar" "$CTX"
        ok schema "$format.tar" "all-$format.tar"
    done
}

@test "labels, annotations and an epoch: as asked for, and by the schema" {
    local odd=$'two words, "quoted",\ttab \xe2\x80\xa8 and <&>'
    ok mlb -t img --label "a.b=$odd" --annotation "a.b=$odd" --annotation manifest:empty= \
        --epoch 1500000000 -o img.tar -o type=oci-dir,dest=layout "$CTX"
    ok schema img.tar layout
    same annotations "$(skopeo inspect --raw oci-archive:img.tar | json "[d['annotations']['a.b'], d['annotations']['empty']]")" \
        "$(printf '%s' "$odd" | python3 -c 'import json, sys; print(json.dumps([sys.stdin.read(), ""]))')"
    same label "$(image config img.tar | json "d['config']['Labels']['a.b']")" "$odd"
    same created "$(image config img.tar | json "d['created']")" 2017-07-14T02:40:00Z
    SOURCE_DATE_EPOCH=0 ok mlb -t img -o early.tar "$CTX"
    ok schema early.tar
}

@test "what has no layer of its own, what has one file, what is bare" {
    printf 'FROM base\nENV A=b\n' | dockerfile
    ok mlb -t img -o env.tar "$CTX"
    printf 'FROM scratch\nCOPY file /\n' | dockerfile
    ok mlb -t img -o scratch.tar "$CTX"
    ok schema env.tar scratch.tar
}

@test "what is pushed: by build and push, with each compression, by digest" {
    local format
    for format in gzip zstd none; do
        ok mlb -t "$HUB/a/b:$format" --compression $format --annotation a=b --push "$CTX"
        ok skopeo copy --quiet --preserve-digests --src-tls-verify=false "docker://$HUB/a/b:$format" dir:$format
        ok schema $format
    done
    ok mlb -t "$HUB/c:1" "$CTX"
    ok "$MLBUILD" push "$HUB/c:1"
    ok skopeo copy --quiet --preserve-digests --src-tls-verify=false "docker://$HUB/c:1" dir:pushed
    ok mlb -o "type=image,name=$HUB/d,push-by-digest=true,push=true" --metadata-file meta "$CTX"
    ok skopeo copy --quiet --preserve-digests --src-tls-verify=false \
        "docker://$HUB/d@$(json "d['containerimage.digest']" < meta)" dir:digest
    ok schema pushed digest
}
