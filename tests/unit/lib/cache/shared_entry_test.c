/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/shared_entry.h"

#include "tests/support/test.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct digest digest_from(const char *hex)
{
    struct digest d;
    assert_true(digest_parse_hex(hex, &d));
    return d;
}

static void what_is_told_is_read(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct digest key = digest_from(HEX_A);
    struct shared_layer base = { .diff_id = digest_from(HEX_A) };
    struct shared_layer ours = { .diff_id = digest_from(HEX_B),
                                 .tar_size = 1536,
                                 .layout = "gzip",
                                 .created = (char *)"2026-01-02T03:04:05.678Z" };
    auto_(shared_table) struct shared_table told = { 0 };
    auto_(shared_table) struct shared_table read = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(js) js *config = js_new_object();

    assert_int_equal(shared_table_add_layer(&told, &base), 0);
    assert_int_equal(shared_table_add_layer(&told, &ours), 1);
    assert_int_equal(shared_table_add_layer(&told, &base), 0);
    struct shared_entry *entry = shared_table_add_entry(&told, &key);
    shared_entry_push(entry, 0);
    shared_entry_push(entry, 1);
    strvec_push(&entry->recipe, "op sha256:...");
    js_set_text(config, "architecture", "amd64");
    shared_table_print(&told, config);
    js_print(config, 0, &text);

    assert_ok(shared_table_parse(text.buf, text.len, &read, &err), &err);
    assert_int_equal(read.layer_count, 2);
    assert_int_equal(read.layers[0].tar_size, 0);
    assert_string_equal(read.layers[0].layout, "");
    assert_null(read.layers[0].created);
    assert_int_equal(read.layers[1].tar_size, 1536);
    assert_string_equal(read.layers[1].layout, "gzip");
    assert_string_equal(read.layers[1].created, "2026-01-02T03:04:05.678Z");
    const struct shared_entry *found = shared_table_find(&read, &key);
    assert_non_null(found);
    assert_int_equal(found->stack_count, 2);
    assert_int_equal(found->stack[1], 1);
    assert_null(shared_table_find(&read, &ours.diff_id));
}

static void a_configuration_without_it_has_nothing_to_tell(void **state)
{
    (void)state;
    struct error err = { 0 };
    auto_(shared_table) struct shared_table read = { 0 };
    assert_ok(shared_table_parse("{\"os\":\"linux\"}", 14, &read, &err), &err);
    assert_int_equal(read.entry_count, 0);
}

#define LAYER        "{\"diff_id\":\"sha256:" HEX_A "\"}"
#define ENTRY(stack) "{\"key\":\"sha256:" HEX_A "\",\"stack\":" stack "}"
#define TABLE(layers, entries)                                                                     \
    "{\"mlbuild.cache.v1\":{\"layers\":" layers ",\"entries\":" entries "}}"

static void lies_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        TABLE("[" LAYER "]", "[" ENTRY("[1]") "]"),
        TABLE("[" LAYER "]", "[" ENTRY("[-1]") "]"),
        TABLE("[" LAYER "]", "[" ENTRY("[0.5]") "]"),
        TABLE("[" LAYER "]", "[" ENTRY("[\"0\"]") "]"),
        TABLE("[]", "[" ENTRY("[0]") "]"),
        TABLE("[{}]", "[]"),
        TABLE("[7]", "[]"),
        TABLE("{\"a\": 1}", "[]"),
        TABLE("[" LAYER "]", "[{\"stack\":[0]}]"),
        TABLE("[{\"diff_id\":\"md5:00\"}]", "[]"),
        TABLE("[{\"diff_id\":\"sha256:" HEX_A "\",\"tar_size\":-3}]", "[]"),
        TABLE("[{\"diff_id\":\"sha256:" HEX_A "\",\"layout\":\"" HEX_A HEX_B "\"}]", "[]"),
        TABLE("[{\"diff_id\":\"sha256:" HEX_A "\",\"created\":\"\\u001b[2J\"}]", "[]"),
        TABLE("[{\"diff_id\":\"sha256:" HEX_A "\",\"created\":\"" HEX_A "\"}]", "[]"),
        "[]",
        "",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        auto_(error) struct error err = { 0 };
        auto_(shared_table) struct shared_table read = { 0 };
        if (shared_table_parse(texts[i], strlen(texts[i]), &read, &err) == 0)
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(err.kind, ERROR_CORRUPT);
    }
}

static void a_stack_is_no_higher_than_an_image(void **state)
{
    (void)state;
    auto_(error) struct error err = { 0 };
    auto_(shared_table) struct shared_table read = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addstr(&text, "{\"mlbuild.cache.v1\":{\"layers\":[" LAYER "],\"entries\":[{\"key\":"
                         "\"sha256:" HEX_A "\",\"stack\":[0");
    for (int i = 0; i < SHARED_STACK_MAX; i++)
        strbuf_addstr(&text, ",0");
    strbuf_addstr(&text, "]}]}}");
    assert_int_equal(shared_table_parse(text.buf, text.len, &read, &err), -1);
    assert_int_equal(err.kind, ERROR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_read),
        cmocka_unit_test(a_configuration_without_it_has_nothing_to_tell),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(a_stack_is_no_higher_than_an_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
