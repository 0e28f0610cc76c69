/* SPDX-License-Identifier: Apache-2.0 */
/* YAML documents as JSON values, and what is refused, with its place. */
#include "lib/codec/yaml.h"

#include "tests/support/test.h"

#include "lib/base/mem.h"

static const struct good_case {
    const char *text, *json;
} good[] = {
    { "a: 1\nb: [x, \"2\", 3]\n", "{\"a\":1,\"b\":[\"x\",\"2\",3]}" },
    { "a:\n- b: true\n  c: False\n- d: ~\n", "{\"a\":[{\"b\":true,\"c\":false},{}]}" },
    { "---\nversion: 0.6.0\nn: -5\nbig: 99999999999999999999\n",
      "{\"big\":\"99999999999999999999\",\"n\":-5,\"version\":\"0.6.0\"}" },
    { "{\"json\": {\"too\": [null, \"null\"]}}", "{\"json\":{\"too\":[\"null\"]}}" },
    { "t: |\n  two\n  lines\n", "{\"t\":\"two\\nlines\\n\"}" },
};

static void reads(void **state)
{
    const struct good_case *c = *state;
    struct error err = { 0 };
    auto_(js) js *doc = NULL;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    assert_ok(yaml_parse(c->text, strlen(c->text), "f", &doc, &err), &err);
    js_print(doc, 0, &text);
    assert_string_equal(text.buf, c->json);
}

static const struct bad_case {
    const char *text, *message;
} bad[] = {
    { "", "f:1:1: an empty document" },
    { "just text", "f:1:1: not a mapping" },
    { "a: [1\nb: 2", "f:" },
    { "a: &x 1\nb: *x", "f:1:4: anchors are not read" },
    { "a: *x", "f:1:4: aliases are not read" },
    { "a: 1\na: 2", "f:2:1: a key for the second time" },
    { "? [a]\n: 1", "f:1:3: a key that is no text" },
    { "a: 1\n---\nb: 2", "more than one document" },
};

static void refuses(void **state)
{
    const struct bad_case *c = *state;
    struct error err = { 0 };
    js *doc = NULL;
    assert_error(yaml_parse(c->text, strlen(c->text), "f", &doc, &err), &err, ERROR_CORRUPT,
                 c->message);
}

static void depth_is_bounded(void **state)
{
    struct error err = { 0 };
    js *doc = NULL;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    (void)state;
    strbuf_addstr(&text, "a: ");
    for (int i = 0; i < 1000; i++)
        strbuf_addch(&text, '[');
    assert_error(yaml_parse(text.buf, text.len, "f", &doc, &err), &err, ERROR_CORRUPT,
                 "nested too deeply");
}

int main(void)
{
    struct CMUnitTest tests[COUNT(good) + COUNT(bad) + 1];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(good); i++)
        tests[n++] =
            (struct CMUnitTest){ good[i].text, reads, NULL, NULL, (void *)(uintptr_t)&good[i] };
    for (size_t i = 0; i < COUNT(bad); i++)
        tests[n++] =
            (struct CMUnitTest){ bad[i].message, refuses, NULL, NULL, (void *)(uintptr_t)&bad[i] };
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(depth_is_bounded);
    return _cmocka_run_group_tests("yaml", tests, n, NULL, NULL);
}
