/* SPDX-License-Identifier: Apache-2.0 */
/* str, strbuf, strvec. */
#include "lib/base/str.h"

#include "lib/base/mem.h"
#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"
#include "tests/support/test.h"

static void cuts(void **state)
{
    struct str rest = STR("a::b");
    (void)state;
    assert_true(str_equal(str_cut(&rest, ':'), STR("a")));
    assert_true(str_equal(str_cut(&rest, ':'), STR("")));
    assert_true(str_equal(str_cut(&rest, ':'), STR("b")));
    assert_int_equal(rest.len, 0);
    assert_int_equal(str_cut(&rest, ':').len, 0);
}

static void trims(void **state)
{
    (void)state;
    assert_true(str_equal(str_trim(STR(" \ta b "), " \t"), STR("a b")));
    assert_int_equal(str_trim(STR("   "), " ").len, 0);
    assert_int_equal(str_trim(STR(""), " ").len, 0);
    /* The terminator of the set is no member of it. */
    assert_int_equal(str_trim((struct str){ "\0x\0", 3 }, " ").len, 3);
}

static void compares(void **state)
{
    (void)state;
    assert_true(str_starts_with("abc", "ab"));
    assert_true(str_starts_with("abc", ""));
    assert_false(str_starts_with("a", "ab"));
    assert_true(str_ends_with("abc", "bc"));
    assert_false(str_ends_with("c", "bc"));
    assert_true(str_equal(STR(""), (struct str){ NULL, 0 }));
    assert_false(str_equal(STR("a"), STR("A")));
}

static const struct number_case {
    const char *text;
    unsigned base;
    uint64_t max;
    bool ok;
    uint64_t value;
} numbers[] = {
    { "0", 10, 9, true, 0 },
    { "007", 10, 9, true, 7 },
    { "755", 8, 07777, true, 0755 },
    { "8", 8, 07777, false, 0 },
    { "10", 10, 9, false, 0 },
    { "", 10, 9, false, 0 },
    { "-1", 10, 9, false, 0 },
    { "+1", 10, 9, false, 0 },
    { " 1", 10, 9, false, 0 },
    { "1 ", 10, 9, false, 0 },
    { "0x1", 10, 99, false, 0 },
    { "18446744073709551615", 10, UINT64_MAX, true, UINT64_MAX },
    { "18446744073709551616", 10, UINT64_MAX, false, 0 },
    { "99999999999999999999999", 10, UINT64_MAX, false, 0 },
    { "\xb1", 10, 9, false, 0 },
};

static void parses_numbers(void **state)
{
    const struct number_case *c = *state;
    uint64_t value = 42;
    assert_int_equal(str_to_u64(str_of(c->text), c->base, c->max, &value), c->ok);
    assert_int_equal(value, c->ok ? c->value : 42);
}

static void nearest_word(void **state)
{
    static const char *const verbs[] = { "RUN", "COPY", "CMD", "ENTRYPOINT" };
    char huge[200];
    (void)state;
    memset(huge, 'R', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_string_equal(str_nearest("COPPY", verbs, COUNT(verbs)), "COPY");
    assert_string_equal(str_nearest("rum", verbs, COUNT(verbs)), "RUN");
    assert_string_equal(str_nearest("entripont", verbs, COUNT(verbs)), "ENTRYPOINT");
    assert_null(str_nearest("ENTR", verbs, COUNT(verbs)));
    assert_null(str_nearest("XXXXXXX", verbs, COUNT(verbs)));
    assert_null(str_nearest(huge, verbs, COUNT(verbs)));
    assert_null(str_nearest("RUN", verbs, 0));
    assert_string_equal(str_nearest("RUN", verbs, COUNT(verbs)), "RUN");
}

static void buffers_grow(void **state)
{
    auto_(strbuf) struct strbuf sb = STRBUF_INIT;
    (void)state;
    assert_string_equal(sb.buf, "");
    for (int i = 0; i < 1000; i++)
        strbuf_addf(&sb, "%d,", i);
    assert_int_equal(sb.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(sb.buf), sb.len);
    strbuf_clear(&sb);
    assert_string_equal(sb.buf, "");
    strbuf_add(&sb, "a\0b", 3);
    strbuf_addch(&sb, 'c');
    assert_memory_equal(sb.buf, "a\0bc", 5);
    auto_free char *text = strbuf_detach(&sb);
    assert_memory_equal(text, "a\0bc", 5);
    assert_int_equal(sb.len, 0);
    auto_free char *empty = strbuf_detach(&sb);
    assert_string_equal(empty, "");
}

static void lists_sort_by_byte(void **state)
{
    auto_(strvec) struct strvec v = { 0 };
    (void)state;
    strvec_sort(&v);
    strvec_push(&v, "b");
    strvec_push(&v, "\xc3\xa9");
    strvec_pushf(&v, "%c", 'B');
    strvec_push_take(&v, xstrdup(""));
    strvec_sort(&v);
    assert_string_equal(v.items[0], "");
    assert_string_equal(v.items[1], "B");
    assert_string_equal(v.items[2], "b");
    assert_string_equal(v.items[3], "\xc3\xa9");
    assert_null(v.items[v.count]);
}

static void server_text_is_cleaned(void **state)
{
    (void)state;
    auto_free char *text = str_clean("a\033[31m\r\nb\xc2\x9b\x7f"
                                     "cdef",
                                     14);
    assert_string_equal(text, "a [31m  b   cd");
}

int main(void)
{
    enum { OTHERS = 7 };
    struct CMUnitTest tests[COUNT(numbers) + OTHERS] = {
        cmocka_unit_test(cuts),
        cmocka_unit_test(trims),
        cmocka_unit_test(compares),
        cmocka_unit_test(nearest_word),
        cmocka_unit_test(buffers_grow),
        cmocka_unit_test(lists_sort_by_byte),
        cmocka_unit_test(server_text_is_cleaned),
    };
    for (size_t i = 0; i < COUNT(numbers); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ numbers[i].text, parses_numbers, NULL, NULL, (void *)&numbers[i] };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
