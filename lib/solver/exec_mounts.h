/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_mounts: what a step has mounted, from the definition to descriptors: views of other stages,
 * directories that are kept between builds, values and agents that the caller lends.
 *
 *     auto_(exec_mounts) struct exec_mounts m = { 0 };
 *     TRY(exec_mounts_identify(&m, s, v, &key, err));       what the step's key says of them
 *     TRY(exec_mounts_open(&m, progress, err));             may wait for a locked cache
 *     ... prepare with m.points, run with m.sources ...
 *     exec_mounts_close(&m);                                before the step's layer is committed
 */
#ifndef LIB_SOLVER_EXEC_MOUNTS_H
#define LIB_SOLVER_EXEC_MOUNTS_H

#include "lib/solver/solver_internal.h"
#include "lib/solver/ssh_proxy.h"
#include "lib/store/cache_mount.h"

/* What stands behind one mount; most of it is empty for any type. */
struct exec_mount_state {
    struct snapshot *root;    /* of BIND's input, and of CACHE's if it was looked into; the first
                               * mount that needs a view owns it */
    char *path;               /* in that root, resolved */
    struct cache_mount cache; /* CACHE */
    struct ssh_proxy *proxy;  /* SSH */
};

struct exec_mounts {
    struct solver *solver;
    const struct vertex *vertex;
    unsigned progress;
    struct exec_source *sources;     /* for the executor: one for each mount of the step */
    struct exec_mount_state *states; /* likewise */
    struct mount_point *points;      /* what must exist in the root */
    size_t point_count;
};

/* Adds to `key` the content of what is bound, and of what a cache begins with. Sources are looked
 * for only if their digest is not known. Errors: NOT_FOUND. */
int exec_mounts_identify(struct exec_mounts *m, struct solver *s, const struct vertex *v,
                         struct cache_key *key, struct error *err) MUST_CHECK;
/* Opens everything. Errors: NOT_FOUND (a source, a secret, an agent), CANCELLED, SYSTEM. */
int exec_mounts_open(struct exec_mounts *m, unsigned progress, struct error *err) MUST_CHECK;
void exec_mounts_close(struct exec_mounts *m);
DEFINE_AUTO(exec_mounts, struct exec_mounts, exec_mounts_close(value))

/* exec_caches.c: the CACHE mounts, in an order that cannot lead to a deadlock. */
int exec_caches_open(struct exec_mounts *m, struct error *err) MUST_CHECK;

#endif
