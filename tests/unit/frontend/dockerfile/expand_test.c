/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "frontend/dockerfile/expand.h"
#include "lib/base/mem.h"
#include "lib/base/strbuf.h"

static const struct expand_case {
    const char *word;
    const char *result; /* NULL: the error's text follows */
    const char *error;
} cases[] = {
    { "plain", "plain", NULL },
    { "$v", "value", NULL },
    { "${v}x$v", "valuexvalue", NULL },
    { "$unset", "", NULL },
    { "$", "$", NULL },
    { "a$", "a$", NULL },
    { "$.x", "$.x", NULL },
    { "$1x", "x", NULL },
    { "$12x", "x", NULL },
    { "$@x", "x", NULL },
    { "'$v'", "$v", NULL },
    { "\"$v\"", "value", NULL },
    { "\"a\\$v\\\"\\\\\\n\"", "a$v\"\\\\n", NULL },
    { "\\$v", "$v", NULL },
    { "a\\ b\\", "a b", NULL },
    { "'a'\"b\"c", "abc", NULL },
    { "\"it's\"", "it's", NULL },
    { "${v:-w}", "value", NULL },
    { "${empty:-w}", "w", NULL },
    { "${empty-w}", "", NULL },
    { "${unset-w}", "w", NULL },
    { "${unset:-${unset:-$v}}", "value", NULL },
    { "${unset:-'a}b'}", "a}b", NULL },
    { "${unset:-\"$v\"}", "value", NULL },
    { "${v:+w}", "w", NULL },
    { "${empty:+w}", "", NULL },
    { "${empty+w}", "w", NULL },
    { "${unset+w}", "", NULL },
    { "${v:?no}", "value", NULL },
    { "${empty?no}", "", NULL },
    { "${unset:?is missing}", NULL,
      "failed to process \"${unset:?is missing}\": unset: is missing" },
    { "${empty:?}", NULL, "empty: is not allowed to be empty" },
    { "${unset?}", NULL, "unset: is not allowed to be unset" },
    { "${p#*/}", "b/c.tar.gz", NULL },
    { "${p##*/}", "c.tar.gz", NULL },
    { "${p%.*}", "a/b/c.tar", NULL },
    { "${p%%.*}", "a/b/c", NULL },
    { "${p#x}", "a/b/c.tar.gz", NULL },
    { "${p%?}", "a/b/c.tar.g", NULL },
    { "${u#?}", "t\xc3\xa9", NULL },
    { "${u%?}", "\xc3\xa9t", NULL },
    { "${u%%?t?}", "", NULL },
    { "${stars#\\*}", "*a", NULL },
    { "${stars##*\\*}", "a", NULL },
    { "${brackets#[}", "a]", NULL },
    { "${v#\\v}", NULL, "invalid escape" },
    { "${p/b/X}", "a/X/c.tar.gz", NULL },
    { "${p/\\//X}", "aXb/c.tar.gz", NULL },
    { "${p//\\//-}", "a-b-c.tar.gz", NULL },
    { "${p//[/-}", "a/b/c.tar.gz", NULL },
    { "${v/a*u/-}", "v-e", NULL },
    { "${v/x/y}", "value", NULL },
    { "${v/e/\\}}", "valu\\}", NULL },
    { "${v/$l/$v}", "vavalueue", NULL },
    { "${v//?/x}", "xxxxx", NULL },
    { "${v/e}", NULL, "missing '/' in ${}" },
    { "${v", NULL, "syntax error: missing '}'" },
    { "${v:-x", NULL, "syntax error: missing '}'" },
    { "${}", NULL, "bad substitution" },
    { "${:-x}", NULL, "bad substitution" },
    { "${{v}}", NULL, "bad substitution" },
    { "${v:x}", NULL, "unsupported modifier (:x)" },
    { "${v=x}", NULL, "unsupported modifier (=)" },
    { "${v:#x}", NULL, "unsupported modifier (:#)" },
    { "he'll' o", "hell o", NULL },
    { "he\"l'l\"", "hel'l", NULL },
    { "he\\'llo", "he'llo", NULL },
    { "he\\\\'llo'", "he\\llo", NULL },
    { "abc\\tdef", "abctdef", NULL },
    { "\"abc\\tdef\"", "abc\\tdef", NULL },
    { "'abc\\tdef'", "abc\\tdef", NULL },
    { "hello\\ there", "hello there", NULL },
    { "\"hello \\\"there\\\"\"", "hello \"there\"", NULL },
    { "'a\\'b", "a\\b", NULL },
    { "a''b\"\"c", "abc", NULL },
    { "he$v.", "hevalue.", NULL },
    { "he\\${v}", "he${v}", NULL },
    { "he${v}xx", "hevaluexx", NULL },
    { "he$vxx", "he", NULL },
    { "$-x", "x", NULL },
    { "$$x", "x", NULL },
    { "$!x", "x", NULL },
    { "$*x", "x", NULL },
    { "${1}x${12}", "x", NULL },
    { "${v:-000}xx", "valuexx", NULL },
    { "${unset:-000}xx", "000xx", NULL },
    { "${unset:-$v}xx", "valuexx", NULL },
    { "${unset:-${v:-yyy}}xx", "valuexx", NULL },
    { "${unset:-${none:-yyy}}xx", "yyyxx", NULL },
    { "${unset:-\\$v:}xx", "$v:xx", NULL },
    { "${unset:-\\${v}z}xx", "${vz}xx", NULL },
    { "${unset:+${v}}y", "y", NULL },
    { "${v:+${unset:-z}}y", "zy", NULL },
    { "${unset:?$v is missing}", NULL, "unset: value is missing" },
    { "\"${unset:-a b}\"", "a b", NULL },
    { "\"${v#v}\"", "alue", NULL },
    { "'${v#v}'", "${v#v}", NULL },
    { "${v#}", "value", NULL },
    { "${v##*}", "", NULL },
    { "${v%%*}", "", NULL },
    { "${v%l*}", "va", NULL },
    { "${unset#x}", "", NULL },
    { "${p/*\\//}", "c.tar.gz", NULL },
    { "${p/.\\*/x}", "a/b/c.tar.gz", NULL },
    { "${p/?\\/b/x}", "x/c.tar.gz", NULL },
    { "${v/$v/x}", "x", NULL },
    { "${v/\\}/x}", "value", NULL },
    { "${v//e/\\/}", "valu\\/", NULL },
    { "${v//e/$1}", "valu", NULL },
    { "${empty/x/y}", "", NULL },
    { "${v/va/${empty:-X}}", "Xlue", NULL },
    { "$\xec\x95\x88x", "", NULL },
    { "\xec\x95\x88$v", "\xec\x95\x88value", NULL },
    { "${v:}", NULL, "unsupported modifier (:})" },
    { "${v^^}", NULL, "unsupported modifier (^)" },
    { "${v:1}", NULL, "unsupported modifier (:1)" },
    { "${ v}", NULL, "bad substitution" },
    { "${", NULL, "missing '}'" },
    { "${v:-'a}", NULL, "looking for matching single-quote" },
    { "${v/\\x/y}", NULL, "invalid escape" },
    { "'open", NULL, "looking for matching single-quote" },
    { "\"open", NULL, "looking for matching double-quote" },
    { "\"open\\", NULL, "looking for matching double-quote" },
};

static void set_variables(struct map *m)
{
    static const char *const pairs[][2] = {
        { "v", "value" },   { "empty", "" },          { "p", "a/b/c.tar.gz" },
        { "stars", "**a" }, { "brackets", "[a]" },    { "u", "\xc3\xa9t\xc3\xa9" },
        { "l", "l" },       { "words", " a  b\tc " },
    };
    for (size_t i = 0; i < COUNT(pairs); i++)
        map_set(m, pairs[i][0], (char *)pairs[i][1]);
}

static void expands(void **state)
{
    const struct expand_case *c = *state;
    auto_(arena) struct arena arena = { 0 };
    auto_(map) struct map variables = { 0 };
    auto_(error) struct error err = { 0 };
    set_variables(&variables);
    struct expander e = {
        .arena = &arena, .variables = &variables, .escape = '\\', .left = EXPAND_TOTAL_MAX
    };
    const char *result = NULL;
    int rc = expand_word(&e, c->word, &result, &err);
    if (c->error) {
        assert_error(rc, &err, ERROR_USER, c->error);
        return;
    }
    assert_ok(rc, &err);
    assert_string_equal(result, c->result);
}

static void other_escape(void **state)
{
    (void)state;
    auto_(arena) struct arena arena = { 0 };
    auto_(map) struct map variables = { 0 };
    struct error err = { 0 };
    struct expander e = {
        .arena = &arena, .variables = &variables, .escape = '`', .left = EXPAND_TOTAL_MAX
    };
    const char *result = NULL;
    assert_ok(expand_word(&e, "c:\\x`$y", &result, &err), &err);
    assert_string_equal(result, "c:\\x$y");
}

static const struct split_case {
    const char *word, *joined; /* each word in <> */
} splits[] = {
    { "$words", "<a><b><c>" },
    { "\"$words\"", "< a  b\tc >" },
    { "x$words", "<x><a><b><c>" },
    { "$unset", "" },
    { "\"\"", "<>" },
    { "80", "<80>" },
    { "${unset:-$v}", "<value>" },
};

static void splits_words(void **state)
{
    const struct split_case *c = *state;
    auto_(arena) struct arena arena = { 0 };
    auto_(map) struct map variables = { 0 };
    auto_(strbuf) struct strbuf joined = STRBUF_INIT;
    struct error err = { 0 };
    set_variables(&variables);
    struct expander e = {
        .arena = &arena, .variables = &variables, .escape = '\\', .left = EXPAND_TOTAL_MAX
    };
    const char *const *words = NULL;
    assert_ok(expand_words(&e, c->word, &words, &err), &err);
    for (; *words; words++)
        strbuf_addf(&joined, "<%s>", *words);
    assert_string_equal(joined.buf, c->joined);
}

/* Bodies of here-documents. */
static const struct expand_case bodies[] = {
    { "$v ${v}\n", "value value\n", NULL },
    { "'$v' \"$v\" it's \"open\n", "'value' \"value\" it's \"open\n", NULL },
    { "\\$v \\\\ \\n \\\n.", "$v \\ n \n.", NULL },
    { "${unset:-'a b'}", "'a b'", NULL },
    { "${unset:-\\}}", "}", NULL },
    { "${p##*/} ${v%ue}", "c.tar.gz val", NULL },
    { "$unset$", "$", NULL },
    { "end\\", "end", NULL },
    { "`$v", "`value", NULL },
    { "", "", NULL },
    { "${v", NULL, "missing '}'" },
    { "${v?x} ${unset?gone}", NULL, "unset: gone" },
};

static void expands_body(void **state)
{
    const struct expand_case *c = *state;
    auto_(arena) struct arena arena = { 0 };
    auto_(map) struct map variables = { 0 };
    auto_(error) struct error err = { 0 };
    set_variables(&variables);
    struct expander e = {
        .arena = &arena, .variables = &variables, .escape = '`', .left = EXPAND_TOTAL_MAX
    };
    struct str result = { 0 };
    int rc = expand_text(&e, str_of(c->word), &result, &err);
    if (c->error) {
        assert_error(rc, &err, ERROR_USER, c->error);
        return;
    }
    assert_ok(rc, &err);
    assert_string_equal(result.ptr, c->result);
    assert_int_equal(result.len, strlen(c->result));
}

static void display(void **state)
{
    (void)state;
    auto_(arena) struct arena arena = { 0 };
    auto_(map) struct map variables = { 0 };
    set_variables(&variables);
    struct expander e = {
        .arena = &arena, .variables = &variables, .escape = '\\', .left = EXPAND_TOTAL_MAX
    };
    assert_string_equal(expand_for_display(&e, "echo \"$v\" '$v' $no ${no} \\$v ${no:-d}"),
                        "echo \"value\" '$v' $no ${no} \\$v d");
    assert_string_equal(expand_for_display(&e, "broken ${v"), "broken ${v");
}

/* A nest of `depth` defaults. */
static char *nested(int depth)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < depth; i++)
        strbuf_addstr(&text, "${n:-");
    strbuf_addch(&text, 'x');
    for (int i = 0; i < depth; i++)
        strbuf_addch(&text, '}');
    return strbuf_detach(&text);
}

static void limits(void **state)
{
    (void)state;
    auto_(arena) struct arena arena = { 0 };
    auto_(map) struct map variables = { 0 };
    struct error err = { 0 };
    struct expander e = {
        .arena = &arena, .variables = &variables, .escape = '\\', .left = EXPAND_TOTAL_MAX
    };
    const char *result = NULL;
    auto_free char *deep = nested(EXPAND_DEPTH_MAX);
    assert_ok(expand_word(&e, deep, &result, &err), &err);
    assert_string_equal(result, "x");
    auto_free char *deeper = nested(EXPAND_DEPTH_MAX + 1);
    assert_error(expand_word(&e, deeper, &result, &err), &err, ERROR_USER, "nested too deep");

    auto_free char *large = xcalloc(1, EXPAND_WORD_MAX + 1);
    memset(large, 'a', EXPAND_WORD_MAX);
    map_set(&variables, "large", large);
    assert_ok(expand_word(&e, "$large", &result, &err), &err);
    assert_error(expand_word(&e, "$large.", &result, &err), &err, ERROR_USER, "limit of 1 MiB");
    assert_error(expand_word(&e,
                             "${large##*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*"
                             "a*a*a*a*a*a*b}",
                             &result, &err),
                 &err, ERROR_USER, "takes too long");
    e.left = 10;
    assert_error(expand_word(&e, "$large", &result, &err), &err, ERROR_USER, "limit of 64 MiB");
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cases) + COUNT(splits) + COUNT(bodies) + 3];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[n++] = (struct CMUnitTest){ cases[i].word, expands, NULL, NULL, (void *)&cases[i] };
    for (size_t i = 0; i < COUNT(bodies); i++)
        tests[n++] =
            (struct CMUnitTest){ bodies[i].word, expands_body, NULL, NULL, (void *)&bodies[i] };
    for (size_t i = 0; i < COUNT(splits); i++)
        tests[n++] =
            (struct CMUnitTest){ splits[i].word, splits_words, NULL, NULL, (void *)&splits[i] };
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(other_escape);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(display);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(limits);
    return cmocka_run_group_tests_name("expand", tests, NULL, NULL);
}
