/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/path.h"

#include "tests/support/test.h"

static const struct clean_case {
    const char *path, *cleaned;
} cleans[] = {
    { "", "." },
    { ".", "." },
    { "/", "/" },
    { "//", "/" },
    { "a", "a" },
    { "a/", "a" },
    { "a//b", "a/b" },
    { "a/./b", "a/b" },
    { "./a", "a" },
    { "a/..", "." },
    { "a/../b", "b" },
    { "a/../..", ".." },
    { "../..", "../.." },
    { "../a/../..", "../.." },
    { "/..", "/" },
    { "/../a", "/a" },
    { "/a/../../b", "/b" },
    { "a/b/../../c", "c" },
    { "a/...", "a/..." },
    { "/a/b/.", "/a/b" },
    { "..a/b..", "..a/b.." },
};

static void cleans_as_go_does(void **state)
{
    const struct clean_case *c = *state;
    auto_free char *cleaned = path_clean(c->path);
    auto_free char *again = path_clean(cleaned);
    assert_string_equal(cleaned, c->cleaned);
    assert_string_equal(again, c->cleaned);
}

static void joins(void **state)
{
    static const char *const cases[][3] = {
        { "a", "b", "a/b" },        { "", "b", "b" },   { "a", "", "a" },
        { "a", "../b", "b" },       { "/", "b", "/b" }, { "/a/", "/b", "/a/b" },
        { "a", "../../b", "../b" }, { "", "", "." },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *joined = path_join(cases[i][0], cases[i][1]);
        assert_string_equal(joined, cases[i][2]);
    }
}

static void below_adds_and_cleans_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *dir, *rest, *want;
    } cases[] = { { "", "", "" },
                  { "a", "", "a" },
                  { "", "b", "b" },
                  { "a", "b", "a/b" },
                  { "a/b", "../c", "a/b/../c" } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *path = path_below(cases[i].dir, cases[i].rest);
        assert_string_equal(path, cases[i].want);
    }
}

static void absolute_paths_ignore_the_directory(void **state)
{
    (void)state;
    auto_free char *relative = path_absolute("/w/x", "../y");
    auto_free char *rooted = path_absolute("/w/x", "/../y");
    assert_string_equal(relative, "/w/y");
    assert_string_equal(rooted, "/y");
}

static void bases_and_parents(void **state)
{
    (void)state;
    assert_string_equal(path_base("a/b"), "b");
    assert_int_equal(path_dir_len("a/b/c"), 3);
    assert_int_equal(path_dir_len("a"), 0);
    assert_int_equal(path_dir_len(""), 0);
    assert_string_equal(path_base("b"), "b");
    assert_string_equal(path_base("/"), "");
    assert_true(path_is_below("a/b", "a"));
    assert_true(path_is_below("a", "a"));
    assert_false(path_is_below("ab", "a"));
    assert_false(path_is_below("a", "a/b"));
    assert_true(path_is_below("/x", "/"));
    assert_true(path_is_below("/", "/"));
}

int main(void)
{
    enum { OTHERS = 4 };
    struct CMUnitTest tests[COUNT(cleans) + OTHERS] = {
        cmocka_unit_test(joins),
        cmocka_unit_test(below_adds_and_cleans_nothing),
        cmocka_unit_test(absolute_paths_ignore_the_directory),
        cmocka_unit_test(bases_and_parents),
    };
    for (size_t i = 0; i < COUNT(cleans); i++)
        tests[OTHERS + i] = (struct CMUnitTest){ cleans[i].path, cleans_as_go_does, NULL, NULL,
                                                 (void *)&cleans[i] };
    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
