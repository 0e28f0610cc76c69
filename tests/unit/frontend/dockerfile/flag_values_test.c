/* SPDX-License-Identifier: Apache-2.0 */
/* The small languages of flags: lists of comma-separated values, truth, sizes, modes. */
#include "tests/support/test.h"

#include "frontend/dockerfile/go_text.h"
#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"

static const struct csv_case {
    const char *text, *joined; /* each field in <>; NULL: an error with the text that follows */
    const char *error;
} csv_cases[] = {
    { "a", "<a>", NULL },
    { "a,b=c", "<a><b=c>", NULL },
    { "a,", "<a><>", NULL },
    { ",", "<><>", NULL },
    { " a , b ", "< a >< b >", NULL },
    { "\"a,b\",c", "<a,b><c>", NULL },
    { "\"a\"\"b\"", "<a\"b>", NULL },
    { "\"\"", "<>", NULL },
    { "\"\",\"\"", "<><>", NULL },
    { "", NULL, "nothing in it" },
    { "a\"b", NULL, "bare \"" },
    { "\"a\"b", NULL, "extraneous or missing \"" },
    { "\"a", NULL, "extraneous or missing \"" },
    { "\"a\"\"", NULL, "extraneous or missing \"" },
};

static void reads_csv(void **state)
{
    const struct csv_case *c = *state;
    auto_(strvec) struct strvec fields = { 0 };
    auto_(strbuf) struct strbuf joined = STRBUF_INIT;
    auto_(error) struct error err = { 0 };
    int rc = words_parse_csv(c->text, &fields, &err);
    if (c->error) {
        assert_error(rc, &err, ERROR_USER, c->error);
        return;
    }
    assert_ok(rc, &err);
    for (size_t i = 0; i < fields.count; i++)
        strbuf_addf(&joined, "<%s>", fields.items[i]);
    assert_string_equal(joined.buf, c->joined);
}

static void reads_truth(void **state)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
    static const char *const neither[] = { "", "yes", "no", "2", "tRUE", "true " };
    bool value = false;
    (void)state;
    for (size_t i = 0; i < COUNT(yes); i++)
        assert_true(go_bool_parse(yes[i], &value) && value);
    for (size_t i = 0; i < COUNT(no); i++)
        assert_true(go_bool_parse(no[i], &value) && !value);
    for (size_t i = 0; i < COUNT(neither); i++)
        assert_false(go_bool_parse(neither[i], &value));
}

static const struct size_case {
    const char *text;
    bool valid;
    uint64_t bytes;
} size_cases[] = {
    { "0", true, 0 },
    { "512", true, 512 },
    { "1k", true, 1024 },
    { "64m", true, 64U << 20 },
    { "64MB", true, 64U << 20 },
    { "64 MiB", true, 64U << 20 },
    { "1.5g", true, 3U << 29 },
    { "1b", true, 1 },
    { "2T", true, UINT64_C(2) << 40 },
    { "1P", true, UINT64_C(1) << 50 },
    { "0.5k", true, 512 },
    { "", false, 0 },
    { "-1", false, 0 },
    { "k", false, 0 },
    { ".5k", false, 0 },
    { "1.k", false, 0 },
    { "1  k", false, 0 },
    { "1x", false, 0 },
    { "1kk", false, 0 },
    { "1ki", true, 1024 },
    { "99999999999999999999", false, 0 },
    { "99999999999t", false, 0 },
};

static void reads_size(void **state)
{
    const struct size_case *c = *state;
    uint64_t bytes = 0;
    assert_int_equal(go_size_parse(c->text, &bytes), c->valid);
    if (c->valid)
        assert_int_equal(bytes, c->bytes);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(csv_cases) + COUNT(size_cases) + 1];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(csv_cases); i++)
        tests[n++] =
            (struct CMUnitTest){ csv_cases[i].text, reads_csv, NULL, NULL, (void *)&csv_cases[i] };
    for (size_t i = 0; i < COUNT(size_cases); i++)
        tests[n++] = (struct CMUnitTest){ size_cases[i].text, reads_size, NULL, NULL,
                                          (void *)&size_cases[i] };
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(reads_truth);
    return _cmocka_run_group_tests("flag values", tests, n, NULL, NULL);
}
