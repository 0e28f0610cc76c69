/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc: removes what no image of the store needs: layers, blobs, records of steps, indexes. All of
 * it, or what has been unused longest until a policy is met. Safe beside builds, which keep what
 * they use (use.h). What goes is renamed to trash/; deleting it is the janitor's.
 */
#ifndef LIB_STORE_GC_H
#define LIB_STORE_GC_H

#include <stdint.h>

#include "lib/store/store.h"

/* In buildkit's words and with its meaning. All zero: everything goes. */
struct gc_policy {
    int64_t unused_for_s; /* what was used since stays */
    /* Bytes on disk of what no image needs; 0: not limited. What was used last stays: */
    uint64_t max_used;        /* up to so much, */
    uint64_t min_free;        /* or less, until the file system has so much free, */
    uint64_t min_free_inodes; /* and so many of those; 0 if it does not count them */
    uint64_t reserved;        /* but no less than so much */
    bool own_counts;          /* this process has a build under way, which keeps what it uses */
};

struct gc_result {
    size_t layers, blobs, records; /* removed */
    uint64_t bytes, inodes;        /* of them, on disk */
    uint64_t kept_bytes;           /* of what no image needs, but the policy or a build keeps */
    bool was_beside;               /* other processes used the store */
};

/* The caller is root of the build's namespace, and has a lease. */
int gc_run(const struct store *store, const struct gc_policy *policy, struct gc_result *out,
           struct error *err) MUST_CHECK;

/* Has the file system less free than the policy wants? */
bool gc_is_short(const struct store *store, const struct gc_policy *policy);

#endif
