/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/json.h"

#include <string.h>

#include "tests/support/test.h"

/* The numbers are those of the bad inputs, see tests/registry/registry_test.sh. */
static const struct parse_case {
    const char *name, *text;
    const char *sorted; /* NULL: must be rejected */
} cases[] = {
    { "sorted", "{\"b\":1,\"a\":[true,null,\"x\"]}", "{\"a\":[true,null,\"x\"],\"b\":1}" },
    { "escapes", "{\"k\":\"<a>&\\u2028\\u2029\\u0001\\n\\b\\f\\\"\\\\\\u007f/\"}",
      "{\"k\":\"\\u003ca\\u003e\\u0026\\u2028\\u2029\\u0001\\n\\b\\f\\\"\\\\\x7f/\"}" },
    { "numbers", "{\"a\":-1,\"b\":1.5,\"c\":9007199254740993}",
      "{\"a\":-1,\"b\":1.5,\"c\":9007199254740993}" },
    { "nul", "{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000y\"}" },
    { "82: duplicate keys", "{\"a\":1,\"a\":2}", NULL },
    { "91: truncated", "{\"a\":", NULL },
    { "empty", "", NULL },
    { "93: null", "null", NULL },
    { "93: array", "[]", NULL },
    { "trailing", "{} {}", NULL },
    { "92: byte order mark", "\xef\xbb\xbf{}", NULL },
    { "92: utf-16", "{\0}\0", NULL },
    { "92: invalid utf-8", "{\"a\":\"\xff\"}", NULL },
    { "lone surrogate", "{\"a\":\"\\ud800\"}", NULL },
    { "85: huge integer", "{\"a\":99999999999999999999}", NULL },
    { "85: huge real", "{\"a\":1e999}", NULL },
};

static void parse_one(void **state)
{
    const struct parse_case *c = *state;
    struct error err = { 0 };
    js *doc = NULL;

    if (!c->sorted) {
        assert_error(js_parse(c->text, strlen(c->text), "thing", &doc, &err), &err, ERROR_CORRUPT,
                     "thing");
        return;
    }
    struct strbuf out = STRBUF_INIT;
    assert_ok(js_parse(c->text, strlen(c->text), "thing", &doc, &err), &err);
    js_print(doc, 0, &out);
    assert_string_equal(out.buf, c->sorted);
    strbuf_release(&out);
    js_free(doc);
}

/* 83 */
static void depth_is_bounded(void **state)
{
    (void)state;
    for (size_t depth = JS_DEPTH_MAX; depth <= 10000; depth += depth == JS_DEPTH_MAX ? 1 : 9935) {
        struct strbuf text = STRBUF_INIT;
        struct error err = { 0 };
        js *doc = NULL;
        strbuf_addstr(&text, "{\"a\":");
        for (size_t i = 1; i < depth; i++)
            strbuf_addch(&text, '[');
        for (size_t i = 1; i < depth; i++)
            strbuf_addch(&text, ']');
        strbuf_addch(&text, '}');
        if (depth == JS_DEPTH_MAX)
            assert_ok(js_parse(text.buf, text.len, "thing", &doc, &err), &err);
        else
            assert_error(js_parse(text.buf, text.len, "thing", &doc, &err), &err, ERROR_CORRUPT,
                         "levels deep");
        js_free(doc);
        strbuf_release(&text);
    }
}

static void getters_check_types(void **state)
{
    (void)state;
    static const char text[] = "{\"t\":\"x\",\"n\":5,\"neg\":-1,\"f\":5.0,\"e\":1e3,"
                               "\"max\":9007199254740992,\"big\":9007199254740993,\"nul\":"
                               "\"a\\u0000\",\"none\":null}";
    struct error err = { 0 };
    js *doc = NULL;
    const char *s = "kept";
    uint64_t n = 7;

    assert_ok(js_parse(text, strlen(text), "thing", &doc, &err), &err);
    assert_ok(js_get_text(doc, "none", false, &s, &err), &err);
    assert_string_equal(s, "kept");
    assert_error(js_get_text(doc, "none", true, &s, &err), &err, ERROR_CORRUPT, "missing");
    assert_error(js_get_text(doc, "n", true, &s, &err), &err, ERROR_CORRUPT, "not a string");
    assert_error(js_get_text(doc, "nul", true, &s, &err), &err, ERROR_CORRUPT, "not a string");
    assert_ok(js_get_u64(doc, "n", true, &n, &err), &err);
    assert_int_equal(n, 5);
    assert_ok(js_get_u64(doc, "max", true, &n, &err), &err);
    static const char *const bad[] = { "neg", "f", "e", "big", "t" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_error(js_get_u64(doc, bad[i], true, &n, &err), &err, ERROR_CORRUPT, "whole number");
    js_free(doc);
}

static void prints_in_order_and_indents(void **state)
{
    (void)state;
    struct strbuf out = STRBUF_INIT;
    js *doc = js_new_object();
    js *list = js_new_array();

    js_set_take(doc, "z", js_new_int(1));
    js_push_take(list, js_new_text("bad \xff\xc0\xaf end"));
    js_push_take(list, js_new_object());
    js_set_take(doc, "a", list);
    js_print_in_order(doc, 2, &out);
    assert_string_equal(out.buf, "{\n  \"z\": 1,\n  \"a\": [\n    \"bad \xef\xbf\xbd\xef\xbf\xbd"
                                 "\xef\xbf\xbd end\",\n    {}\n  ]\n}");
    strbuf_release(&out);
    js_free(doc);
}

int main(void)
{
    enum { OTHERS = 3 };
    struct CMUnitTest tests[COUNT(cases) + OTHERS] = {
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(getters_check_types),
        cmocka_unit_test(prints_in_order_and_indents),
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ cases[i].name, parse_one, NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
