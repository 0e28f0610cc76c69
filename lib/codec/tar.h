/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar: layers as streams of entries. The writer is our own, so that the same entries give the same
 * bytes everywhere (pax; no names of users, no atime or ctime; whole seconds); the reader is
 * libarchive's parser fed with our stream, with the tar format alone enabled and no filter that
 * could start a program. Paths are bytes: no locale takes part.
 */
#ifndef LIB_CODEC_TAR_H
#define LIB_CODEC_TAR_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/stream.h"

enum tar_type {
    TAR_FILE,
    TAR_DIR,
    TAR_SYMLINK,
    TAR_HARDLINK,
    TAR_CHAR,
    TAR_BLOCK,
    TAR_FIFO,
};

struct tar_xattr {
    const char *name;
    const void *value;
    size_t len;
};

struct tar_entry {
    const char *path; /* relative, no leading "./", no trailing slash; "" is the root itself */
    enum tar_type type;
    unsigned mode; /* permission, setuid, setgid and sticky bits */
    uint32_t uid, gid;
    int64_t mtime_s;
    uint32_t mtime_ns; /* read, never written */
    uint64_t size;     /* of a TAR_FILE's content, else 0 */
    const char *link;  /* target of a TAR_SYMLINK, or path of a TAR_HARDLINK's first name */
    uint32_t dev_major, dev_minor;
    const struct tar_xattr *xattrs; /* sorted by name when written */
    size_t xattr_count;
};

struct tar_writer {
    struct writer *out;
    uint64_t content_left; /* bytes of the current file that are still owed */
    unsigned padding;
};

struct tar_writer tar_writer_init(struct writer *out);
/* Writes the header. A TAR_FILE's content follows by tar_writer_content, exactly entry->size bytes.
 */
int tar_writer_entry(struct tar_writer *w, const struct tar_entry *entry,
                     struct error *err) MUST_CHECK;
int tar_writer_content(struct tar_writer *w, const void *data, size_t len,
                       struct error *err) MUST_CHECK;
/* All of the current file's content, from `fd` at its offset; one that ends early is CORRUPT. */
int tar_writer_content_fd(struct tar_writer *w, int fd, const char *name,
                          struct error *err) MUST_CHECK;
/* The end-of-archive blocks. */
int tar_writer_finish(struct tar_writer *w, struct error *err) MUST_CHECK;

enum { TAR_BLOCK_SIZE = 512 };
/* Is this block the header of a tar entry, by its checksum? A block of zeros is none. */
bool tar_is_header(const unsigned char block[static TAR_BLOCK_SIZE]);

struct tar_reader;

/* `in` gives the plain tar stream. The caller frees the reader. */
int tar_reader_open(struct reader *in, const char *name, struct tar_reader **out,
                    struct error *err) MUST_CHECK;
/* The next entry, borrowed until the next call; *out NULL at the end. A path is cleaned of "./" and
 * leading or trailing slashes; one that climbs ("..") is CORRUPT, as is any that cannot be an
 * entry. Volume labels are passed over. */
int tar_reader_next(struct tar_reader *r, const struct tar_entry **out,
                    struct error *err) MUST_CHECK;
/* Content of the current file: 1..cap bytes, 0 at its end, or -1. Holes come as zeros. */
ssize_t tar_reader_content(struct tar_reader *r, void *buf, size_t cap, struct error *err);
void tar_reader_free(struct tar_reader *r);
DEFINE_AUTO(tar_reader, struct tar_reader *, tar_reader_free(*value))

#endif
