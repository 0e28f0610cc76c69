/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/apply.h"

#include "lib/base/mem.h"
#include "lib/layer/whiteout.h"

/* The content of the reader's current entry as a stream. */
struct content_reader {
    struct reader base;
    struct tar_reader *tar;
};

static ssize_t read_content(struct reader *r, void *buf, size_t cap, struct error *err)
{
    return tar_reader_content(((struct content_reader *)r)->tar, buf, cap, err);
}

static int apply_entry(struct tree_writer *to, const struct tar_entry *e,
                       const struct tree_content *content, struct error *err)
{
    enum whiteout whiteout = WHITEOUT_NONE;
    auto_free char *target = NULL;
    TRY(whiteout_parse(e->path, &whiteout, &target, err));
    switch (whiteout) {
    case WHITEOUT_NONE: return tree_writer_entry(to, e, content, err);
    case WHITEOUT_NAME: return tree_writer_whiteout(to, target, err);
    case WHITEOUT_OPAQUE: return tree_writer_opaque(to, target, err);
    case WHITEOUT_META: return 0;
    }
    __builtin_unreachable();
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
            return reader_drain(in, err);
        if (apply_entry(to, e, &source, err) < 0)
            return error_wrap(err, "%s", name);
    }
}
