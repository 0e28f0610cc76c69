/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/descriptor.h"

#include <string.h>

#include "tests/support/test.h"

#define ENTRY(letter, extra)                                                                       \
    "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":1,\"digest\":"         \
    "\"sha256:000000000000000000000000000000000000000000000000000000000000000" letter "\"" extra   \
    "}"
#define PLATFORM(os, arch) ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"}"
#define VARIANT(v)         ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"" v "\"}"
#define INDEX(entries)     "{\"schemaVersion\":2,\"manifests\":[" entries "]}"
#define ATTESTATION        ",\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"}"

static const struct choose_case {
    const char *name, *text, *wanted;
    int last_digit; /* of the chosen digest; -1: none suits */
} cases[] = {
    { "exact",
      INDEX(ENTRY("1", PLATFORM("linux", "arm64")) "," ENTRY("2", PLATFORM("linux", "amd64"))),
      "linux/amd64", 2 },
    { "96: none", INDEX(ENTRY("1", PLATFORM("linux", "arm64"))), "linux/amd64", -1 },
    { "empty", INDEX(""), "linux/amd64", -1 },
    { "null", "{\"schemaVersion\":2,\"manifests\":null}", "linux/amd64", -1 },
    { "unknown platform", INDEX(ENTRY("1", PLATFORM("unknown", "unknown"))), "linux/amd64", -1 },
    { "attestation", INDEX(ENTRY("1", ATTESTATION) "," ENTRY("2", "")), "linux/amd64", 2 },
    { "no platform is last", INDEX(ENTRY("1", "") "," ENTRY("2", PLATFORM("linux", "amd64"))),
      "linux/amd64", 2 },
    { "97: best variant",
      INDEX(ENTRY("1", VARIANT("v5")) "," ENTRY("2", VARIANT("v7")) "," ENTRY("3", VARIANT("v6"))),
      "linux/arm/v7", 2 },
    { "97: next variant", INDEX(ENTRY("1", VARIANT("v5")) "," ENTRY("3", VARIANT("v6"))),
      "linux/arm/v7", 3 },
    { "other types",
      INDEX("{\"mediaType\":\"application/x\",\"size\":1,\"digest\":"
            "\"sha256:0000000000000000000000000000000000000000000000000000000000000001\"}"),
      "linux/amd64", -1 },
};

static void choose_case(void **state)
{
    const struct choose_case *c = *state;
    struct error err = { 0 };
    struct index index = { 0 };
    struct platform wanted;

    assert_ok(platform_parse(c->wanted, &wanted, &err), &err);
    assert_ok(index_parse(c->text, strlen(c->text), MEDIA_UNKNOWN, &index, &err), &err);
    const struct index_entry *entry = index_choose(&index, &wanted);
    assert_int_equal(entry ? entry->descriptor.digest.bytes[31] : -1, c->last_digit);
    index_release(&index);
}

static const struct {
    const char *text, *why;
} bad[] = {
    { "{\"schemaVersion\":2,\"manifests\":{}}", "no list" },
    { "{\"schemaVersion\":2,\"config\":{},\"layers\":[]}", "is a manifest" },
    { "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", "both" }, /* 81 */
    { "{\"schemaVersion\":2,\"manifests\":[5]}", "entry 1" },
    { INDEX(ENTRY("1", ",\"platform\":5")), "platform" },
    { INDEX(ENTRY("1", ",\"annotations\":[]")), "annotations" },
    { INDEX(ENTRY("1", PLATFORM("linux", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))),
      "too long" },
    { "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
      "\"manifests\":[]}",
      "says it is" },
};

static void bad_indexes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct error err = { 0 };
        struct index index = { 0 };
        assert_error(index_parse(bad[i].text, strlen(bad[i].text), MEDIA_INDEX, &index, &err), &err,
                     ERROR_CORRUPT, bad[i].why);
    }
}

static void prints_what_it_parsed(void **state)
{
    (void)state;
    static const char text[] =
        INDEX(ENTRY("1", ",\"annotations\":{\"io.containerd.image.name\":\"docker.io/library/x:1\","
                         "\"org.opencontainers.image.created\":\"1970-01-01T00:00:00Z\","
                         "\"org.opencontainers.image.ref.name\":\"1\"}" VARIANT("v7")));
    struct error err = { 0 };
    struct index index = { 0 };
    struct strbuf first = STRBUF_INIT;
    struct strbuf second = STRBUF_INIT;

    assert_ok(index_parse(text, strlen(text), MEDIA_INDEX, &index, &err), &err);
    index_print(&index, &first);
    index_release(&index);
    assert_ok(index_parse(first.buf, first.len, MEDIA_INDEX, &index, &err), &err);
    assert_string_equal(index.entries[0].ref_name, "1");
    assert_string_equal(index.entries[0].image_name, "docker.io/library/x:1");
    assert_string_equal(index.entries[0].platform.variant, "v7");
    index_print(&index, &second);
    assert_string_equal(first.buf, second.buf);
    index_release(&index);
    strbuf_release(&first);
    strbuf_release(&second);
}

int main(void)
{
    enum { OTHERS = 2 };
    struct CMUnitTest tests[COUNT(cases) + OTHERS] = {
        cmocka_unit_test(bad_indexes),
        cmocka_unit_test(prints_what_it_parsed),
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ cases[i].name, choose_case, NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
