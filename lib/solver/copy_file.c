/* SPDX-License-Identifier: Apache-2.0 */
/* Sources that are one file. */
#include <sys/mman.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/solver/copy_internal.h"

enum { INLINE_MODE = 0644 };

/* Where a file called `name` lands, and the way there. The caller frees *out. */
static int place_file(struct pass *p, const char *name, char **out, struct error *err)
{
    const struct copy *c = p->copy;
    bool inside = p->dest == COPY_DEST_DIR;
    TRY(pass_write_way(p, inside, copy_new_mode(c), err));
    auto_free char *path = inside ? path_below(c->dest, name) : xstrdup(c->dest);
    p->dest = inside ? COPY_DEST_DIR : COPY_DEST_OTHER;
    TRY(copy_check_lower(c, path, false, err));
    *out = take_ptr(path);
    return 0;
}

int copy_file(struct pass *p, const struct selected *item, struct error *err)
{
    auto_free char *path = NULL;
    TRY(place_file(p, item->name, &path, err));
    size_t index = (size_t)(item - p->selection->items);
    return p->to ? copy_single(p, item->path, path, index, err) : 0;
}

int copy_inline(struct pass *p, const struct copy_source *source, struct error *err)
{
    auto_free char *path = NULL;
    TRY(place_file(p, path_base(source->path), &path, err));
    if (!p->to)
        return 0;
    TRY(copy_check_name(path, err));
    struct tar_entry e = { .path = path,
                           .type = TAR_FILE,
                           .mode = INLINE_MODE,
                           .mtime_ns = OUR_FILE_NS,
                           .size = source->size };
    auto_close int fd = memfd_create("inline", MFD_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "make %s", path);
    TRY(fd_write_all(fd, source->data, source->size, path, err));
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "make %s", path);
    copy_adjust(p->copy, NULL, &e);
    TRY(copy_flush(p, 0, err));
    return p->to->ops->entry(p->to, &e, fd, err);
}
