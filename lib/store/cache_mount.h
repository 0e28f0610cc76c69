/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_mount: directories that steps keep from one build to the next, `mounts/<key>/`. What is in
 * them is the steps' affair: it is in no layer and in no cache key.
 *
 *     mounts/<key>/            key: which cache this is; for more of it (CACHE_PRIVATE) <key>.1,
 * ... lock                 flock: shared by CACHE_SHARED, whole for the others data/ what is
 * mounted mount.json           stamp, and the name for people mounts/~<random>/        one that was
 * replaced while it may have been in use
 *
 * Invariants: a directory gets its name when it is complete (initial content included); whoever
 * holds its lock, and has seen that the name still leads to it, may use it; one is renamed away at
 * any time, and deleted only under its whole lock. Locks are files of their own, so that the death
 * of a builder frees them.
 *
 *     cache_mount_open ... data_fd ... cache_mount_close
 *
 * Any number of builders; one process may open the same cache more than once.
 */
#ifndef LIB_STORE_CACHE_MOUNT_H
#define LIB_STORE_CACHE_MOUNT_H

#include <sys/types.h>

#include "lib/base/cancel.h"
#include "lib/codec/digest.h"
#include "lib/store/store.h"

enum cache_mount_use {
    CACHE_MOUNT_SHARED,
    CACHE_MOUNT_PRIVATE, /* if it is in use, another one */
    CACHE_MOUNT_LOCKED,  /* if it is in use, wait */
};

struct cache_mount_request {
    struct digest key;
    const char *title; /* for people: what the Dockerfile calls it */
    enum cache_mount_use use;
    /* For one that is made: */
    unsigned mode;
    uid_t uid;
    gid_t gid;
    /* Fills the empty directory, owner and mode included; NULL: it stays empty. */
    int (*fill)(void *arg, int dir_fd, struct error *err);
    void *fill_arg;
    /* Told once, before a wait. May be NULL. */
    void (*waiting)(void *arg);
    void *waiting_arg;
};

struct cache_mount {
    int data_fd; /* O_PATH; -1: not open */
    int lock_fd;
};
#define CACHE_MOUNT_INIT                                                                           \
    {                                                                                              \
        -1, -1                                                                                     \
    }

/* Errors: SYSTEM, CANCELLED, those of `fill`. The caller is root of the build's namespace and has a
 * lease. */
int cache_mount_open(const struct store *store, const struct cache_mount_request *request,
                     const struct cancel *cancel, struct cache_mount *out,
                     struct error *err) MUST_CHECK;
/* Takes the one that is there, as CACHE_MOUNT_SHARED; *out_found is false if there is none, or if
 * it is in use in another way. */
int cache_mount_find(const struct store *store, const struct digest *key, struct cache_mount *out,
                     bool *out_found, struct error *err) MUST_CHECK;
/* The next one that opens it, or another one of the same key, finds a new one; whoever has the old
 * one keeps it. */
int cache_mount_renew(const struct store *store, const struct digest *key,
                      struct error *err) MUST_CHECK;
/* Frees the lock. A closed one is fine. */
void cache_mount_close(struct cache_mount *m);
DEFINE_AUTO(cache_mount, struct cache_mount, cache_mount_close(value))

/* Moves to trash what was replaced and is no longer used. Never fails. */
void cache_mount_sweep(const struct store *store);
/* Moves those to trash that nobody uses now, nor has since `since_s` (seconds of the real-time
 * clock). */
int cache_mount_remove_unused(const struct store *store, int64_t since_s, size_t *out_count,
                              struct error *err) MUST_CHECK;

struct cache_mount_info {
    const char *title; /* what the Dockerfile calls it */
    int64_t used_s;
    uint64_t bytes; /* on disk */
};
typedef void cache_mount_fn(void *arg, const struct cache_mount_info *info);
/* Calls `fn` for each. The caller is root of the build's namespace. */
int cache_mount_each(const struct store *store, cache_mount_fn *fn, void *arg,
                     struct error *err) MUST_CHECK;

#endif
