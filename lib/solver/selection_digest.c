/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/resolve.h"
#include "lib/fs/stat_index.h"
#include "lib/fs/walk.h"
#include "lib/solver/selection.h"

enum { CHUNK = 256 * 1024, SELECTION_VERSION = 2 };

struct digesting {
    const struct file_source *from;
    const struct cancel *cancel;
    struct hasher *all;       /* over the entries */
    struct hasher *file;      /* over one file */
    struct stat_index *index; /* NULL for anything but a context */
    const char *prefix;       /* of the source that is being walked */
    struct hard_links links;
    char *buffer;
};

static void add_xattrs(struct hasher *h, const struct fs_entry *e)
{
    hasher_add_u64(h, e->tar.xattr_count);
    for (size_t i = 0; i < e->tar.xattr_count; i++) {
        hasher_add_text(h, e->tar.xattrs[i].name);
        hasher_add_u64(h, e->tar.xattrs[i].len);
        hasher_add(h, e->tar.xattrs[i].value, e->tar.xattrs[i].len);
    }
}

/* Extended attributes and bytes: what the stat index remembers a file by. */
static int digest_file(struct digesting *d, const struct fs_entry *e, struct digest *out,
                       struct error *err)
{
    add_xattrs(d->file, e);
    for (;;) {
        ssize_t n = read(e->fd, d->buffer, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, ERROR_SYSTEM, errno, "read %s", e->tar.path);
        if (n == 0)
            break;
        hasher_add(d->file, d->buffer, (size_t)n);
        meter_add(d->from->meter, (uint64_t)n);
        TRY(cancel_check(d->cancel, err));
    }
    hasher_finish(d->file, out);
    return 0;
}

static int file_digest(struct digesting *d, const struct walk_item *item, const char *path,
                       struct digest *out, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    if (d->index && stat_index_find(d->index, path, &item->st, out)) {
        stat_index_add(d->index, path, &item->st, out);
        return 0;
    }
    TRY(fs_entry_open(item->dir_fd, item->name, path, &e, &kind, err));
    if (kind != FS_ENTRY_ORDINARY || e.tar.type != TAR_FILE)
        return error_set(err, ERROR_USER, 0, "%s changed while it was read", path);
    TRY(digest_file(d, &e, out, err));
    if (d->index)
        stat_index_add(d->index, path, &e.st, out);
    return 0;
}

/* A second name of a file counts as a link to the first, so that grouping is part of the digest. */
static bool is_second_name(struct digesting *d, const struct walk_item *item, const char *path)
{
    const char *first = hard_links_first(&d->links, &item->st, path);
    if (!first)
        return false;
    hasher_add_text(d->all, "hard link");
    hasher_add_text(d->all, first);
    return true;
}

static int add_special(struct digesting *d, const struct walk_item *item, const char *path,
                       struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(fs_entry_open(item->dir_fd, item->name, path, &e, &kind, err));
    if (kind == FS_ENTRY_SOCKET)
        return 0;
    hasher_add_u64(d->all, (uint64_t)e.tar.type);
    hasher_add_text(d->all, e.tar.link);
    hasher_add_u64(d->all, e.tar.dev_major);
    hasher_add_u64(d->all, e.tar.dev_minor);
    add_xattrs(d->all, &e);
    return 0;
}

static int add_entry(void *arg, const struct walk_item *item, struct error *err)
{
    struct digesting *d = arg;
    auto_free char *path =
        xasprintf("%s%s%s", d->prefix, *d->prefix && *item->path ? "/" : "", item->path);
    TRY(cancel_check(d->cancel, err));
    hasher_add_text(d->all, item->path);
    hasher_add_u64(d->all, item->st.st_mode);
    if (!d->from->is_context) {
        hasher_add_u64(d->all, item->st.st_uid);
        hasher_add_u64(d->all, item->st.st_gid);
    }
    if (!S_ISREG(item->st.st_mode))
        return add_special(d, item, path, err);
    if (is_second_name(d, item, path))
        return 0;
    struct digest digest;
    TRY(file_digest(d, item, path, &digest, err));
    hasher_add(d->all, digest.bytes, sizeof digest.bytes);
    return 0;
}

static int add_single(struct digesting *d, const struct selected *s, struct error *err)
{
    const char *slash = strrchr(s->path, '/');
    auto_free char *dir = xstrndup(s->path, slash ? (size_t)(slash - s->path) : 0);
    struct walk_item item = { .name = slash ? slash + 1 : s->path, .path = "" };
    auto_close int fd = beneath_open(d->from->root_fd, dir, O_PATH | O_DIRECTORY, 0);
    if (fd < 0 || fstatat(fd, item.name, &item.st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", s->path);
    item.dir_fd = fd;
    return add_entry(d, &item, err);
}

/* With --parents the directories on the way are copied with what they are. */
static int add_parents(struct digesting *d, const struct selected *item, struct error *err)
{
    auto_free char *pivot = selection_pivot(item);
    for (const char *end = item->name; *end; end += *end == '/') {
        end += strcspn(end, "/");
        if (!*end && !item->is_dir)
            break;
        auto_free char *below = xstrndup(item->name, (size_t)(end - item->name));
        auto_free char *path = xasprintf("%s%s%s", pivot, *pivot ? "/" : "", below);
        auto_close int fd = beneath_open(d->from->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
        struct walk_item dir = { .dir_fd = fd, .name = ".", .path = below };
        if (fd < 0 || fstat(fd, &dir.st) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
        TRY(add_entry(d, &dir, err));
    }
    return 0;
}

static int add_selected(struct digesting *d, const struct selection *s, const struct selected *item,
                        struct error *err)
{
    struct walk_filter filters[SELECTION_FILTERS];
    d->prefix = item->path;
    hasher_add_text(d->all, item->name);
    hasher_add_u64(d->all, item->is_dir);
    hasher_add_u64(d->all, item->source);
    if (s->with_parents)
        TRY(add_parents(d, item, err));
    if (!item->is_dir)
        return add_single(d, item, err);
    struct walk_visitor visitor = { .visit = add_entry, .arg = d };
    auto_close int fd = beneath_open(d->from->root_fd, item->path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", item->path);
    selection_filters(d->from, s, item, filters);
    return walk_filtered(fd, filters, SELECTION_FILTERS, &visitor, err);
}

/* One index for each context and list of sources: the walk of another selection has another order.
 */
static struct stat_index *open_index(const struct file_source *from, const struct selection *s,
                                     const struct store *store)
{
    struct digest key;
    char hex[DIGEST_HEX_SIZE];
    if (!from->is_context)
        return NULL;
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, from->path);
    for (size_t i = 0; i < s->count; i++)
        hasher_add_text(h, s->items[i].path);
    hasher_finish(h, &key);
    digest_hex(&key, hex);
    auto_close int dir = openat(store->fd, "contexts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? NULL : stat_index_open(dir, hex);
}

int selection_digest(const struct file_source *from, const struct selection *s,
                     const struct store *store, const struct cancel *cancel, struct digest *out,
                     struct error *err)
{
    struct digesting d = { .from = from,
                           .cancel = cancel,
                           .all = hasher_new(),
                           .file = hasher_new(),
                           .index = open_index(from, s, store),
                           .links = HARD_LINKS_INIT,
                           .buffer = xmalloc(CHUNK) };
    int rc = 0;
    hasher_add_u64(d.all, SELECTION_VERSION);
    for (size_t i = 0; rc == 0 && i < s->count; i++)
        rc = add_selected(&d, s, &s->items[i], err);
    if (rc == 0) {
        hasher_finish(d.all, out);
        if (d.index)
            stat_index_commit(d.index);
    }
    stat_index_free(d.index);
    hard_links_release(&d.links);
    hasher_free(d.file);
    hasher_free(d.all);
    free(d.buffer);
    return rc;
}
