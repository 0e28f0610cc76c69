/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/compare.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/dir.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "snapshotter/layer_tree.h"
#include "snapshotter/marks.h"

enum { CHUNK = 256 * 1024 };

/* All but the bytes is compared first: trees that differ mostly differ there. */
struct comparison {
    const struct cancel *cancel;
    bool with_bytes;
    struct hard_links links[2];
    char *buffers[2];
    unsigned depth;
};

/* The same directory in both trees. */
struct pair {
    int fds[2];
    const char *path;
};

static void pair_close(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        if (p->fds[i] >= 0)
            close(p->fds[i]);
    }
}
DEFINE_AUTO(pair, struct pair, pair_close(value))

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_xattrs(const struct tar_entry *a, const struct tar_entry *b)
{
    if (a->xattr_count != b->xattr_count)
        return false;
    for (size_t i = 0; i < a->xattr_count; i++) {
        const struct tar_xattr *x = &a->xattrs[i];
        const struct tar_xattr *y = &b->xattrs[i];
        if (strcmp(x->name, y->name) != 0 || x->len != y->len ||
            memcmp(x->value, y->value, x->len) != 0)
            return false;
    }
    return true;
}

static bool same_facts(const struct fs_entry *a, const struct fs_entry *b)
{
    const struct tar_entry *x = &a->tar;
    const struct tar_entry *y = &b->tar;
    return a->st.st_mode == b->st.st_mode && x->uid == y->uid && x->gid == y->gid &&
           x->size == y->size && a->st.st_rdev == b->st.st_rdev && same_text(x->link, y->link) &&
           same_xattrs(x, y);
}

static int same_bytes(struct comparison *c, const struct fs_entry *a, const struct fs_entry *b,
                      bool *out, struct error *err)
{
    ssize_t n = 1;
    while (*out && n > 0) {
        TRY(cancel_check(c->cancel, err));
        n = fd_read_full(a->fd, c->buffers[0], CHUNK);
        ssize_t m = fd_read_full(b->fd, c->buffers[1], CHUNK);
        if (n < 0 || m < 0)
            return error_set(err, ERROR_SYSTEM, errno, "read %s", a->tar.path);
        *out = n == m && memcmp(c->buffers[0], c->buffers[1], (size_t)n) == 0;
    }
    return 0;
}

/* The names of one file are the same in both; its bytes count once. */
static int same_file(struct comparison *c, const struct fs_entry *a, const struct fs_entry *b,
                     bool *out, struct error *err)
{
    const char *x = hard_links_first(&c->links[0], &a->st, a->tar.path);
    const char *y = hard_links_first(&c->links[1], &b->st, b->tar.path);
    *out = same_text(x, y);
    return *out && c->with_bytes && !x && a->tar.type == TAR_FILE ? same_bytes(c, a, b, out, err)
                                                                  : 0;
}

static int same_directory(struct comparison *c, const struct pair *p, bool *out,
                          struct error *err) MUST_CHECK;

static int same_below(struct comparison *c, const struct pair *p, const char *name,
                      const char *path, bool *out, struct error *err)
{
    auto_(pair) struct pair below = { .fds = { -1, -1 }, .path = path };
    for (int i = 0; i < 2; i++) {
        below.fds[i] = openat(p->fds[i], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below.fds[i] < 0)
            return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    }
    if (c->depth == DIR_DEPTH_MAX ||
        directory_is_opaque(below.fds[0]) != directory_is_opaque(below.fds[1])) {
        *out = false;
        return 0;
    }
    c->depth++;
    int rc = same_directory(c, &below, out, err);
    c->depth--;
    return rc;
}

static int same_entry(struct comparison *c, const struct pair *p, const char *name, bool *out,
                      struct error *err)
{
    enum fs_entry_kind kinds[2] = { FS_ENTRY_ORDINARY, FS_ENTRY_ORDINARY };
    auto_(fs_entry) struct fs_entry a = { .fd = -1 };
    auto_(fs_entry) struct fs_entry b = { .fd = -1 };
    auto_free char *path = path_below(p->path, name);
    TRY(fs_entry_open(p->fds[0], name, path, &a, &kinds[0], err));
    TRY(fs_entry_open(p->fds[1], name, path, &b, &kinds[1], err));
    *out = kinds[0] == kinds[1] && same_facts(&a, &b);
    if (!*out)
        return 0;
    return S_ISDIR(a.st.st_mode) ? same_below(c, p, name, path, out, err)
                                 : same_file(c, &a, &b, out, err);
}

static int same_directory(struct comparison *c, const struct pair *p, bool *out, struct error *err)
{
    auto_(strvec) struct strvec a = { 0 };
    auto_(strvec) struct strvec b = { 0 };
    TRY(cancel_check(c->cancel, err));
    TRY(dir_list(p->fds[0], p->path, &a, err));
    TRY(dir_list(p->fds[1], p->path, &b, err));
    *out = a.count == b.count;
    for (size_t i = 0; *out && i < a.count; i++)
        *out = strcmp(a.items[i], b.items[i]) == 0;
    for (size_t i = 0; *out && i < a.count; i++)
        TRY(same_entry(c, p, a.items[i], out, err));
    return 0;
}

static int run_pass(const struct cancel *cancel, const struct pair *roots, bool with_bytes,
                    bool *out, struct error *err)
{
    struct comparison c = { .cancel = cancel,
                            .with_bytes = with_bytes,
                            .links = { HARD_LINKS_INIT, HARD_LINKS_INIT },
                            .buffers = { xmalloc(CHUNK), xmalloc(CHUNK) } };
    int rc = same_directory(&c, roots, out, err);
    for (int i = 0; i < 2; i++) {
        hard_links_release(&c.links[i]);
        free(c.buffers[i]);
    }
    return rc;
}

static bool same_root(const struct layer_info *a, const struct layer_info *b)
{
    return a->has_root == b->has_root && a->root_mode == b->root_mode &&
           a->root_uid == b->root_uid && a->root_gid == b->root_gid;
}

int compare_layers(struct snapshotter *s, const char *id, const char *other, bool *out,
                   struct error *err)
{
    const struct store *store = store_of(s);
    bool present[2] = { false, false };
    auto_(layer_info) struct layer_info a = { 0 };
    auto_(layer_info) struct layer_info b = { 0 };
    auto_(pair) struct pair roots = { .fds = { -1, -1 }, .path = "" };
    *out = false;
    TRY(layer_find(store, id, &present[0], &a, err));
    TRY(layer_find(store, other, &present[1], &b, err));
    if (!present[0] || !present[1] || !same_root(&a, &b))
        return 0;
    TRY(layer_open_tree(store, id, &roots.fds[0], err));
    TRY(layer_open_tree(store, other, &roots.fds[1], err));
    if (directory_is_opaque(roots.fds[0]) != directory_is_opaque(roots.fds[1]))
        return 0;
    TRY(run_pass(cancel_of(s), &roots, false, out, err));
    return *out ? run_pass(cancel_of(s), &roots, true, out, err) : 0;
}
