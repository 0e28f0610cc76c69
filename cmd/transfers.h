/* SPDX-License-Identifier: Apache-2.0 */
/* transfers: what moves in a step (the layers of a pull, an archive that is written), for all that
 * show it: how far it is, how fast, how long it will take. */
#ifndef CMD_TRANSFERS_H
#define CMD_TRANSFERS_H

#include <stdbool.h>

#include "lib/base/progress.h"
#include "lib/base/strbuf.h"

struct transfer {
    char *name;
    uint64_t current, total;          /* total 0: unknown */
    uint64_t first, first_ns, now_ns; /* what was there when it was first heard of; times */
    uint64_t shown_ns, shown_percent; /* for whoever does not show all of it */
};

struct transfers {
    struct transfer *items; /* in order of appearance */
    size_t count, cap;
};

/* Takes in a PROGRESS_STATUS that was told at `now_ns`. What does not say when it began, and is
 * first heard of when it is done, began with its step, at `step_ns`. Valid until the next one. */
struct transfer *transfers_update(struct transfers *t, const struct progress_event *e,
                                  uint64_t step_ns, uint64_t now_ns);
void transfers_release(struct transfers *t);

bool transfer_is_done(const struct transfer *t);
/* "12.3MB / 30MB" */
void transfer_print_bytes(const struct transfer *t, struct strbuf *out);
/* " 10.2MB/s, 2s left": what can be said of it, which may be nothing. */
void transfer_print_rate(const struct transfer *t, struct strbuf *out);

/* "10.2MB/s"; nothing for less than an instant. */
void rate_print(uint64_t bytes, uint64_t duration_ns, struct strbuf *out);

#endif
