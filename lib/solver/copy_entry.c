/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of a source, and many under way: jobs read small files, or write them, in whatever
 * order; all else, and what has to be in order, follows in the thread that walks. */
#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/resolve.h"
#include "lib/layer/whiteout.h"
#include "lib/solver/copy_internal.h"

/* An entry that waits for its turn. */
struct waiting {
    struct copied c;        /* its strings are owned */
    struct shared_dir *dir; /* of c.item */
    bool is_ahead;          /* it is written but for the order, and this is known of it: */
    struct fs_entry e;      /* without a descriptor */
    struct layer_file file; /* a regular one */
};

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

static int describe(const struct pass *p, const struct copied *c, struct fs_entry *e,
                    enum fs_entry_kind *kind, struct error *err)
{
    TRY(cancel_check(p->copy->cancel, err));
    TRY(fs_entry_of_item(&c->item, c->path, e, kind, err));
    if (*kind == FS_ENTRY_SOCKET)
        return 0;
    if (*kind == FS_ENTRY_WHITEOUT)
        return error_set(err, ERROR_USER, 0, "%s is a character device 0:0", c->path);
    TRY(copy_check_name(c->path, err));
    if (e->tar.type == TAR_CHAR || e->tar.type == TAR_BLOCK) {
        error_set(err, ERROR_UNSUPPORTED, 0, "%s is a device and cannot be copied", c->path);
        return error_hint(err, "leave it out by .dockerignore or --exclude");
    }
    copy_adjust(p->copy, c->from, &e->tar);
    return 0;
}

static int check_unchanged(const struct fs_entry *e, struct error *err)
{
    return changed_while_read(e)
               ? error_set(err, ERROR_USER, 0, "%s changed while it was copied", e->tar.path)
               : 0;
}

/* Tells the scribe, if there is one, of an entry whose turn it is. `digest` is that of a regular
 * file. */
static void tell(const struct copied *c, enum fs_entry_kind kind, const struct fs_entry *e,
                 const struct digest *digest)
{
    const char *path = c->item.path;
    if (!c->scribe || digest_scribe_link(c->scribe, path, &e->st))
        return;
    if (kind == FS_ENTRY_SOCKET)
        digest_scribe_other(c->scribe, path, &e->st, NULL);
    else if (e->tar.type == TAR_FILE)
        digest_scribe_file(c->scribe, path, &e->st, digest);
    else
        digest_scribe_other(c->scribe, path, &e->st, e);
}

static struct layer_file file_of(const struct pass *p, const struct copied *c,
                                 const struct fs_entry *e)
{
    return (struct layer_file){ .e = e,
                                .wants_digest = digest_scribe_wants(c->scribe),
                                .pool = p->copy->pool };
}

/* All of it, in its turn. */
static int copy_now(struct pass *p, const struct copied *c, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    struct layer_file f = file_of(p, c, &e);
    TRY(describe(p, c, &e, &kind, err));
    if (kind == FS_ENTRY_ORDINARY) {
        hard_links_apply(&p->links, &e);
        TRY(e.tar.type == TAR_FILE ? p->to->ops->file(p->to, &f, err)
                                   : p->to->ops->entry(p->to, &e.tar, e.fd, err));
        TRY(check_unchanged(&e, err));
    }
    tell(c, kind, &e, &f.digest);
    return 0;
}

static void keep(struct waiting *w, struct fs_entry *e, const struct layer_file *f)
{
    close(take_fd(&e->fd));
    w->is_ahead = true;
    w->e = *e;
    w->file = *f;
    w->file.e = &w->e;
    *e = (struct fs_entry){ .fd = -1 };
}

/* What a job does. Whatever is odd is left to copy_now, which tells errors. */
static int copy_ahead(void *arg, void *item, void *room, struct error *err)
{
    const struct pass *p = arg;
    struct waiting *w = item;
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(error) struct error ignored = { 0 };
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    struct layer_file f = file_of(p, &w->c, &e);
    f.room = room;
    f.room_size = (size_t)w->c.item.st.st_size;
    bool is_plain = describe(p, &w->c, &e, &kind, &ignored) == 0 && kind == FS_ENTRY_ORDINARY &&
                    e.tar.type == TAR_FILE && e.st.st_nlink == 1;
    if (!is_plain || !p->to->ops->file_ahead(p->to, &f))
        return 0;
    TRY(check_unchanged(&e, err));
    keep(w, &e, &f);
    return 0;
}

/* A directory is there before what is in it is written ahead. */
static int make_directory(const struct pass *p, struct waiting *w, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(describe(p, &w->c, &e, &kind, err));
    if (kind != FS_ENTRY_ORDINARY || e.tar.type != TAR_DIR)
        return 0;
    TRY(p->to->ops->entry(p->to, &e.tar, -1, err));
    keep(w, &e, &(struct layer_file){ 0 });
    return 0;
}

static int copy_rest(const struct pass *p, struct waiting *w, struct error *err)
{
    if (w->e.tar.type == TAR_FILE)
        TRY(p->to->ops->file(p->to, &w->file, err));
    tell(&w->c, FS_ENTRY_ORDINARY, &w->e, &w->file.digest);
    return 0;
}

static int copy_in_turn(void *arg, void *item, struct error *err)
{
    struct pass *p = arg;
    struct waiting *w = item;
    TRY(cancel_check(p->copy->cancel, err));
    if (w->c.is_item && w->c.scribe)
        digest_scribe_item(w->c.scribe, w->c.index);
    int rc = w->is_ahead ? copy_rest(p, w, err) : copy_now(p, &w->c, err);
    /* The next item may replace what this one is: no link leads back to it. */
    if (w->c.is_item)
        hard_links_release(&p->links);
    return rc;
}

static void release(void *item)
{
    struct waiting *w = item;
    free((void *)w->c.item.name);
    free((void *)w->c.item.path);
    free((void *)w->c.path);
    shared_dir_drop(w->dir);
    if (w->is_ahead)
        fs_entry_release(&w->e);
}

struct job_row *copy_row_new(struct pass *p)
{
    static const struct job_row_work work = { .item_size = sizeof(struct waiting),
                                              .has_room = true,
                                              .work = copy_ahead,
                                              .take = copy_in_turn,
                                              .release = release };
    return job_row_new(&work, p, p->copy->pool);
}

int copy_entry(struct pass *p, const struct copied *c, struct error *err)
{
    const struct stat *st = &c->item.st;
    bool is_plain = S_ISREG(st->st_mode) && st->st_nlink == 1;
    struct waiting *w = job_row_room(p->row);
    TRY(shared_dir_of(&c->item, &p->dir, &w->dir, err));
    w->c = *c;
    w->c.item.dir_fd = w->dir->fd;
    w->c.item.name = xstrdup(c->item.name);
    w->c.item.path = xstrdup(c->item.path);
    w->c.path = xstrdup(c->path);
    int rc = S_ISDIR(st->st_mode) && !p->to->in_order ? make_directory(p, w, err) : 0;
    if (rc < 0)
        release(w);
    TRY(rc);
    return job_row_add(p->row, is_plain ? (uint64_t)st->st_size + 1 : 0, err);
}

int copy_single(struct pass *p, const char *source, const char *path, size_t index,
                struct error *err)
{
    const char *name = NULL;
    auto_close int dir = beneath_open_parent(p->from->root_fd, source, &name);
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", source);
    struct copied c = { .item = { .dir_fd = dir, .name = name, .path = "" },
                        .path = path,
                        .from = p->from,
                        .scribe = p->scribe,
                        .is_item = true,
                        .index = index };
    /* What is wrong with it, copy_now tells. */
    if (fstatat(dir, c.item.name, &c.item.st, AT_SYMLINK_NOFOLLOW) < 0)
        c.item.st = (struct stat){ 0 };
    shared_dir_drop(take_ptr(p->dir));
    return copy_entry(p, &c, err);
}

int copy_flush(struct pass *p, int rc, struct error *err)
{
    if (p->row)
        rc = job_row_end(p->row, rc, err);
    shared_dir_drop(take_ptr(p->dir));
    return rc;
}
