/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc: removes what no image of the store needs: layers, blobs, records of steps, stat indexes. Mark
 * from the image records, sweep the rest by rename to trash/. Needs the store to itself.
 */
#ifndef LIB_STORE_GC_H
#define LIB_STORE_GC_H

#include <stdint.h>

#include "lib/store/store.h"

struct gc_result {
    size_t layers, blobs, records; /* removed */
    uint64_t blob_bytes;
};

/* The caller holds store_lock_for_gc and is root of the build's namespace. */
int gc_run(const struct store *store, struct gc_result *out, struct error *err) MUST_CHECK;

#endif
