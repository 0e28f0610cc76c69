/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/meter.h"

#include <stdio.h>

#include "lib/base/clock.h"

#define INTERVAL_NS UINT64_C(200000000) /* a few times a second */

void meter_start(struct meter *m, struct progress *progress, unsigned vertex, const char *name,
                 uint64_t total)
{
    m->progress = progress;
    m->vertex = vertex;
    m->total = total;
    snprintf(m->name, sizeof m->name, "%s", name);
    atomic_init(&m->current, 0);
    m->start_ns = clock_monotonic_ns();
    atomic_init(&m->told_ns, m->start_ns);
}

void meter_add(struct meter *m, uint64_t bytes)
{
    if (!m || !m->progress)
        return;
    uint64_t current = atomic_fetch_add(&m->current, bytes) + bytes;
    uint64_t now = clock_monotonic_ns();
    uint_fast64_t told = atomic_load(&m->told_ns);
    /* A total that was too low is no end. */
    uint64_t total = m->total && current >= m->total ? current + 1 : m->total;
    /* Of several threads one tells. */
    if (now - told >= INTERVAL_NS && atomic_compare_exchange_strong(&m->told_ns, &told, now))
        progress_status_since(m->progress, m->vertex, m->name, m->start_ns, current, total);
}

void meter_set(struct meter *m, uint64_t bytes)
{
    uint64_t current = atomic_load(&m->current);
    if (bytes > current)
        meter_add(m, bytes - current);
}

void meter_end(struct meter *m)
{
    uint64_t current = atomic_load(&m->current);
    if (m->progress && current)
        progress_status_since(m->progress, m->vertex, m->name, m->start_ns, current, current);
}

static ssize_t metered_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct metered_reader *r = (struct metered_reader *)base;
    ssize_t n = r->in->read(r->in, buf, cap, err);
    if (n > 0)
        meter_add(r->meter, (uint64_t)n);
    return n;
}

struct metered_reader metered_reader_init(struct reader *in, struct meter *meter)
{
    return (struct metered_reader){ { metered_read }, in, meter };
}
