/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob: content-addressed files, `blobs/sha256/<hex>`, as in an OCI image layout.
 *
 * Invariant: a file that has a name is complete and matches its digest; unfinished blobs have no
 * name (O_TMPFILE) and vanish with their writer. Not here: what a blob means (lib/oci), who keeps
 * it alive.
 *
 *     blob_writer_open -> writer_write(&w.base, ...) ... -> blob_writer_commit |
 * blob_writer_release
 *
 * Any number of readers and writers, also in other processes.
 */
#ifndef LIB_STORE_BLOB_H
#define LIB_STORE_BLOB_H

#include "lib/base/atomic_file.h"
#include "lib/base/cancel.h"
#include "lib/base/strbuf.h"
#include "lib/base/stream.h"
#include "lib/codec/digest.h"
#include "lib/store/store.h"

/* Opens blob `digest` for reading at offset 0; *out_fd is the caller's to close. `out_size` may be
 * NULL. Errors: NOT_FOUND, SYSTEM. The content is not hashed again. */
int blob_open(const struct store *store, const struct digest *digest, int *out_fd,
              uint64_t *out_size, struct error *err) MUST_CHECK;
/* Is it there with `size` bytes? (0: any) One of another size was torn by a power cut: it is
 * absent, and writing it again replaces it. */
bool blob_exists(const struct store *store, const struct digest *digest, uint64_t size);
/* Reads a small blob whole (a manifest, a config), at most `limit` bytes, and checks its digest.
 * Errors: NOT_FOUND, CORRUPT, SYSTEM. */
int blob_read(const struct store *store, const struct digest *digest, size_t limit,
              struct strbuf *out, struct error *err) MUST_CHECK;
/* Stores `len` bytes; *out_digest is what they are called. Writing what is there already is fine.
 */
int blob_put(const struct store *store, const void *data, size_t len, struct digest *out_digest,
             struct error *err) MUST_CHECK;

/* Copies a blob to a file of its name in another directory; the caller commits *out, which begins
 * with fd -1. That is left so if a file of `size` bytes (0: of as many as the blob has) is there.
 * Never a hard link: an edit there would damage the store. Errors: as blob_open's, CANCELLED. */
int blob_copy_out(const struct store *store, const struct digest *digest, uint64_t size, int dir_fd,
                  mode_t mode, const struct cancel *cancel, struct atomic_file *out,
                  struct error *err) MUST_CHECK;

struct blob_writer {
    struct writer base; /* write here; the bytes are hashed as they pass */
    const struct store *store;
    struct hasher *hasher;
    int fd;
    uint64_t size;
};

int blob_writer_open(const struct store *store, struct blob_writer *w,
                     struct error *err) MUST_CHECK;
/* Drops all that was written and starts over (a download that has to begin again). */
int blob_writer_restart(struct blob_writer *w, struct error *err) MUST_CHECK;
/* Gives the blob its name. With `expected`, other content is CORRUPT. *out_digest may be NULL. The
 * writer is released in any case. */
int blob_writer_commit(struct blob_writer *w, const struct digest *expected,
                       struct digest *out_digest, struct error *err) MUST_CHECK;
void blob_writer_release(struct blob_writer *w);
DEFINE_AUTO(blob_writer, struct blob_writer, blob_writer_release(value))

#endif
