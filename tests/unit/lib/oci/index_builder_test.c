/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes put together: what is listed once, what gives way, what is kept word for word. */
#include "lib/oci/index_builder.h"

#include "tests/support/test.h"

#include <string.h>

#include "lib/base/mem.h"

#define HEX(digit)                                                                                 \
    digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit      \
        digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit  \
            digit digit digit digit digit digit digit digit digit digit digit digit digit digit    \
                digit digit digit digit digit digit digit digit digit digit digit digit digit      \
                    digit digit digit digit digit digit digit
#define ENTRY(digit, more)                                                                         \
    "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:" HEX(      \
        digit) "\",\"size\":7" more "}"
#define FOR(os, arch) ",\"platform\":{\"architecture\":\"" arch "\",\"os\":\"" os "\"}"
#define ATTESTS(digit)                                                                             \
    ",\"annotations\":{\"vnd.docker.reference.digest\":\"sha256:" HEX(                             \
        digit) "\",\"vnd.docker.reference.type\":\"attestation-manifest\"}" FOR("unknown",         \
                                                                                "unknown")

static const char amd64_and_arm64[] =
    "{\"schemaVersion\":2,\"manifests\":[" ENTRY("a", FOR("linux", "amd64")) "," ENTRY(
        "b", ATTESTS("a")) "," ENTRY("c", FOR("linux", "arm64")) "," ENTRY("d", ATTESTS("c")) "]}";

static struct descriptor manifest_of(const char *hex)
{
    struct descriptor d = { .media_type = MEDIA_MANIFEST, .size = 7 };
    assert_true(digest_parse_hex(hex, &d.digest));
    return d;
}

static int add(struct index_builder *b, const char *hex, const char *platform, struct error *err)
{
    struct descriptor d = manifest_of(hex);
    struct platform p;
    assert_ok(platform_parse(platform, &p, err), err);
    return index_builder_add_manifest(b, &d, &p, err);
}

static void add_old(struct index_builder *b, struct error *err)
{
    assert_ok(
        index_builder_add_index(b, amd64_and_arm64, strlen(amd64_and_arm64), MEDIA_INDEX, err),
        err);
}

/* The digests of the list, by their first digits. */
static char *listed(const struct index_builder *b)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(index) struct index index = { 0 };
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    char hex[DIGEST_HEX_SIZE];

    index_builder_print(b, &text);
    assert_ok(index_parse(text.buf, text.len, MEDIA_INDEX, &index, &err), &err);
    for (size_t i = 0; i < index.count; i++) {
        digest_hex(&index.entries[i].descriptor.digest, hex);
        strbuf_addch(&out, hex[0]);
    }
    return strbuf_detach(&out);
}

static void the_new_takes_the_place_of_the_old_and_its_attestation(void **state)
{
    struct error err = { 0 };
    auto_(index_builder) struct index_builder b = { 0 };
    (void)state;

    add_old(&b, &err);
    index_builder_begin_new(&b);
    assert_ok(add(&b, HEX("e"), "linux/arm64", &err), &err);
    auto_free char *list = listed(&b);
    assert_string_equal(list, "abe");
    assert_error(add(&b, HEX("f"), "linux/arm64", &err), &err, ERROR_USER, "both for platform");
}

static void what_is_listed_is_not_listed_again(void **state)
{
    struct error err = { 0 };
    auto_(index_builder) struct index_builder b = { 0 };
    (void)state;

    add_old(&b, &err);
    index_builder_begin_new(&b);
    assert_ok(add(&b, HEX("a"), "linux/amd64", &err), &err);
    add_old(&b, &err);
    auto_free char *list = listed(&b);
    assert_string_equal(list, "abcd");
}

static void annotations_are_on_images_alone(void **state)
{
    struct error err = { 0 };
    struct platform arm64 = { 0 };
    struct platform none = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(index_builder) struct index_builder b = { 0 };
    (void)state;

    add_old(&b, &err);
    assert_ok(platform_parse("linux/arm64/v8", &arm64, &err), &err);
    assert_ok(platform_parse("linux/s390x", &none, &err), &err);
    assert_int_equal(index_builder_annotate_entries(&b, NULL, "all", "1"), 2);
    assert_int_equal(index_builder_annotate_entries(&b, &arm64, "one", "2"), 1);
    assert_int_equal(index_builder_annotate_entries(&b, &none, "no", "3"), 0);
    index_builder_annotate(&b, "z", "4");
    index_builder_annotate(&b, "a", "5");
    index_builder_print(&b, &text);
    assert_non_null(strstr(text.buf, "\"all\": \"1\",\n        \"one\": \"2\"\n"));
    assert_non_null(
        strstr(text.buf, "\"annotations\": {\n    \"a\": \"5\",\n    \"z\": \"4\"\n  }\n}"));
    assert_null(strstr(text.buf, "\"no\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_new_takes_the_place_of_the_old_and_its_attestation),
        cmocka_unit_test(what_is_listed_is_not_listed_again),
        cmocka_unit_test(annotations_are_on_images_alone),
    };
    return cmocka_run_group_tests_name("index_builder", tests, NULL, NULL);
}
