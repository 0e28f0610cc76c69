/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/whiteout.h"

#include "lib/base/mem.h"
#include "tests/support/test.h"

static const struct whiteout_case {
    const char *path;
    enum whiteout whiteout;
    const char *target;
    bool refused;
} cases[] = {
    { "", WHITEOUT_NONE, NULL, false },
    { "a", WHITEOUT_NONE, NULL, false },
    { "wh.a", WHITEOUT_NONE, NULL, false },
    { ".wha", WHITEOUT_NONE, NULL, false },
    { ".wh", WHITEOUT_NONE, NULL, false },
    { "a.wh.b", WHITEOUT_NONE, NULL, false },
    { ".wh.a/b", WHITEOUT_NONE, NULL, false },
    { ".WH.a", WHITEOUT_NONE, NULL, false },
    { ".wh.a", WHITEOUT_NAME, "a", false },
    { "d/.wh.a", WHITEOUT_NAME, "d/a", false },
    { "d/e/.wh..a", WHITEOUT_NAME, "d/e/.a", false },
    { "d/.wh....", WHITEOUT_NAME, "d/...", false },
    { ".wh.\n", WHITEOUT_NAME, "\n", false },
    { ".wh.wh.a", WHITEOUT_NAME, "wh.a", false },
    { ".wh..wh..opq", WHITEOUT_OPAQUE, "", false },
    { "d/.wh..wh..opq", WHITEOUT_OPAQUE, "d", false },
    { "d/e/.wh..wh..opq", WHITEOUT_OPAQUE, "d/e", false },
    { ".wh..wh..opq2", WHITEOUT_META, NULL, false },
    { "d/.wh..wh.plnk", WHITEOUT_META, NULL, false },
    { ".wh..wh.", WHITEOUT_META, NULL, false },
    { ".wh.", WHITEOUT_NONE, NULL, true },
    { "d/.wh.", WHITEOUT_NONE, NULL, true },
    { ".wh..", WHITEOUT_NONE, NULL, true },
    { "d/.wh...", WHITEOUT_NONE, NULL, true },
};

static void names_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct whiteout_case *c = &cases[i];
        struct error err = { 0 };
        enum whiteout got = WHITEOUT_META;
        auto_free char *target = NULL;
        int rc = whiteout_parse(c->path, &got, &target, &err);
        if (c->refused) {
            assert_error(rc, &err, ERROR_CORRUPT, "names nothing");
            continue;
        }
        assert_ok(rc, &err);
        bool same_target =
            target && c->target ? strcmp(target, c->target) == 0 : target == c->target;
        if (got != c->whiteout || !same_target)
            fail_msg("%s: %d of %s", c->path, (int)got, target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_are_told) };
    return cmocka_run_group_tests_name("whiteout", tests, NULL, NULL);
}
