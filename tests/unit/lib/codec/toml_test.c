/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/toml.h"

#include <string.h>

#include "tests/support/test.h"

static const struct toml_case {
    const char *name, *text, *json; /* json NULL: must be refused, and `why` said */
    const char *why;
} cases[] = {
    { "empty", "", "{}", NULL },
    { "comment", "# a\n\n  # b", "{}", NULL },
    { "no newline at the end", "a=1", "{\"a\":1}", NULL },
    { "carriage returns", "a = 1\r\n[b]\r\nc = 'd'\r\n", "{\"a\":1,\"b\":{\"c\":\"d\"}}", NULL },
    { "strings", "a = \"x\\t\\\"\\u00e9\\U0001F600\"\nb = 'c:\\d'",
      "{\"a\":\"x\\t\\\"\xc3\xa9\xf0\x9f\x98\x80\",\"b\":\"c:\\\\d\"}", NULL },
    { "several lines", "a = \"\"\"\nx\\\n   y\n\"z\"\"\"\"\nb = '''\\\n'''",
      "{\"a\":\"xy\\n\\\"z\\\"\",\"b\":\"\\\\\\n\"}", NULL },
    { "numbers", "a = [+1, -2, 1_000, 0x1F, 0o17, 0b11]", "{\"a\":[1,-2,1000,31,15,3]}", NULL },
    { "booleans", "a = true\nb = false # c", "{\"a\":true,\"b\":false}", NULL },
    { "arrays", "a = [\n  'x', # y\n  [],\n  ['z'],\n]", "{\"a\":[\"x\",[],[\"z\"]]}", NULL },
    { "inline tables", "a = { b = 'c', d.e = [1] }\nf = {}",
      "{\"a\":{\"b\":\"c\",\"d\":{\"e\":[1]}},\"f\":{}}", NULL },
    { "keys", "a-b_1 = 1\n\"c d\".e = 2\n'' = 3", "{\"\":3,\"a-b_1\":1,\"c d\":{\"e\":2}}", NULL },
    { "tables", "[a.b]\nc = 1\n[a]\nd = 2\n[ e . f ]",
      "{\"a\":{\"b\":{\"c\":1},\"d\":2},\"e\":{\"f\":{}}}", NULL },
    { "arrays of tables",
      "[[r]]\np = 'x'\n[[r.m]]\nl = 1\n[[r.m]]\nl = 2\n[[r]]\np = 'y'\n[r.t]\nz = 1",
      "{\"r\":[{\"m\":[{\"l\":1},{\"l\":2}],\"p\":\"x\"},{\"p\":\"y\",\"t\":{\"z\":1}}]}", NULL },
    { "a key twice", "a = 1\na = 2", NULL, "line 2: a key that is there already" },
    { "a table twice", "[a]\n[a]", NULL, "line 2: a table that is there already" },
    { "a table by dotted keys", "a.b = 1\n[a]", NULL, "there already" },
    { "a table that is a value", "a = 1\n[a]", NULL, "there already" },
    { "below a value", "a = 1\n[a.b]", NULL, "below something" },
    { "below an inline table", "a = {}\n[a.b]", NULL, "below something" },
    { "an inline table is closed", "a = {}\na.b = 1", NULL, "no table" },
    { "an array is closed", "a = []\n[[a]]", NULL, "no array of tables" },
    { "a table is no array", "[a]\n[[a]]", NULL, "no array of tables" },
    { "an array is no table", "[[a]]\n[a]", NULL, "there already" },
    { "no value", "a =", NULL, "a value is expected" },
    { "no equals sign", "a 1", NULL, "= is expected" },
    { "no key", "= 1", NULL, "a key is expected" },
    { "two on a line", "a = 1 b = 2", NULL, "end of the line" },
    { "a fraction", "a = 1.5", NULL, "whole number" },
    { "a date", "a = 2020-01-01", NULL, "whole number" },
    { "too large", "a = 9999999999999999999", NULL, "whole number" },
    { "a word", "a = yes", NULL, "neither text" },
    { "a sign alone", "a = -", NULL, "neither text" },
    { "a prefix alone", "a = 0x", NULL, "value is expected" },
    { "no end", "a = \"x\nb = 1", NULL, "line 1: a string without end" },
    { "no end of many lines", "a = '''x", NULL, "a string without end" },
    { "a bad escape", "a = \"\\q\"", NULL, "unknown escape" },
    { "a surrogate", "a = \"\\ud800\"", NULL, "no character" },
    { "a NUL", "a = \"\\u0000\"", NULL, "no character" },
    { "a control character", "a = \"\001\"", NULL, "control character" },
    { "an open array", "a = [1", NULL, "comma or ]" },
    { "an open inline table", "a = {b = 1", NULL, "comma or }" },
    { "an open header", "[a", NULL, "] is expected" },
    { "too deep", "a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", NULL,
      "nested too deeply" },
};

static void toml_case(void **state)
{
    const struct toml_case *c = *state;
    struct error err = { 0 };
    auto_(js) js *doc = NULL;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;

    if (!c->json) {
        assert_error(toml_parse(c->text, strlen(c->text), "x.toml", &doc, &err), &err,
                     ERROR_CORRUPT, c->why);
        return;
    }
    assert_ok(toml_parse(c->text, strlen(c->text), "x.toml", &doc, &err), &err);
    js_print(doc, 0, &text);
    assert_string_equal(text.buf, c->json);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cases)];

    for (size_t i = 0; i < COUNT(cases); i++)
        tests[i] = (struct CMUnitTest){ cases[i].name, toml_case, NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
