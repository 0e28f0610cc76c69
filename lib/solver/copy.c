/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/copy.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/resolve.h"
#include "lib/fs/walk.h"

enum { NEW_DIR_MODE = 0755 };

int copy_open(struct copy *c, struct error *err)
{
    auto_(resolved) struct resolved r = { 0 };
    if (c->op->chown) {
        c->has_owner = true;
        TRY(owner_resolve(c->root_fd, c->op->chown, &c->owner, &c->unknown_owner, err));
    }
    if (root_resolve(c->root_fd, c->op->dest, true, &r, err) < 0)
        return error_wrap(err, "the destination");
    c->dest_exists = r.exists;
    c->dest_is_dir = r.exists ? S_ISDIR(r.st.st_mode) : str_ends_with(c->op->dest, "/");
    c->dest = take_ptr(r.path);
    return 0;
}

void copy_release(struct copy *c)
{
    free(take_ptr(c->dest));
    free(take_ptr(c->unknown_owner));
}

static void hash_entry(struct hasher *h, const struct tar_entry *e)
{
    hasher_add_text(h, e->path);
    hasher_add_u64(h, e->mode);
    hasher_add_u64(h, e->uid);
    hasher_add_u64(h, e->gid);
    hasher_add_u64(h, (uint64_t)e->mtime_s);
    hasher_add_u64(h, e->mtime_ns);
    hasher_add_u64(h, e->xattr_count);
    for (size_t i = 0; i < e->xattr_count; i++) {
        hasher_add_text(h, e->xattrs[i].name);
        hasher_add_u64(h, e->xattrs[i].len);
        hasher_add(h, e->xattrs[i].value, e->xattrs[i].len);
    }
}

static int emit(const struct tar_entry *e, int fd, struct hasher *facts, struct layer_writer *to,
                struct error *err)
{
    if (facts)
        hash_entry(facts, e);
    return to ? to->ops->entry(to, e, fd, err) : 0;
}

int write_directories(int root_fd, const char *path, unsigned mode, struct owner owner,
                      struct hasher *facts, struct layer_writer *to, struct error *err)
{
    auto_free char *copy = xstrdup(path);
    for (char *end = copy; *end;) {
        end += strcspn(end, "/");
        char saved = *end;
        *end = '\0';
        struct tar_entry new_dir = {
            .path = copy, .type = TAR_DIR, .mode = mode, .uid = owner.uid, .gid = owner.gid
        };
        auto_close int fd = beneath_open(root_fd, copy, O_RDONLY | O_DIRECTORY, 0);
        if (fd >= 0) {
            auto_(fs_entry) struct fs_entry e = { .fd = -1 };
            TRY(fs_entry_of_dir(fd, copy, &e, err));
            TRY(emit(&e.tar, -1, facts, to, err));
        } else if (errno == ENOENT) {
            TRY(emit(&new_dir, -1, facts, to, err));
        } else {
            return error_set(err, ERROR_USER, errno, "/%s", copy);
        }
        *end = saved;
        end += saved ? 1 : 0;
    }
    return 0;
}

/* One pass over the selection: checks against the root, and writes if `to` is given. */
struct pass {
    struct copy *copy;
    struct layer_writer *to;
    const char *dest;        /* where the current source's entries go, relative to the root */
    int lower_fd;            /* the same directory in the root, or -1 */
    struct hard_links links; /* by path at the destination */
};

static int conflict(const char *path, bool new_is_dir, struct error *err)
{
    if (new_is_dir)
        return error_set(err, ERROR_USER, 0, "cannot copy to non-directory: /%s", path);
    return error_set(err, ERROR_USER, 0, "cannot replace to directory /%s with file", path);
}

/* Looks `name` up in the root's directory `lower_fd`. *out_fd is the directory there, or -1. */
static int check_lower(int lower_fd, const char *name, const char *path, bool is_dir, int *out_fd,
                       struct error *err)
{
    struct stat st;
    *out_fd = -1;
    if (lower_fd < 0 || fstatat(lower_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISDIR(st.st_mode) != is_dir)
        return conflict(path, is_dir, err);
    if (is_dir)
        *out_fd = openat(lower_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return 0;
}

static void adjust(const struct copy *c, struct tar_entry *e)
{
    if (c->from->is_context)
        e->uid = e->gid = 0;
    if (c->has_owner) {
        e->uid = c->owner.uid;
        e->gid = c->owner.gid;
    }
    if (c->op->chmod && e->type != TAR_SYMLINK)
        e->mode = (unsigned)strtoul(c->op->chmod, NULL, 8);
}

static bool changed_while_read(const struct fs_entry *e)
{
    struct stat now;
    return e->tar.type == TAR_FILE && (fstat(e->fd, &now) < 0 || now.st_size != e->st.st_size ||
                                       now.st_mtim.tv_sec != e->st.st_mtim.tv_sec ||
                                       now.st_mtim.tv_nsec != e->st.st_mtim.tv_nsec);
}

static int write_entry(struct pass *p, int dir_fd, const char *name, const char *path,
                       struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(fs_entry_open(dir_fd, name, path, &e, &kind, err));
    if (kind == FS_ENTRY_SOCKET)
        return 0;
    if (kind == FS_ENTRY_WHITEOUT)
        return error_set(err, ERROR_USER, 0, "%s is a character device 0:0", path);
    if (str_starts_with(path_base(path), ".wh."))
        return error_set(err, ERROR_USER, 0,
                         "%s cannot be part of an image: its name means a deletion", path);
    if (e.tar.type == TAR_CHAR || e.tar.type == TAR_BLOCK)
        return error_set(err, ERROR_UNSUPPORTED, 0, "%s is a device and cannot be copied", path);
    adjust(p->copy, &e.tar);
    hard_links_apply(&p->links, &e);
    TRY(p->to->ops->entry(p->to, &e.tar, e.fd, err));
    if (changed_while_read(&e))
        return error_set(err, ERROR_USER, 0, "%s changed while it was copied", path);
    return 0;
}

static int visit(void *arg, const struct walk_item *item, struct error *err)
{
    struct pass *p = arg;
    bool is_dir = S_ISDIR(item->st.st_mode);
    int lower = item->parent ? (int)(intptr_t)item->parent - 1 : -1;
    int lower_dir = -1;
    auto_free char *path = xasprintf("%s%s%s", p->dest, *p->dest ? "/" : "", item->path);
    /* A start directory has no parent in the walk: its children look into lower_fd. */
    if (!strchr(item->path, '/'))
        lower = p->lower_fd;
    TRY(check_lower(lower, item->name, path, is_dir, &lower_dir, err));
    if (is_dir)
        *item->keep = (void *)(intptr_t)(lower_dir + 1);
    return p->to ? write_entry(p, item->dir_fd, item->name, path, err) : 0;
}

static void leave(void *arg, void *kept)
{
    (void)arg;
    if (kept)
        close((int)(intptr_t)kept - 1);
}

/* The destination directory keeps owner and mode if it exists, and takes the source's time. */
static int write_top(struct pass *p, int source_fd, struct error *err)
{
    auto_(fs_entry) struct fs_entry source = { .fd = -1 };
    auto_(fs_entry) struct fs_entry existing = { .fd = -1 };
    TRY(fs_entry_of_dir(source_fd, p->dest, &source, err));
    struct tar_entry e = { .path = p->dest, .type = TAR_DIR, .mode = NEW_DIR_MODE };
    adjust(p->copy, &e);
    if (!p->copy->from->is_context && !p->copy->has_owner)
        e.uid = e.gid = 0;
    if (p->lower_fd >= 0) {
        TRY(fs_entry_of_dir(p->lower_fd, p->dest, &existing, err));
        e = existing.tar;
    }
    e.mtime_s = source.tar.mtime_s;
    e.mtime_ns = source.tar.mtime_ns;
    /* The root directory's own attributes are no part of a layer. */
    return *p->dest ? p->to->ops->entry(p->to, &e, -1, err) : 0;
}

static int copy_directory(struct pass *p, const struct selected *s, struct error *err)
{
    const struct copy *c = p->copy;
    struct walk_visitor visitor = { .visit = visit, .leave = leave, .arg = p };
    if (c->dest_exists && !c->dest_is_dir)
        return conflict(c->dest, true, err);
    auto_close int fd = beneath_open(c->from->root_fd, s->path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", s->path);
    auto_close int lower = -1;
    if (c->dest_exists)
        lower = beneath_open(c->root_fd, c->dest, O_RDONLY | O_DIRECTORY, 0);
    p->dest = c->dest;
    p->lower_fd = lower;
    if (p->to)
        TRY(write_top(p, fd, err));
    return walk_tree(fd, s->path, c->from->exclude, &visitor, err);
}

static int copy_file(struct pass *p, const struct selected *s, struct error *err)
{
    const struct copy *c = p->copy;
    int unused = -1;
    const char *slash = strrchr(s->path, '/');
    auto_free char *source_dir = xstrndup(s->path, slash ? (size_t)(slash - s->path) : 0);
    auto_free char *path = c->dest_is_dir
                               ? xasprintf("%s%s%s", c->dest, *c->dest ? "/" : "", s->base)
                               : xstrdup(c->dest);
    const char *dest_slash = strrchr(path, '/');
    auto_free char *dest_dir = xstrndup(path, dest_slash ? (size_t)(dest_slash - path) : 0);
    auto_close int lower = beneath_open(c->root_fd, dest_dir, O_PATH | O_DIRECTORY, 0);
    TRY(check_lower(lower, path_base(path), path, false, &unused, err));
    if (!p->to)
        return 0;
    auto_close int dir = beneath_open(c->from->root_fd, source_dir, O_PATH | O_DIRECTORY, 0);
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", s->path);
    return write_entry(p, dir, slash ? slash + 1 : s->path, path, err);
}

static int run_pass(struct copy *c, struct layer_writer *to, struct error *err)
{
    struct pass p = { .copy = c, .to = to, .lower_fd = -1, .links = HARD_LINKS_INIT };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->selection->count; i++) {
        const struct selected *s = &c->selection->items[i];
        rc = s->is_dir ? copy_directory(&p, s, err) : copy_file(&p, s, err);
        /* The next source may replace what this one wrote: no link leads back to it. */
        hard_links_release(&p.links);
    }
    return rc;
}

/* The directories above what is written; the destination itself too, if files land inside. */
static int write_way(struct copy *c, struct hasher *facts, struct layer_writer *to,
                     struct error *err)
{
    const char *slash = strrchr(c->dest, '/');
    size_t len = c->dest_is_dir ? strlen(c->dest) : slash ? (size_t)(slash - c->dest) : 0;
    auto_free char *way = xstrndup(c->dest, len);
    unsigned mode = c->op->chmod ? (unsigned)strtoul(c->op->chmod, NULL, 8) : NEW_DIR_MODE;
    struct owner none = { 0, 0 };
    if (c->selection->count == 0)
        return 0;
    return write_directories(c->root_fd, way, mode, c->has_owner ? c->owner : none, facts, to, err);
}

int copy_facts(struct copy *c, struct digest *out, struct error *err)
{
    auto_(hasher) struct hasher *facts = hasher_new();
    hasher_add_text(facts, c->dest);
    hasher_add_u64(facts, c->dest_is_dir);
    hasher_add_u64(facts, c->dest_exists);
    hasher_add_u64(facts, c->has_owner ? c->owner.uid : UINT64_MAX);
    hasher_add_u64(facts, c->owner.gid);
    TRY(write_way(c, facts, NULL, err));
    TRY(run_pass(c, NULL, err));
    hasher_finish(facts, out);
    return 0;
}

int copy_write(struct copy *c, struct layer_writer *to, struct error *err)
{
    TRY(write_way(c, NULL, to, err));
    return run_pass(c, to, err);
}
