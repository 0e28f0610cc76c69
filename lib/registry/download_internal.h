/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download: one blob on its way into the store, wanted by any number of threads: one runs it, the
 * others wait for its end or read behind it. A transfer that breaks off goes on where it stopped;
 * what is not of the promised size and digest never gets a name in the store. Where one origin
 * fails, the next goes on.
 *
 *     struct download *d = download_join(&origins, blob, vertex, &is_mine);
 *     if (is_mine) download_run(d);                or in another thread: download_start(d, pool)
 *     download_wait(d, err)  |  download_read(d, &position, ...)
 *     download_leave(d);
 *
 * At most REGISTRY_PARALLEL_MAX are transferred at once from a host.
 */
#ifndef LIB_REGISTRY_DOWNLOAD_INTERNAL_H
#define LIB_REGISTRY_DOWNLOAD_INTERNAL_H

#include "lib/oci/descriptor.h"
#include "lib/registry/origins_internal.h"

struct download;

/* The download of `blob` that is under way, else a new one, which is the caller's to run or start.
 */
struct download *download_join(const struct origins *origins, const struct descriptor *blob,
                               unsigned vertex, bool *out_is_mine);
void download_leave(struct download *d);

/* Returns when it has ended, well or not. */
void download_run(struct download *d);
/* Runs it in a job, which lives as long as it takes, whether or not others leave. */
void download_start(struct download *d, struct thread_pool *pool);

/* Waits for the end. Errors: NETWORK, REMOTE, CORRUPT, SYSTEM, CANCELLED. */
int download_wait(struct download *d, struct error *err) MUST_CHECK;

/* How far one reader is. */
struct download_position {
    uint64_t offset;
    unsigned restarts;   /* of the download, when the first byte was read */
    bool is_interrupted; /* under the download's lock */
};
/* The next 1..cap bytes, as soon as there are any; 0 at the end, when the blob is in the store; or
 * -1, with CORRUPT if the transfer began anew meanwhile. */
ssize_t download_read(struct download *d, struct download_position *at, void *buf, size_t cap,
                      struct error *err);
void download_interrupt(struct download *d, struct download_position *at);

#endif
