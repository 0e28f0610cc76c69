/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/mode_change.h"

#include "lib/base/mem.h"
#include "tests/support/test.h"

static const struct mode_case {
    const char *text;
    unsigned before;
    bool is_dir;
    unsigned after;
} cases[] = {
    { "0644", 0777, false, 0644 },
    { "7777", 0, true, 07777 },
    { "0", 0777, false, 0 },
    { "u=rwX,go=rX", 0600, false, 0644 },
    { "u=rwX,go=rX", 0700, false, 0755 },
    { "u=rwX,go=rX", 0600, true, 0755 },
    { "+x", 0644, false, 0755 },
    { "a+x", 0644, false, 0755 },
    { "-w", 0666, false, 0444 },
    { "a-w", 0755, true, 0555 },
    { "g=u", 0640, false, 0660 },
    { "o=g,g=", 0750, false, 0705 },
    { "u+s", 0755, false, 04755 },
    { "g+s", 0755, true, 02755 },
    { "o+s", 0755, false, 0755 },
    { "+s", 0755, false, 06755 },
    { "+t", 0777, true, 01777 },
    { "u-s", 04755, false, 0755 },
    { "=r", 06777, false, 0444 },
    { "=rx", 02777, true, 02555 },
    { "g=rxs", 0777, true, 02757 },
    { "u=rw,u+x", 0, false, 0700 },
    { "u=rw+x,o=", 0007, false, 0700 },
    { "a-x,u+X", 0755, false, 0744 },
    { "a-x,u+X", 0644, false, 0644 },
    { "ug+rw", 0, false, 0660 },
    { "go-rwx", 0777, false, 0700 },
    { "u=", 0777, false, 0077 },
};

static void the_mode_becomes(void **state)
{
    const struct mode_case *c = *state;
    struct error err = { 0 };
    auto_(mode_change) struct mode_change change = { 0 };
    assert_ok(mode_change_parse(c->text, &change, &err), &err);
    assert_int_equal(mode_change_apply(&change, c->before, c->is_dir), c->after);
}

static void nonsense_is_refused(void **state)
{
    static const char *const texts[] = { "",     "10000", "0x1",      "abc", "u",    "u=rwz",
                                         "u=r,", ",u=r",  "u=r,,g=r", "888", "-1",   "u=a",
                                         "644 ", "rwx",   "u=rw x",   "+x,", "0644x" };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct error err = { 0 };
        struct mode_change change = { 0 };
        assert_error(mode_change_parse(texts[i], &change, &err), &err, ERROR_USER,
                     "invalid chmod parameter: '");
    }
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cases) + 1];
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[i] =
            (struct CMUnitTest){ cases[i].text, the_mode_becomes, NULL, NULL, (void *)&cases[i] };
    tests[COUNT(cases)] = (struct CMUnitTest)cmocka_unit_test(nonsense_is_refused);
    return cmocka_run_group_tests_name("mode_change", tests, NULL, NULL);
}
