/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_provider: INTERFACE that brings blobs of one image into the store when somebody needs them,
 * and gives them to read on the way there.
 */
#ifndef LIB_OCI_BLOB_PROVIDER_H
#define LIB_OCI_BLOB_PROVIDER_H

#include "lib/base/stream.h"
#include "lib/base/thread_pool.h"
#include "lib/oci/descriptor.h"

/* A blob while it is being fetched. Its end is the proof: the store has the blob then, and what was
 * read is what it holds. A blob that turns out to be another one, or that had to be fetched anew
 * when some of it had been read already, ends with CORRUPT: fetch() says which it was. */
struct blob_stream {
    struct reader base;
    /* A read that waits, and every later one, fails. From any thread. */
    void (*interrupt)(struct blob_stream *stream);
    /* At any time. What is being fetched may arrive all the same. */
    void (*close)(struct blob_stream *stream);
};

struct blob_provider {
    /* Ensures that `blob` is in the store, verified; reports bytes to progress vertex `vertex`. Any
     * number of threads at once. */
    int (*fetch)(struct blob_provider *provider, const struct descriptor *blob, unsigned vertex,
                 struct error *err);
    /* Begins to do the same in a job of `pool`, and returns at once; *out is closed before the
     * provider is freed. Any number of threads at once. */
    int (*open)(struct blob_provider *provider, const struct descriptor *blob,
                struct thread_pool *pool, unsigned vertex, struct blob_stream **out,
                struct error *err);
    /* Is it certain that `blob` cannot be had, though the image names it? NULL: nobody can tell
     * before it is fetched. Any number of threads at once. */
    bool (*lacks)(struct blob_provider *provider, const struct descriptor *blob);
};

#endif
