/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/layer/layer_index.h"
#include "lib/layer/layer_index_internal.h"
#include "lib/store/use.h"

struct layer_index {
    const char *base;
    size_t size;
    const struct index_slot *table;
    uint64_t count;
};

/* A record where it lies, with what follows it. */
struct view {
    const struct index_record *record;
    const char *path, *link, *xattrs;
    const char *end; /* of the records */
};

static bool is_whole(const struct index_header *h, size_t size)
{
    return memcmp(h->magic, INDEX_MAGIC, sizeof h->magic) == 0 && !h->boot[sizeof h->boot - 1] &&
           h->table_at % 8 == 0 && h->table_at <= size &&
           (size - h->table_at) % sizeof(struct index_slot) == 0 &&
           (size - h->table_at) / sizeof(struct index_slot) == h->count;
}

struct layer_index *layer_index_open(const struct store *store, const char *id)
{
    struct stat st;
    auto_free char *path = xasprintf("indexes/%s", id);
    auto_close int fd = openat(store->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof(struct index_header))
        return NULL;
    if (!store_use(store, store->fd, path, &st))
        return NULL;
    auto_(layer_index) struct layer_index *x = xcalloc(1, sizeof *x);
    void *base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED)
        return NULL;
    x->base = base;
    x->size = (size_t)st.st_size;
    const struct index_header *h = base;
    if (!is_whole(h, x->size) || !store_is_durable(store, h->boot, h->at_ns))
        return NULL;
    x->table = (const void *)(x->base + h->table_at);
    x->count = h->count;
    return take_ptr(x);
}

void layer_index_close(struct layer_index *x)
{
    if (!x)
        return;
    if (x->base)
        munmap((void *)x->base, x->size);
    free(x);
}

/* `len` bytes and their NUL at *p, which moves behind them; NULL if they are not there. */
static const char *take(const char **p, const char *end, size_t len)
{
    const char *taken = *p;
    if (len >= (size_t)(end - taken) || taken[len] != '\0')
        return NULL;
    *p = taken + len + 1;
    return taken;
}

static bool view_open(const struct layer_index *x, const struct index_slot *slot, struct view *out)
{
    const char *end = (const char *)x->table;
    if (slot->at % 8 || slot->at < sizeof(struct index_header) ||
        slot->at > (size_t)(end - x->base) ||
        (size_t)(end - x->base) - slot->at < sizeof *out->record)
        return false;
    const char *p = x->base + slot->at;
    *out = (struct view){ .record = (const void *)p, .end = end };
    p += sizeof *out->record;
    out->path = take(&p, end, out->record->path_len);
    out->link = out->path ? take(&p, end, out->record->link_len) : NULL;
    out->xattrs = p;
    return out->link != NULL;
}

static int damaged(const char *path, struct error *err)
{
    error_set(err, ERROR_CORRUPT, 0, "an index in the store is damaged at /%s", path);
    return error_hint(err, "remove the folder indexes in the store: they are made anew");
}

static int read_xattrs(const struct view *v, struct fs_entry *out, const char **p,
                       struct error *err)
{
    if (v->record->xattr_count > (size_t)(v->end - *p) / sizeof(struct index_xattr))
        return damaged(v->path, err);
    out->xattrs = xcalloc(v->record->xattr_count, sizeof *out->xattrs);
    out->tar.xattrs = out->xattrs;
    for (uint32_t i = 0; i < v->record->xattr_count; i++) {
        struct index_xattr head;
        if ((size_t)(v->end - *p) < sizeof head)
            return damaged(v->path, err);
        memcpy(&head, *p, sizeof head);
        *p += sizeof head;
        const char *name = take(p, v->end, head.name_len);
        const char *value = name ? take(p, v->end, head.value_len) : NULL;
        if (!value)
            return damaged(v->path, err);
        out->xattrs[out->xattr_count++] =
            (struct tar_xattr){ xstrdup(name), xmemdup(value, head.value_len), head.value_len };
        out->tar.xattr_count = out->xattr_count;
    }
    return 0;
}

/* Kept bytes, as a file that is open for reading. */
static int open_content(const struct view *v, const char *content, struct fs_entry *out,
                        struct error *err)
{
    out->fd = memfd_create("content", MFD_CLOEXEC);
    if (out->fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", v->path);
    TRY(fd_write_all(out->fd, content, v->record->content_len, v->path, err));
    return lseek(out->fd, 0, SEEK_SET) < 0 ? error_set(err, ERROR_SYSTEM, errno, "open %s", v->path)
                                           : 0;
}

static int describe(const struct view *v, const char *path, struct fs_entry *out, struct error *err)
{
    const struct index_record *r = v->record;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    const char *p = v->xattrs;
    bool is_elsewhere = r->type == TAR_HARDLINK; /* to a file that this layer has not */
    e.tar = (struct tar_entry){ .path = path,
                                .type = is_elsewhere ? TAR_FILE : (enum tar_type)r->type,
                                .mode = r->mode,
                                .uid = r->uid,
                                .gid = r->gid,
                                .mtime_s = r->mtime_s,
                                .mtime_ns = r->mtime_ns,
                                .dev_major = r->dev_major,
                                .dev_minor = r->dev_minor };
    bool has_link = r->type == TAR_SYMLINK || is_elsewhere;
    if (r->type > TAR_FIFO || has_link != (r->link_len != 0))
        return damaged(path, err);
    if (r->type == TAR_SYMLINK)
        e.tar.link = e.link = xstrdup(v->link);
    TRY(read_xattrs(v, &e, &p, err));
    if (r->has_content) {
        const char *content = take(&p, v->end, r->content_len);
        if (!content)
            return damaged(path, err);
        e.tar.size = r->content_len;
        TRY(open_content(v, content, &e, err));
    }
    *out = e;
    e = (struct fs_entry){ .fd = -1 };
    return 0;
}

/* The first slot that is not below `hash`. */
static uint64_t first_slot(const struct layer_index *x, uint64_t hash)
{
    uint64_t low = 0;
    uint64_t high = x->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (x->table[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* All that was said of one path: of several entries the last one counts. A directory in the place
 * of what a whiteout hides is another one. */
struct summary {
    bool has_entry, is_dir;
    bool hidden, opaque, implied;
    struct view entry;
};

static void add_record(struct summary *s, const struct view *v)
{
    switch (v->record->kind) {
    case RECORD_WHITEOUT: s->hidden = true; break;
    case RECORD_OPAQUE: s->opaque = true; break;
    case RECORD_IMPLIED: s->implied = true; break;
    default:
        s->is_dir = v->record->type == TAR_DIR;
        s->has_entry = true;
        s->entry = *v;
    }
}

/* `before` is an offset: of what was said up to there. */
static int summarise(const struct layer_index *x, const char *path, uint64_t before,
                     struct summary *out, struct error *err)
{
    size_t len = strlen(path);
    uint64_t hash = index_hash(path, len);
    for (uint64_t i = first_slot(x, hash); i < x->count && x->table[i].hash == hash; i++) {
        struct view v;
        if (x->table[i].at >= before)
            break;
        if (!view_open(x, &x->table[i], &v))
            return damaged(path, err);
        if (v.record->path_len == len && memcmp(v.path, path, len) == 0)
            add_record(out, &v);
    }
    return 0;
}

/* A further name of a file says what the first one said then. */
static int follow_hard_links(const struct layer_index *x, struct view *entry, struct error *err)
{
    while (entry->record->type == TAR_HARDLINK) {
        struct summary first = { 0 };
        uint64_t at = (uint64_t)((const char *)entry->record - x->base);
        TRY(summarise(x, entry->link, at, &first, err));
        if (!first.has_entry || first.is_dir)
            break;
        *entry = first.entry;
    }
    return 0;
}

int layer_index_find(const struct layer_index *x, const char *path, struct index_hit *out_hit,
                     struct fs_entry *out, struct error *err)
{
    struct summary s = { 0 };
    TRY(summarise(x, path, UINT64_MAX, &s, err));
    bool is_dir = s.has_entry ? s.is_dir : s.opaque || s.implied;
    out_hit->kind = s.has_entry ? INDEX_ENTRY
                    : is_dir    ? INDEX_IMPLIED
                    : s.hidden  ? INDEX_WHITEOUT
                                : INDEX_NOTHING;
    out_hit->is_fresh = is_dir && s.hidden;
    out_hit->is_opaque = out_hit->is_fresh || (is_dir && s.opaque);
    if (!s.has_entry || !out)
        return 0;
    TRY(follow_hard_links(x, &s.entry, err));
    return describe(&s.entry, path, out, err);
}

bool layer_index_holds_below(const struct layer_index *x, const char *path)
{
    size_t len = strlen(path);
    for (uint64_t i = 0; i < x->count; i++) {
        struct view v;
        if (!view_open(x, &x->table[i], &v))
            return true;
        bool is_below = len == 0 ? *v.path != '\0'
                                 : v.record->path_len > len && v.path[len] == '/' &&
                                       memcmp(v.path, path, len) == 0;
        if (is_below && v.record->kind != RECORD_WHITEOUT)
            return true;
    }
    return false;
}
