/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD of an archive: its entries below the destination. Links on the way of an entry are followed
 * as if the destination were the root of all; what stands in an entry's own place is replaced,
 * except that directories merge. What is there is looked up in the layer first, then in the root:
 * the archive's own links count, and what the root showed is a fact.
 */
#include <fcntl.h>
#include <limits.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/codec/decompress.h"
#include "lib/fs/dir.h"
#include "lib/fs/resolve.h"
#include "lib/solver/copy_internal.h"

enum { LINKS_MAX = 40, ENTRIES_MAX = 10 * 1000 * 1000, CHUNK = 64 * 1024 };
#define UNPACKED_MAX (UINT64_C(64) << 30)

struct unpack {
    struct reader content; /* first: of the current entry */
    struct pass *pass;
    const char *name; /* of the archive, for messages */
    int lower_fd;     /* the destination in the root, or -1; owned */
    struct tar_reader *tar;
    /* Where the parent of the last entry leads, as the next one often has the same. */
    char *parent, *parent_at;
    uint64_t entries, bytes;
    unsigned devices; /* that were left out */
};

static void unpack_release(struct unpack *u)
{
    if (u->lower_fd >= 0)
        close(u->lower_fd);
    tar_reader_free(u->tar);
    free(u->parent);
    free(u->parent_at);
}
DEFINE_AUTO(unpack, struct unpack, unpack_release(value))

static char *join(const char *dir, const char *name)
{
    return xasprintf("%s%s%s", dir, *dir && *name ? "/" : "", name);
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return xstrndup(path, slash ? (size_t)(slash - path) : 0);
}

/* A path below the destination on its way to where it leads. */
struct way {
    char *done;  /* directories, no links; owned */
    char *todo;  /* owned */
    bool hidden; /* the layer hides what the root has in `done` */
    int links;
};

static void way_release(struct way *w)
{
    free(w->done);
    free(w->todo);
}
DEFINE_AUTO(way, struct way, way_release(value))

static char *next_component(struct way *w)
{
    const char *p = w->todo + strspn(w->todo, "/");
    size_t len = strcspn(p, "/");
    char *name = len ? xstrndup(p, len) : NULL;
    char *rest = xstrdup(p + len);
    free(w->todo);
    w->todo = rest;
    return name;
}

/* Begins at the top again, with `target` as seen from `dir` in front of what is left: what hides
 * what has to be found out anew. */
static void restart(struct way *w, const char *dir, const char *target)
{
    char *todo = xasprintf("%s/%s/%s", dir, target, w->todo);
    free(w->todo);
    w->todo = todo;
    w->done[0] = '\0';
    w->hidden = false;
}

static int follow(const struct unpack *u, struct way *w, const char *target, struct error *err)
{
    if (++w->links > LINKS_MAX)
        return error_set(err, ERROR_USER, 0, "%s: too many symbolic links in /%s", u->name,
                         w->done);
    auto_free char *dir = xstrdup(target[0] == '/' ? "" : w->done);
    restart(w, dir, target);
    return 0;
}

static int not_a_directory(const struct unpack *u, const char *path, struct error *err)
{
    return error_set(err, ERROR_USER, 0, "%s: /%s is not a directory", u->name, path);
}

/* `path` below the destination is not in the layer: takes it over from the root, or makes it. *out
 * is the target if it is a link in the root. */
static int enter_lower(struct unpack *u, const struct way *w, const char *path, char **out,
                       struct error *err)
{
    struct pass *p = u->pass;
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    auto_free char *whole = join(p->copy->dest, path);
    auto_free char *above = parent_of(path);
    struct tar_entry dir = { .path = whole, .type = TAR_DIR, .mode = NEW_DIRECTORY_MODE };
    auto_close int fd = w->hidden || u->lower_fd < 0
                            ? -1
                            : beneath_open(u->lower_fd, above, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0 && fs_entry_open(fd, path_base(path), whole, &e, &kind, err) < 0) {
        if (err->kind != ERROR_NOT_FOUND)
            return -1;
        error_clear(err);
    } else if (fd >= 0) {
        dir = e.tar;
    }
    hash_entry(p->facts, &dir);
    if (dir.type == TAR_SYMLINK)
        *out = xstrdup(dir.link);
    else if (dir.type != TAR_DIR)
        return not_a_directory(u, whole, err);
    return *out ? 0 : p->to->ops->entry(p->to, &dir, -1, err);
}

/* One step: `name` in w->done. */
static int enter(struct unpack *u, struct way *w, const char *name, struct error *err)
{
    struct layer_writer *to = u->pass->to;
    enum layer_look found = LAYER_LOOK_NOTHING;
    auto_free char *target = NULL;
    auto_free char *path = join(w->done, name);
    auto_free char *whole = join(u->pass->copy->dest, path);
    TRY(copy_check_name(whole, err));
    TRY(to->ops->look(to, whole, &found, &target, err));
    if (found == LAYER_LOOK_NOTHING)
        TRY(enter_lower(u, w, path, &target, err));
    if (target)
        return follow(u, w, target, err);
    if (found == LAYER_LOOK_OTHER)
        return not_a_directory(u, whole, err);
    w->hidden = w->hidden || found == LAYER_LOOK_OPAQUE;
    free(w->done);
    w->done = take_ptr(path);
    return 0;
}

/* Where the directory `path` of the archive is, below the destination; it is made as needed. The
 * caller frees *out. */
static int find_directory(struct unpack *u, const char *path, char **out, struct error *err)
{
    auto_(way) struct way w = { .done = xstrdup(""), .todo = xstrdup(path) };
    for (;;) {
        auto_free char *name = next_component(&w);
        if (!name)
            break;
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            auto_free char *up = parent_of(w.done);
            restart(&w, up, "");
        } else {
            TRY(enter(u, &w, name, err));
        }
    }
    *out = take_ptr(w.done);
    return 0;
}

static void forget_parent(struct unpack *u)
{
    free(take_ptr(u->parent));
    free(take_ptr(u->parent_at));
}

/* Where `path` is, below the root. The caller frees *out. */
static int place(struct unpack *u, const char *path, char **out, struct error *err)
{
    auto_free char *parent = parent_of(path);
    if (!u->parent || strcmp(u->parent, parent) != 0) {
        forget_parent(u);
        TRY(find_directory(u, parent, &u->parent_at, err));
        u->parent = take_ptr(parent);
    }
    auto_free char *below = join(u->parent_at, path_base(path));
    *out = join(u->pass->copy->dest, below);
    return 0;
}

static ssize_t read_content(struct reader *r, void *buf, size_t cap, struct error *err)
{
    struct unpack *u = (struct unpack *)r;
    TRY(cancel_check(u->pass->copy->cancel, err));
    return tar_reader_content(u->tar, buf, cap, err);
}

static int check_size(struct unpack *u, const struct tar_entry *e, struct error *err)
{
    u->entries++;
    u->bytes += e->size < UNPACKED_MAX ? e->size : UNPACKED_MAX;
    if (u->entries <= ENTRIES_MAX && u->bytes <= UNPACKED_MAX)
        return 0;
    return error_set(err, ERROR_USER, 0, "%s unpacks to more than 64 GiB or 10 million files",
                     u->name);
}

static int write_placed(struct unpack *u, struct tar_entry *e, struct error *err)
{
    const struct copy *c = u->pass->copy;
    struct layer_writer *to = u->pass->to;
    if (c->has_owner) {
        e->uid = c->owner.uid;
        e->gid = c->owner.gid;
    }
    return e->type == TAR_FILE ? to->ops->entry_stream(to, e, &u->content, err)
                               : to->ops->entry(to, e, -1, err);
}

static int write_entry(struct unpack *u, const struct tar_entry *from, struct error *err)
{
    struct tar_entry e = *from;
    auto_free char *path = NULL;
    auto_free char *link = NULL;
    TRY(cancel_check(u->pass->copy->cancel, err));
    TRY(check_size(u, from, err));
    if (e.type == TAR_CHAR || e.type == TAR_BLOCK) {
        u->devices++;
        return 0;
    }
    if (!*e.path) {
        /* The destination itself; the root directory's attributes are no part of a layer. */
        if (e.type != TAR_DIR || !*u->pass->copy->dest)
            return 0;
        path = xstrdup(u->pass->copy->dest);
    } else {
        TRY(place(u, e.path, &path, err));
        TRY(copy_check_name(path, err));
    }
    if (e.type == TAR_HARDLINK) {
        TRY(place(u, e.link, &link, err));
        e.link = link;
        /* The link may take the place of what is on the way to the file. */
        forget_parent(u);
    }
    e.path = path;
    return write_placed(u, &e, err);
}

/* What follows the end of the archive is no entry, but a damaged end is damage. */
static int drain(struct reader *in, struct error *err)
{
    auto_free char *buf = xmalloc(CHUNK);
    ssize_t n = 0;
    do {
        n = in->read(in, buf, CHUNK, err);
    } while (n > 0);
    return (int)n;
}

static int write_all(struct unpack *u, int fd, struct error *err)
{
    struct fd_reader file = fd_reader_init(fd, u->name);
    auto_(decompressor) struct decompressor *plain = decompressor_open_any(&file.base, u->name);
    const struct tar_entry *e = NULL;
    TRY(tar_reader_open(decompressor_base(plain), u->name, &u->tar, err));
    for (;;) {
        TRY(tar_reader_next(u->tar, &e, err));
        if (!e)
            return drain(decompressor_base(plain), err);
        TRY(write_entry(u, e, err));
    }
}

static void warn_of_devices(const struct unpack *u)
{
    if (!u->devices)
        return;
    auto_free char *text = xasprintf("%s: %u device node%s left out: a build without root cannot "
                                     "make any, and a container gets its own",
                                     u->name, u->devices, u->devices == 1 ? " was" : "s were");
    progress_warning(u->pass->copy->progress, text);
}

/* Opens `item` if it is a regular file whose plain bytes begin with the header of a tar entry. */
static int open_archive(const struct pass *p, const struct selected *item, int *out_fd,
                        struct error *err)
{
    struct stat st;
    unsigned char head[TAR_BLOCK_SIZE];
    auto_(error) struct error ignored = { 0 };
    *out_fd = -1;
    auto_close int fd =
        beneath_open(p->from->root_fd, item->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    struct fd_reader file = fd_reader_init(fd, item->path);
    auto_(decompressor) struct decompressor *plain = decompressor_open_any(&file.base, item->path);
    if (reader_read_full(decompressor_base(plain), head, sizeof head, item->path, &ignored) < 0 ||
        !tar_is_header(head))
        return 0;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "read %s", item->path);
    *out_fd = take_fd(&fd);
    return 0;
}

/* Has the root anything at the destination that entries could meet? */
static int open_lower(struct unpack *u, bool *out_empty, struct error *err)
{
    const struct copy *c = u->pass->copy;
    auto_(strvec) struct strvec names = { 0 };
    *out_empty = true;
    if (!c->dest_exists)
        return 0;
    u->lower_fd = beneath_open(c->root_fd, c->dest, O_RDONLY | O_DIRECTORY, 0);
    if (u->lower_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open /%s", c->dest);
    TRY(dir_list(u->lower_fd, c->dest, &names, err));
    *out_empty = names.count == 0;
    return 0;
}

int copy_archive(struct pass *p, const struct selected *item, bool *out_is_archive,
                 struct error *err)
{
    bool is_empty = false;
    auto_close int fd = -1;
    auto_(unpack) struct unpack u = {
        .content = { read_content }, .pass = p, .name = item->path, .lower_fd = -1
    };
    TRY(open_archive(p, item, &fd, err));
    *out_is_archive = fd >= 0;
    if (fd < 0)
        return 0;
    if (p->dest == COPY_DEST_OTHER)
        return copy_conflict(p->copy->dest, true, err);
    p->dest = COPY_DEST_DIR;
    TRY(pass_write_way(p, true, NEW_DIRECTORY_MODE, err));
    TRY(open_lower(&u, &is_empty, err));
    p->facts_missing = p->facts_missing || !is_empty;
    hasher_add_u64(p->facts, is_empty);
    if (!p->to)
        return 0;
    p->to->keeps_types = false;
    int rc = write_all(&u, fd, err);
    p->to->keeps_types = true;
    TRY(rc);
    warn_of_devices(&u);
    return 0;
}
