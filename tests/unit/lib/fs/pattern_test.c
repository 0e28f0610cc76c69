/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/pattern.h"

#include "lib/base/mem.h"
#include "tests/support/test.h"

static const struct exclude_case {
    const char *patterns, *path;
    bool excluded;
} excludes[] = {
    { "foo", "foo", true },
    { "foo", "foo/bar", true },
    { "foo", "foobar", false },
    { "foo", "a/foo", false },
    { "/foo/", "foo/x", true },
    { "./a//b/../c", "a/c", true },
    { "*.pyc", "a.pyc", true },
    { "*.pyc", "d/a.pyc", false },
    { "**/*.pyc", "a.pyc", true },
    { "**/*.pyc", "d/e/a.pyc", true },
    { "**/*.pyc", "d/e/a.py", false },
    { "**/foo", "foo", true },
    { "**/foo", "a/b/foo", true },
    { "**/foo", "a/foo/b", true },
    { "**/foo", "xfoo", false },
    { "**foo", "xfoo", true },
    { "**foo", "a/xfoo", true },
    { "foo**", "foobar/x", true },
    { "foo/**", "foo", false },
    { "foo/**", "foo/a/b", true },
    { "a/**/b", "a/b", true },
    { "a/**/b", "a/x/y/b", true },
    { "a/**/b", "a/xb", false },
    { "**", "any/thing", true },
    { "*", "x", true },
    { "*", "x/y", true },
    { "a?c", "abc", true },
    { "a?c", "a/c", false },
    { "a?c",
      "a\xc3\xa9"
      "c",
      true },
    { "[a-c]x", "bx", true },
    { "[^a-c]x", "bx", false },
    { "[^a-c]x", "dx", true },
    { "\\*x", "*x", true },
    { "\\*x", "ax", false },
    { ".", "a", false },
    { "/", "a", false },
    { "*", ".", false },
    { "# comment\n #x", "#x", true },
    { "# comment", "# comment", false },
    { "\xef\xbb\xbf"
      "foo\r\n\r\n",
      "foo", true },
    { "*\n!foo", "foo", false },
    { "*\n!foo", "foo/bar", false },
    { "*\n!foo\nfoo/bar", "foo/bar", true },
    { "*\n! foo/bar ", "foo/bar", false },
    { "*\n!foo/bar", "foo", true },
    { "foo\n!foo\nfoo", "foo", true },
    { "!foo", "foo", false },
    { "**/*.md\n!README.md", "README.md", false },
    { "a/*/c", "a/b/c/d", true },
};

static void exclusion(void **state)
{
    const struct exclude_case *c = *state;
    auto_(pattern_list) struct pattern_list list = { 0 };
    struct error err = { 0 };
    assert_ok(pattern_list_parse(c->patterns, strlen(c->patterns), "x", &list, &err), &err);
    assert_int_equal(pattern_list_excludes(&list, c->path, NULL), c->excluded);
}

static const struct below_case {
    const char *patterns, *dir;
    bool may;
} belows[] = {
    { "*", "a", false },         { "*\n!a/b", "a", true },     { "*\n!a/b", "b", false },
    { "*\n!**/x", "b/c", true }, { "*\n!a/*/c", "a/b", true }, { "*\n!a/*/c", "b/b", false },
    { "*\n!ab", "a", false },    { "*\n!a*/b", "abc", true },  { "*\n!a/b/c", "a/b", true },
};

static void reinclusion(void **state)
{
    const struct below_case *c = *state;
    auto_(pattern_list) struct pattern_list list = { 0 };
    struct error err = { 0 };
    assert_ok(pattern_list_parse(c->patterns, strlen(c->patterns), "x", &list, &err), &err);
    assert_int_equal(pattern_list_may_reinclude_below(&list, c->dir), c->may);
}

static const struct glob_case {
    const char *pattern, *name;
    bool match;
} globs[] = {
    { "abc", "abc", true },
    { "*", "abc", true },
    { "*c", "abc", true },
    { "a*", "ab/c", false },
    { "a*/b", "a/c/b", false },
    { "a*b*c*d", "axbxcxd", true },
    { "**", "a/b", false },
    { "ab[c]", "abc", true },
    { "ab[^e-g]", "abc", true },
    { "a\\*b", "a*b", true },
    { "a\\*b", "axb", false },
    { "[\\]a]", "]", true },
    { "[]a]", "]", false },
    { "[", "a", false },
    { "[^]", "a", false },
    { "a[", "a", false },
    { "[x-]", "x", false },
    { "\\", "\\", false },
    { "a???b",
      "a\xe2\x98\xba\xe2\x98\xba\xe2\x98\xba"
      "b",
      true },
    { "[a-\xce\xb6]*", "\xce\xb1", true },
};

static void globbing(void **state)
{
    const struct glob_case *c = *state;
    assert_int_equal(glob_match(c->pattern, c->name), c->match);
}

static void is_pattern(void **state)
{
    (void)state;
    assert_true(glob_is_pattern("a*"));
    assert_true(glob_is_pattern("[a"));
    assert_false(glob_is_pattern("a\\*"));
    assert_false(glob_is_pattern("a\\"));
}

static void says_why(void **state)
{
    (void)state;
    auto_(pattern_list) struct pattern_list list = { 0 };
    const struct pattern *why = NULL;
    struct error err = { 0 };
    const char text[] = "a\n\n*.bin\n!keep.bin\n";
    assert_ok(pattern_list_parse(text, strlen(text), ".dockerignore", &list, &err), &err);
    assert_true(pattern_list_excludes(&list, "x.bin", &why));
    assert_int_equal(pattern_line(why), 3);
    assert_string_equal(pattern_text(why), "*.bin");
    assert_string_equal(pattern_file(why), ".dockerignore");
    assert_false(pattern_list_excludes(&list, "keep.bin", &why));
    assert_int_equal(pattern_line(why), 4);
    assert_false(pattern_list_excludes(&list, "other", &why));
    assert_null(why);
}

static void malformed(void **state)
{
    (void)state;
    struct pattern_list list;
    struct error err = { 0 };
    assert_error(pattern_list_parse("a\n!", 3, ".dockerignore", &list, &err), &err, ERROR_USER,
                 "failed parsing .dockerignore: line 2: illegal exclusion pattern: \"!\"");
    assert_error(pattern_list_parse("[a", 2, "x", &list, &err), &err, ERROR_USER,
                 "failed parsing x: line 1: syntax error in pattern: [a");
    assert_error(pattern_list_parse("a\0b", 3, "x", &list, &err), &err, ERROR_USER, "NUL");
}

/* What makes a backtracking matcher take years. */
static void single_patterns(void **state)
{
    static const char *const given[] = { " *.md ", "#odd", "!keep.md", "", NULL };
    static const char *const bad[] = { "a", "!", NULL };
    struct error err = { 0 };
    struct pattern_list list;
    (void)state;
    assert_ok(pattern_list_from(given, "--exclude", &list, &err), &err);
    assert_true(pattern_list_excludes(&list, "a.md", NULL));
    assert_true(pattern_list_excludes(&list, "#odd", NULL));
    assert_false(pattern_list_excludes(&list, "keep.md", NULL));
    pattern_list_release(&list);
    assert_ok(pattern_list_from(NULL, "--exclude", &list, &err), &err);
    assert_false(pattern_list_excludes(&list, "a", NULL));
    pattern_list_release(&list);
    assert_error(pattern_list_from(bad, "--exclude", &list, &err), &err, ERROR_USER,
                 "failed parsing --exclude: line 2: illegal exclusion pattern");

    assert_ok(pattern_list_only("a/**/ x", "a", &list, &err), &err);
    assert_false(pattern_list_excludes(&list, "a/b/ x", NULL));
    assert_false(pattern_list_excludes(&list, "a/ x/below", NULL));
    assert_true(pattern_list_excludes(&list, "a/b", NULL));
    assert_true(pattern_list_may_reinclude_below(&list, "a/b"));
    assert_true(pattern_list_excludes(&list, "b/.x", NULL));
    assert_false(pattern_list_may_reinclude_below(&list, "b"));
    pattern_list_release(&list);
    assert_error(pattern_list_only("[", "a", &list, &err), &err, ERROR_USER, "syntax error");
}

static void hostile(void **state)
{
    (void)state;
    char pattern[201];
    char name[101];
    for (size_t i = 0; i < 200; i++)
        pattern[i] = i % 2 ? '*' : 'a';
    pattern[199] = 'b';
    pattern[200] = '\0';
    memset(name, 'a', 100);
    name[100] = '\0';
    assert_false(glob_match(pattern, name));
    auto_(pattern_list) struct pattern_list list = { 0 };
    struct error err = { 0 };
    const char text[] = "**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/[b]\n";
    assert_ok(pattern_list_parse(text, strlen(text), "x", &list, &err), &err);
    assert_false(pattern_list_excludes(&list, "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", NULL));
}

int main(void)
{
    struct CMUnitTest tests[COUNT(excludes) + COUNT(belows) + COUNT(globs) + 5];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(excludes); i++)
        tests[n++] =
            (struct CMUnitTest){ excludes[i].path, exclusion, NULL, NULL, (void *)&excludes[i] };
    for (size_t i = 0; i < COUNT(belows); i++)
        tests[n++] =
            (struct CMUnitTest){ belows[i].dir, reinclusion, NULL, NULL, (void *)&belows[i] };
    for (size_t i = 0; i < COUNT(globs); i++)
        tests[n++] =
            (struct CMUnitTest){ globs[i].pattern, globbing, NULL, NULL, (void *)&globs[i] };
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(is_pattern);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(says_why);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(malformed);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(single_patterns);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(hostile);
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
