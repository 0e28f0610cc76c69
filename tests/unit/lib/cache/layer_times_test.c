/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/layer_times.h"

#include "tests/support/test.h"

enum { NONE = -1000 };

static const struct fits_case {
    int64_t newest;
    bool our_times;
    int64_t clamped_to; /* NONE: it was not */
    int64_t epoch;      /* NONE: a build without */
    bool fits;
} cases[] = {
    /* What was not touched fits whatever would not touch it. */
    { 5, false, NONE, NONE, true },
    { 5, false, NONE, 5, true },
    { 5, false, NONE, 6, true },
    { 5, false, NONE, 4, false },
    { -5, false, NONE, 0, true },
    { INT64_MIN, false, NONE, 0, true },
    { INT64_MAX, false, NONE, NONE, true },
    { INT64_MAX, false, NONE, INT64_MAX, true },
    /* What we made follows the epoch. */
    { 5, true, NONE, NONE, true },
    { 5, true, NONE, 6, false },
    { 0, true, NONE, 0, false },
    /* What was set back fits that epoch alone. */
    { 5, false, 5, 5, true },
    { 5, false, 5, 4, false },
    { 5, false, 5, 6, false },
    { 5, false, 5, NONE, false },
    { 0, true, 0, 0, true },
    { 7, true, 7, 7, true },
    { 7, true, 7, 8, false },
    { 7, true, 7, NONE, false },
};

static struct layer_times times_of(const struct fits_case *c)
{
    return (struct layer_times){ .are_final = true,
                                 .newest_s = c->newest,
                                 .has_our_times = c->our_times,
                                 .is_clamped = c->clamped_to != NONE,
                                 .epoch_s = c->clamped_to != NONE ? c->clamped_to : 0 };
}

/* As they were told, and as they are read again. */
static void fit_an_epoch_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct fits_case *c = &cases[i];
        bool has_epoch = c->epoch != NONE;
        struct error err = { 0 };
        struct layer_times times = times_of(c);
        struct layer_times read;
        auto_(js) js *object = js_new_object();
        layer_times_print(&times, object);
        assert_ok(layer_times_parse(object, &read, &err), &err);
        if (layer_times_fit(&times, has_epoch, c->epoch) != c->fits ||
            layer_times_fit(&read, has_epoch, c->epoch) != c->fits)
            fail_msg("case %zu: it should %sfit", i, c->fits ? "" : "not ");
    }
}

static void a_tree_fits_any(void **state)
{
    const struct layer_times tree = { 0 };
    struct layer_times read = { .are_final = true };
    struct error err = { 0 };
    auto_(js) js *object = js_new_object();
    (void)state;
    layer_times_print(&tree, object);
    assert_ok(layer_times_parse(object, &read, &err), &err);
    assert_true(layer_times_fit(&read, false, 0));
    assert_true(layer_times_fit(&read, true, INT64_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(fit_an_epoch_or_not),
                                        cmocka_unit_test(a_tree_fits_any) };
    return cmocka_run_group_tests_name("layer_times", tests, NULL, NULL);
}
