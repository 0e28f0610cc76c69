/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/descriptor.h"

#include <string.h>

#include "tests/support/test.h"

#define HEX    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define DIGEST "\"sha256:" HEX "\""
#define CONFIG                                                                                     \
    "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":2,"           \
    "\"digest\":" DIGEST "}"
#define LAYER(size, digest)                                                                        \
    "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":" size                \
    ",\"digest\":" digest "}"
#define MANIFEST(layers) "{\"schemaVersion\":2," CONFIG ",\"layers\":[" layers "]}"

/* The numbers are those of the bad inputs, see tests/registry/registry_test.sh. */
static const struct manifest_case {
    const char *name, *text;
    const char *why; /* NULL: fine */
    enum error_kind kind;
} cases[] = {
    { "plain", MANIFEST(LAYER("1", DIGEST)), NULL, 0 },
    { "101: no layers", MANIFEST(""), NULL, 0 },
    { "81: both kinds", "{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"manifests\":[]}",
      "both a manifest and an index", ERROR_CORRUPT },
    { "an index", "{\"schemaVersion\":2,\"manifests\":[]}", "config", ERROR_CORRUPT },
    { "104: says index",
      "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\"," CONFIG
      ",\"layers\":[]}",
      "says it is", ERROR_CORRUPT },
    { "94: schema 1", "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1", ERROR_UNSUPPORTED },
    { "schema 3", "{\"schemaVersion\":3}", "schemaVersion 3", ERROR_CORRUPT },
    { "no version", "{" CONFIG ",\"layers\":[]}", "schemaVersion", ERROR_CORRUPT },
    { "82: duplicate key", "{\"schemaVersion\":2,\"schemaVersion\":2}", "duplicate",
      ERROR_CORRUPT },
    { "86: negative size", MANIFEST(LAYER("-1", DIGEST)), "whole number", ERROR_CORRUPT },
    { "85: exponent size", MANIFEST(LAYER("1e3", DIGEST)), "whole number", ERROR_CORRUPT },
    { "85: float size", MANIFEST(LAYER("1.5", DIGEST)), "whole number", ERROR_CORRUPT },
    { "85: size 2^63", MANIFEST(LAYER("9223372036854775808", DIGEST)), "too big", ERROR_CORRUPT },
    { "text size", MANIFEST(LAYER("\"1\"", DIGEST)), "whole number", ERROR_CORRUPT },
    { "87: path as digest", MANIFEST(LAYER("1", "\"sha256:../../x\"")), "not a sha256",
      ERROR_CORRUPT },
    { "88: upper-case digest",
      MANIFEST(LAYER("1", "\"sha256:44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8"
                          "A\"")),
      "not a sha256", ERROR_CORRUPT },
    { "89: md5", MANIFEST(LAYER("1", "\"md5:00\"")), "not a sha256", ERROR_CORRUPT },
    { "90: sha512", MANIFEST(LAYER("1", "\"sha512:" HEX HEX "\"")), "only sha256",
      ERROR_UNSUPPORTED },
    { "102: foreign layer",
      MANIFEST("{\"mediaType\":\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\","
               "\"size\":1,\"digest\":" DIGEST ",\"urls\":[\"http://x/\"]}"),
      "not a layer", ERROR_UNSUPPORTED },
    { "104: layer without type", MANIFEST("{\"size\":1,\"digest\":" DIGEST "}"), "not a layer",
      ERROR_UNSUPPORTED },
    { "layers an object", "{\"schemaVersion\":2," CONFIG ",\"layers\":{}}", "no list of layers",
      ERROR_CORRUPT },
    { "layer a number", MANIFEST("5"), "not an object", ERROR_CORRUPT },
    { "no config", "{\"schemaVersion\":2,\"layers\":[]}", "config", ERROR_CORRUPT },
    { "artifact",
      "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\","
      "\"size\":2,\"digest\":" DIGEST "},\"layers\":[]}",
      "another artifact", ERROR_UNSUPPORTED },
    { "html", "<html>", "manifest: line 1", ERROR_CORRUPT },
};

static void manifest_case(void **state)
{
    const struct manifest_case *c = *state;
    struct error err = { 0 };
    struct manifest m = { 0 };
    int rc = manifest_parse(c->text, strlen(c->text), MEDIA_MANIFEST, &m, &err);

    if (c->why) {
        assert_error(rc, &err, c->kind, c->why);
        return;
    }
    assert_ok(rc, &err);
    manifest_release(&m);
}

/* 80 */
static void layer_count_is_bounded(void **state)
{
    (void)state;
    for (size_t count = OCI_LAYERS_MAX; count <= OCI_LAYERS_MAX + 1; count++) {
        struct strbuf text = STRBUF_INIT;
        struct manifest m = { 0 };
        struct error err = { 0 };
        strbuf_addstr(&text, "{\"schemaVersion\":2," CONFIG ",\"layers\":[");
        for (size_t i = 0; i < count; i++)
            strbuf_addf(&text, "%s%s", i ? "," : "", LAYER("1", DIGEST));
        strbuf_addstr(&text, "]}");
        int rc = manifest_parse(text.buf, text.len, MEDIA_UNKNOWN, &m, &err);
        if (count == OCI_LAYERS_MAX)
            assert_ok(rc, &err);
        else
            assert_error(rc, &err, ERROR_CORRUPT, "more than");
        manifest_release(&m);
        strbuf_release(&text);
    }
}

/* 84 */
static void size_is_bounded(void **state)
{
    (void)state;
    struct manifest m = { 0 };
    struct error err = { 0 };
    size_t len = OCI_DOCUMENT_MAX + 1;
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, ' ', len);
    assert_error(manifest_parse(text, len, MEDIA_MANIFEST, &m, &err), &err, ERROR_CORRUPT,
                 "larger than");
    free(text);
}

static void manifest_prints_as_buildkit(void **state)
{
    (void)state;
    static const char expected[] =
        "{\n  \"schemaVersion\": 2,\n  \"mediaType\": "
        "\"application/vnd.oci.image.manifest.v1+json\",\n  \"config\": {\n    \"mediaType\": "
        "\"application/vnd.oci.image.config.v1+json\",\n    \"digest\": " DIGEST
        ",\n    \"size\": 2\n  },\n  \"layers\": [\n    {\n      \"mediaType\": "
        "\"application/vnd.oci.image.layer.v1.tar+gzip\",\n      \"digest\": " DIGEST
        ",\n      \"size\": 9\n    }\n  ]\n}";
    struct error err = { 0 };
    struct manifest m = { 0 };
    struct strbuf out = STRBUF_INIT;
    static const char text[] = MANIFEST(LAYER("9", DIGEST));

    assert_ok(manifest_parse(text, strlen(text), MEDIA_UNKNOWN, &m, &err), &err);
    manifest_print(&m, &out);
    assert_string_equal(out.buf, expected);
    strbuf_release(&out);
    manifest_release(&m);
}

int main(void)
{
    enum { OTHERS = 3 };
    struct CMUnitTest tests[COUNT(cases) + OTHERS] = {
        cmocka_unit_test(layer_count_is_bounded),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(manifest_prints_as_buildkit),
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ cases[i].name, manifest_case, NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
