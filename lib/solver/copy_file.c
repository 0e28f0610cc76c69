/* SPDX-License-Identifier: Apache-2.0 */
/* Sources that are one file. */
#include <fcntl.h>
#include <sys/mman.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/resolve.h"
#include "lib/layer/whiteout.h"
#include "lib/solver/copy_internal.h"

enum { INLINE_MODE = 0644 };

static bool changed_while_read(const struct fs_entry *e)
{
    struct stat now;
    return e->tar.type == TAR_FILE && (fstat(e->fd, &now) < 0 || now.st_size != e->st.st_size ||
                                       now.st_mtim.tv_sec != e->st.st_mtim.tv_sec ||
                                       now.st_mtim.tv_nsec != e->st.st_mtim.tv_nsec);
}

int copy_check_name(const char *path, struct error *err)
{
    if (!str_starts_with(path_base(path), WHITEOUT_PREFIX))
        return 0;
    return error_set(err, ERROR_USER, 0, "%s cannot be part of an image: its name means a deletion",
                     path);
}

/* Writes a file or anything else, and tells the scribe of it, if there is one. Of links it knows.
 */
static int write_entry(struct pass *p, const struct fs_entry *e, const char *below,
                       struct error *err)
{
    struct digest digest;
    const struct layer_writer_ops *ops = p->to->ops;
    if (!p->scribe || e->tar.type == TAR_HARDLINK) {
        TRY(ops->entry(p->to, &e->tar, e->fd, err));
    } else if (e->tar.type == TAR_FILE) {
        TRY(ops->entry_digested(p->to, e, &digest, err));
        digest_scribe_file(p->scribe, below, &e->st, &digest);
    } else {
        TRY(ops->entry(p->to, &e->tar, e->fd, err));
        digest_scribe_other(p->scribe, below, &e->st, e);
    }
    return 0;
}

int copy_entry(struct pass *p, int dir_fd, const char *name, const char *below, const char *path,
               struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(fs_entry_open(dir_fd, name, path, &e, &kind, err));
    bool is_told = p->scribe && digest_scribe_link(p->scribe, below, &e.st);
    if (kind == FS_ENTRY_SOCKET && p->scribe && !is_told)
        digest_scribe_other(p->scribe, below, &e.st, NULL);
    if (kind == FS_ENTRY_SOCKET)
        return 0;
    if (kind == FS_ENTRY_WHITEOUT)
        return error_set(err, ERROR_USER, 0, "%s is a character device 0:0", path);
    TRY(copy_check_name(path, err));
    if (e.tar.type == TAR_CHAR || e.tar.type == TAR_BLOCK) {
        error_set(err, ERROR_UNSUPPORTED, 0, "%s is a device and cannot be copied", path);
        return error_hint(err, "leave it out by .dockerignore or --exclude");
    }
    copy_adjust(p->copy, p->from, &e.tar);
    hard_links_apply(&p->links, &e);
    TRY(write_entry(p, &e, below, err));
    if (changed_while_read(&e))
        return error_set(err, ERROR_USER, 0, "%s changed while it was copied", path);
    return 0;
}

/* Where a file called `name` lands, and the way there. The caller frees *out. */
static int place_file(struct pass *p, const char *name, char **out, struct error *err)
{
    const struct copy *c = p->copy;
    bool inside = p->dest == COPY_DEST_DIR;
    TRY(pass_write_way(p, inside, copy_new_mode(c), err));
    auto_free char *path =
        inside ? xasprintf("%s%s%s", c->dest, *c->dest ? "/" : "", name) : xstrdup(c->dest);
    p->dest = inside ? COPY_DEST_DIR : COPY_DEST_OTHER;
    TRY(copy_check_lower(c, path, false, err));
    *out = take_ptr(path);
    return 0;
}

int copy_file(struct pass *p, const struct selected *item, struct error *err)
{
    auto_free char *path = NULL;
    const char *slash = strrchr(item->path, '/');
    auto_free char *source_dir = xstrndup(item->path, slash ? (size_t)(slash - item->path) : 0);
    TRY(place_file(p, item->name, &path, err));
    if (!p->to)
        return 0;
    auto_close int dir = beneath_open(p->from->root_fd, source_dir, O_PATH | O_DIRECTORY, 0);
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", item->path);
    return copy_entry(p, dir, slash ? slash + 1 : item->path, "", path, err);
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
    return p->to->ops->entry(p->to, &e, fd, err);
}
