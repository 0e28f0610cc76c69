/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter: counts the bytes of one thing on its way, and tells the progress a few times a second, so
 * that counting costs next to nothing however small the pieces are.
 *
 *     struct meter m;
 *     meter_start(&m, progress, vertex, "transferring context", 0);
 *     meter_add(&m, n); ...               from any thread; NULL counts for nobody
 *     meter_end(&m);                      what was counted is told as done; not after a failure
 */
#ifndef LIB_BASE_METER_H
#define LIB_BASE_METER_H

#include <stdatomic.h>

#include "lib/base/progress.h"
#include "lib/base/stream.h"

struct meter {
    struct progress *progress; /* NULL: nobody watches */
    unsigned vertex;
    char name[64];
    uint64_t total; /* 0: unknown */
    uint64_t start_ns;
    atomic_uint_fast64_t current;
    atomic_uint_fast64_t told_ns;
};

/* A `name` that is too long is cut. */
void meter_start(struct meter *m, struct progress *progress, unsigned vertex, const char *name,
                 uint64_t total);
void meter_add(struct meter *m, uint64_t bytes);
/* So many are there by now; for one thread. */
void meter_set(struct meter *m, uint64_t bytes);
void meter_end(struct meter *m);

/* A reader whose bytes are counted. */
struct metered_reader {
    struct reader base;
    struct reader *in;
    struct meter *meter;
};
struct metered_reader metered_reader_init(struct reader *in, struct meter *meter);

#endif
