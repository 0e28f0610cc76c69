/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: one directory, mode 0700, that is also a valid OCI image layout (design.md 6):
 *
 *     oci-layout index.json   so that skopeo reads it          blobs/sha256/<hex>   blob.h
 *     layers/<id>/            unpacked layers, layer.h         images/<name>        image_store.h
 *     cache/<key>             step records, record.h           durable/<boot>       since when
 *     leases/<lease>          one locked file a running build  tmp/<lease>/         its scratch
 * space trash/                  renamed away, to be deleted      contexts/            stat indexes
 *     mounts/<key>/           caches of steps, cache_mount.h   indexes/<id>         what packed
 * layers hold                                                  blocks/<hex>         block_index.h
 *
 * Invariants: nothing has a name until it is complete (write aside, check, rename); a build owns
 * exactly the scratch space of its lease; a lease is alive as long as its file is locked (flock),
 * so whatever died is recognised without clocks or pids.
 *
 * Durability is lazy: records and layers are stamped with the boot and the time in it, when all
 * that they are about has been written; store_sync is one syncfs, and then marks the boot with the
 * time at which that began. After a reboot, what was stamped later than the mark does not exist (a
 * power cut may have left it half written). What was stamped before does, whoever made it: a build
 * may stand on the layers of another that was interrupted. A kill needs no sync.
 *
 *     store_open -> store_lease -> ... -> store_sync -> store_close
 */
#ifndef LIB_STORE_STORE_H
#define LIB_STORE_STORE_H

#include <stdint.h>

#include "lib/base/error.h"

enum { LEASE_SIZE = 33, BOOT_ID_SIZE = 37, USE_PERIOD_S = 3600 };

struct store {
    char *path;
    int fd;
    int blobs_fd, layers_fd, images_fd, cache_fd, tmp_fd, trash_fd;
    char boot_id[BOOT_ID_SIZE];
    char lease[LEASE_SIZE]; /* "" until store_lease */
    int lease_fd;           /* the locked file, or -1 */
    int64_t lease_start_s;  /* seconds of the real-time clock */
    int64_t use_period_s;   /* see use.h: USE_PERIOD_S, but in tests */
    int scratch_fd;         /* tmp/<lease>, or -1 */
};

/* The directory to use: $MLBUILD_STORE, else $XDG_DATA_HOME/mlbuild, else ~/.local/share/mlbuild.
 * The caller frees it. Errors: USER if none can be told. */
int store_default_path(char **out, struct error *err) MUST_CHECK;
/* Opens the store, making it if it is not there. Refuses one that is not the caller's own, is open
 * to others, or was written by a later version. Errors: USER, SYSTEM, NO_SPACE. */
int store_open(struct store *store, const char *path, struct error *err) MUST_CHECK;
void store_close(struct store *store);
DEFINE_AUTO(store, struct store, store_close(value))

/* Takes a lease: names the scratch space and pins what this process makes or uses. Once a process.
 */
int store_lease(struct store *store, struct error *err) MUST_CHECK;

/* Opens the same directories again, after this process got a mount namespace of its own: overlayfs
 * takes only what belongs to the namespace of the caller. */
int store_reopen(struct store *store, struct error *err) MUST_CHECK;

/* flock of gc.lock, LOCK_SH or LOCK_EX, on a descriptor of its own: *out_fd is the caller's to
 * close, soon. Why and when, says use.h. */
int store_lock_gc(const struct store *store, int how, int *out_fd, struct error *err) MUST_CHECK;

/* 32 random hex digits: a lease, a layer id, a temporary name. */
void store_random_id(char id[static LEASE_SIZE]);

/* Was the thing that was stamped at `at_ns` (clock_monotonic_ns) of a boot completely written, as
 * far as this boot can tell? */
bool store_is_durable(const struct store *store, const char *boot_id, uint64_t at_ns);
/* Writes back all that was made until now and marks it durable. Without a lease nothing was. */
int store_sync(struct store *store, struct error *err) MUST_CHECK;
/* Was the last one so long ago that what is only cached should not be lost with a power cut either?
 */
bool store_sync_is_due(const struct store *store);

/* Says what helps if `err` is NO_SPACE on the store's own disk. Returns -1. */
int store_hint_full(const struct store *store, struct error *err);

/* Moves `name` of `dir_fd` into trash/; it is gone for everybody at once. Missing is fine. */
int store_discard(const struct store *store, int dir_fd, const char *name,
                  struct error *err) MUST_CHECK;

#endif
