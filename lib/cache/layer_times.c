/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/layer_times.h"

bool layer_times_fit(const struct layer_times *t, bool has_epoch, int64_t epoch_s)
{
    if (!t->are_final)
        return true;
    if (t->is_clamped)
        return has_epoch && t->epoch_s == epoch_s;
    return !has_epoch || (!t->has_our_times && t->newest_s <= epoch_s);
}

void layer_times_print(const struct layer_times *t, js *object)
{
    if (!t->are_final)
        return;
    js_set_take(object, "newest", js_new_int(t->newest_s));
    if (t->has_our_times)
        js_set_take(object, "our_times", js_new_bool(true));
    if (t->is_clamped)
        js_set_take(object, "epoch", js_new_int(t->epoch_s));
}

int layer_times_parse(const js *object, struct layer_times *out, struct error *err)
{
    *out = (struct layer_times){ .are_final = js_member(object, "newest") != NULL,
                                 .has_our_times = js_is_true(js_member(object, "our_times")),
                                 .is_clamped = js_member(object, "epoch") != NULL };
    TRY(js_get_i64(object, "newest", &out->newest_s, err));
    return js_get_i64(object, "epoch", &out->epoch_s, err);
}
