/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_digest: what a cache key knows a file by: its extended attributes and its bytes, in one read
 * that somebody else may share. A large file is hashed in chunks, by jobs, so that one file keeps
 * all cores busy; its digest is that of the chunks' digests.
 */
#ifndef LIB_FS_FILE_DIGEST_H
#define LIB_FS_FILE_DIGEST_H

#include "lib/base/cancel.h"
#include "lib/base/meter.h"
#include "lib/base/thread_pool.h"
#include "lib/codec/digest.h"
#include "lib/fs/entry.h"

enum { FILE_DIGEST_CHUNK = 1024 * 1024 }; /* part of the digest's definition */

/* Names and values, in the order of the entry. */
void hash_xattrs(struct hasher *h, const struct tar_entry *e);

/* Who shares the read: gets all bytes, in order, in the caller's thread. */
typedef int file_bytes_fn(void *arg, const void *data, size_t len, struct error *err);

struct file_digesting {
    struct thread_pool *pool;    /* NULL: all in the caller's thread */
    const struct cancel *cancel; /* may be NULL */
    struct meter *meter;         /* of the bytes; may be NULL */
    file_bytes_fn *use;          /* may be NULL */
    void *use_arg;
};

/* Reads the regular file `e` from its descriptor's offset to the size that e->tar.size says, or, if
 * nobody shares the read, to its end. Errors: SYSTEM, CANCELLED, those of `use`; USER for a file
 * that became shorter. */
int file_digest(const struct file_digesting *o, const struct fs_entry *e, struct digest *out,
                struct error *err) MUST_CHECK;
/* The same of one whose bytes (e->tar.size of them, a chunk at most) were read before. */
void file_digest_bytes(const struct fs_entry *e, const void *bytes, struct digest *out);

#endif
