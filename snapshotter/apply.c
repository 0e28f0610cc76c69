/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/apply.h"

#include "lib/base/mem.h"
#include "lib/base/str.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define WHITEOUT_META   ".wh..wh."

enum { CHUNK = 64 * 1024 };

/* The content of the reader's current entry as a stream. */
struct content_reader {
    struct reader base;
    struct tar_reader *tar;
};

static ssize_t read_content(struct reader *r, void *buf, size_t cap, struct error *err)
{
    return tar_reader_content(((struct content_reader *)r)->tar, buf, cap, err);
}

static int apply_whiteout(struct tree_writer *to, const char *path, const char *name,
                          struct error *err)
{
    auto_free char *target = xstrndup(path, (size_t)(name - path));
    const char *hidden = name + strlen(WHITEOUT_PREFIX);
    if (strcmp(name, WHITEOUT_OPAQUE) == 0) {
        size_t len = strlen(target);
        if (len)
            target[len - 1] = '\0';
        return tree_writer_opaque(to, target, err);
    }
    if (str_starts_with(name, WHITEOUT_META))
        return 0; /* bookkeeping of aufs */
    if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        return error_set(err, ERROR_CORRUPT, 0, "whiteout %s names nothing", path);
    auto_free char *whole = xasprintf("%s%s", target, hidden);
    return tree_writer_whiteout(to, whole, err);
}

/* What follows the end of the archive is no entry, but belongs to the stream that its reader
 * checks. */
static int drain(struct reader *in, struct error *err)
{
    auto_free char *buf = xmalloc(CHUNK);
    ssize_t n = 0;
    do {
        n = in->read(in, buf, CHUNK, err);
    } while (n > 0);
    return (int)n;
}

int apply_tar(struct reader *in, const char *name, struct tree_writer *to, struct error *err)
{
    auto_(tar_reader) struct tar_reader *tar = NULL;
    TRY(tar_reader_open(in, name, &tar, err));
    struct content_reader content = { .base = { read_content }, .tar = tar };
    struct tree_content source = { .fd = -1, .stream = &content.base };
    for (;;) {
        const struct tar_entry *e = NULL;
        TRY(tar_reader_next(tar, &e, err));
        if (!e)
            return drain(in, err);
        const char *slash = strrchr(e->path, '/');
        const char *base = slash ? slash + 1 : e->path;
        int rc = str_starts_with(base, WHITEOUT_PREFIX) ? apply_whiteout(to, e->path, base, err)
                                                        : tree_writer_entry(to, e, &source, err);
        if (rc < 0)
            return error_wrap(err, "%s", name);
    }
}
