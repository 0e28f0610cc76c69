/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/transfers.h"

#include <inttypes.h>

#include "cmd/size_text.h"
#include "lib/base/mem.h"

/* Less than that says nothing about a rate. */
#define INSTANT_NS UINT64_C(50000000)
#define NS_PER_S   1e9

struct transfer *transfers_update(struct transfers *t, const struct progress_event *e,
                                  uint64_t step_ns, uint64_t now_ns)
{
    struct transfer *found = NULL;
    for (size_t i = 0; i < t->count && !found; i++) {
        if (strcmp(t->items[i].name, e->name) == 0)
            found = &t->items[i];
    }
    if (!found) {
        GROW(t->items, t->count, t->cap);
        found = &t->items[t->count++];
        bool is_over = e->total && e->current >= e->total;
        bool is_whole = is_over || e->since_ns;
        *found = (struct transfer){ .name = xstrdup(e->name),
                                    .first = is_whole ? 0 : e->current,
                                    .first_ns = e->since_ns ? e->since_ns
                                                : is_over   ? step_ns
                                                            : now_ns };
    }
    found->current = e->current;
    found->total = e->total;
    found->now_ns = now_ns;
    return found;
}

void transfers_release(struct transfers *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i].name);
    free(t->items);
    *t = (struct transfers){ 0 };
}

bool transfer_is_done(const struct transfer *t)
{
    return t->total && t->current >= t->total;
}

void transfer_print_bytes(const struct transfer *t, struct strbuf *out)
{
    char text[SIZE_TEXT];
    size_print(t->current, text);
    strbuf_addstr(out, text);
    if (!t->total)
        return;
    size_print(t->total, text);
    strbuf_addf(out, " / %s", text);
}

void rate_print(uint64_t bytes, uint64_t duration_ns, struct strbuf *out)
{
    char text[SIZE_TEXT];
    if (duration_ns < INSTANT_NS)
        return;
    size_print((uint64_t)((double)bytes / ((double)duration_ns / NS_PER_S)), text);
    strbuf_addf(out, "%s/s", text);
}

void transfer_print_rate(const struct transfer *t, struct strbuf *out)
{
    uint64_t moved = t->current > t->first ? t->current - t->first : 0;
    uint64_t duration = t->now_ns - t->first_ns;
    if (!moved || duration < INSTANT_NS)
        return;
    strbuf_addch(out, ' ');
    rate_print(moved, duration, out);
    if (t->total <= t->current)
        return;
    double seconds = (double)(t->total - t->current) / (double)moved * (double)duration / NS_PER_S;
    uint64_t left = (uint64_t)seconds + 1;
    if (left < 60)
        strbuf_addf(out, ", %" PRIu64 "s left", left);
    else if (left < UINT64_C(100) * 3600)
        strbuf_addf(out, ", %" PRIu64 "m%02" PRIu64 "s left", left / 60, left % 60);
}
