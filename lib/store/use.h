/* SPDX-License-Identifier: Apache-2.0 */
/*
 * use: what is in use is not swept, though builds and sweeps (gc.h) run side by side. Blobs,
 * layers, records and indexes have a stamp, the time when they were last used: the file's mtime, a
 * layer's that of its layer.json.
 *
 *   1. Who looks a thing up and finds it uses it: the look-up makes its stamp new if that is older
 *      than USE_PERIOD_S. (So a cached build within an hour of the last one writes none.)
 *   2. What a build makes has a new stamp by itself.
 *   3. A sweep spares what was used since USE_PERIOD_S before the oldest living lease began;
 *      without a living lease nothing is in use.
 *
 * So for a lease that began at t, what is made under it is newer than t, and what is found under it
 * newer than t - USE_PERIOD_S, either already or by 1. As long as the lease lives, 3 spares both.
 *
 * What could still go wrong goes wrong in a moment between two steps, and gc.lock closes those: a
 * sweep holds it whole from its look at the leases to its last rename; a lease is taken, and an old
 * stamp made new, with the lock shared. Hence a stamp is made new before a sweep reads it, or the
 * thing is gone by then and the look-up finds nothing, as if it had never been there; and a lease
 * either is seen by the sweep or begins after it. The lock is held for moments: trees are measured
 * before and deleted after.
 *
 * If the clock is set back during a build, its stamps are not older than its lease all the same,
 * and nothing at all is swept as long as the lease is of a later time than the clock's.
 */
#ifndef LIB_STORE_USE_H
#define LIB_STORE_USE_H

#include <sys/stat.h>

#include "lib/store/store.h"

/* `name` in `dir_fd` was found, with this stat. False: it has been swept meanwhile. Without a lease
 * nothing is used. */
bool store_use(const struct store *store, int dir_fd, const char *name, const struct stat *st);

struct sweep {
    int lock_fd;
    bool has_others; /* somebody's lease is alive; then what was used since is spared: */
    int64_t since_s; /* seconds of the real-time clock */
};

/* Waits for others that sweep. `own_counts`: this process has a build under way itself; else its
 * lease is for the sweep alone. In between no look-up of the store may be made, only files read. */
int sweep_begin(const struct store *store, bool own_counts, struct sweep *out,
                struct error *err) MUST_CHECK;
bool sweep_spares(const struct sweep *sweep, int64_t used_s);
void sweep_end(struct sweep *sweep);
DEFINE_AUTO(sweep, struct sweep, sweep_end(value))

#endif
