/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into the digest of a selection; and its being written down by whoever reads the files.
 */
#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/file_digest.h"
#include "lib/fs/hard_links.h"
#include "lib/solver/selection_digest_internal.h"

enum { SELECTION_VERSION = 3 };

void facts_of_other(struct facts *f, const struct fs_entry *e)
{
    *f = (struct facts){ .kind = e ? FACTS_OTHER : FACTS_NONE };
    if (!e)
        return;
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_u64(h, (uint64_t)e->tar.type);
    hasher_add_text(h, e->tar.link);
    hasher_add_u64(h, e->tar.dev_major);
    hasher_add_u64(h, e->tar.dev_minor);
    hash_xattrs(h, &e->tar);
    hasher_finish(h, &f->digest);
}

void facts_add(struct hasher *h, const struct file_source *from, const char *path,
               const struct stat *st, const struct facts *f)
{
    hasher_add_text(h, path);
    hasher_add_u64(h, st->st_mode);
    hasher_add_u64(h, (uint64_t)f->kind);
    if (!from->is_context) {
        hasher_add_u64(h, st->st_uid);
        hasher_add_u64(h, st->st_gid);
    }
    if (f->kind == FACTS_LINK)
        hasher_add_text(h, f->first);
    else if (f->kind != FACTS_NONE)
        hasher_add(h, f->digest.bytes, sizeof f->digest.bytes);
}

void item_begin(struct hasher *h, const struct selected *item)
{
    hasher_add_text(h, item->name);
    hasher_add_u64(h, item->is_dir);
    hasher_add_u64(h, item->source);
}

void items_finish(const struct digest *digests, size_t count, struct digest *out)
{
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_u64(h, SELECTION_VERSION);
    for (size_t i = 0; i < count; i++)
        hasher_add(h, digests[i].bytes, sizeof digests[i].bytes);
    hasher_finish(h, out);
}

char *selected_path(const struct selected *item, const char *path)
{
    return path_below(item->path, path);
}

static int compare_items(const void *a, const void *b, void *arg)
{
    const struct selection *s = arg;
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;
    int order = walk_compare(s->items[x].path, s->items[y].path);
    return order ? order : x < y ? -1 : x > y;
}

size_t *items_by_path(const struct selection *s)
{
    size_t *order = xcalloc(s->count, sizeof *order);
    for (size_t i = 0; i < s->count; i++)
        order[i] = i;
    if (s->count)
        qsort_r(order, s->count, sizeof *order, compare_items, (void *)s);
    return order;
}

static void index_name(const struct selection_digesting *o, char hex[static DIGEST_HEX_SIZE])
{
    struct digest key;
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, o->from->path);
    for (size_t i = 0; i < o->selection->count; i++)
        hasher_add_text(h, o->selection->items[i].path);
    hasher_finish(h, &key);
    digest_hex(&key, hex);
}

static int open_contexts(const struct selection_digesting *o)
{
    return openat(o->store->fd, "contexts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

struct stat_index *context_index_open(const struct selection_digesting *o)
{
    char hex[DIGEST_HEX_SIZE];
    if (!o->from->is_context)
        return NULL;
    index_name(o, hex);
    auto_close int dir = open_contexts(o);
    return dir < 0 ? NULL : stat_index_open(dir, hex);
}

bool selection_is_known(const struct selection_digesting *o)
{
    char hex[DIGEST_HEX_SIZE];
    index_name(o, hex);
    auto_close int dir = open_contexts(o);
    return dir >= 0 && faccessat(dir, hex, F_OK, 0) == 0;
}

/* A file that is an item by itself: items come in any order, the index wants its own. */
struct single {
    size_t item;
    struct stat st;
    struct digest digest;
};

struct digest_scribe {
    const struct selection_digesting *options;
    struct stat_index *index;
    struct digest *digests; /* of the items */
    size_t item;            /* at hand; SIZE_MAX: none yet */
    struct hasher *hasher;  /* of it */
    struct hard_links links;
    struct single *singles;
    size_t single_count, single_cap;
    bool only_checks;
    bool is_unsure; /* it does: the index does not know all files */
};

static struct digest_scribe *scribe_new(const struct selection_digesting *o)
{
    struct digest_scribe *s = xcalloc(1, sizeof *s);
    *s = (struct digest_scribe){ .options = o,
                                 .index = context_index_open(o),
                                 .digests = xcalloc(o->selection->count, sizeof *s->digests),
                                 .item = SIZE_MAX,
                                 .hasher = hasher_new(),
                                 .links = HARD_LINKS_INIT };
    return s;
}

struct digest_scribe *digest_scribe_open(const struct selection_digesting *o)
{
    struct digest_scribe *s = scribe_new(o);
    if (s->index)
        stat_index_renew(s->index);
    return s;
}

struct digest_scribe *digest_scribe_open_check(const struct selection_digesting *o)
{
    /* The index wants to be asked in its own order. */
    bool is_one_walk =
        o->selection->count == 1 && o->selection->items[0].is_dir && !o->selection->with_parents;
    if (!o->from->is_context || !is_one_walk)
        return NULL;
    struct digest_scribe *s = scribe_new(o);
    s->only_checks = true;
    s->is_unsure = !s->index;
    return s;
}

bool digest_scribe_wants(const struct digest_scribe *s)
{
    return s && !s->only_checks;
}

static void end_item(struct digest_scribe *s)
{
    if (s->item != SIZE_MAX)
        hasher_finish(s->hasher, &s->digests[s->item]);
    hard_links_release(&s->links);
    s->links = (struct hard_links)HARD_LINKS_INIT;
}

static const struct selected *item_of(const struct digest_scribe *s)
{
    return &s->options->selection->items[s->item];
}

void digest_scribe_item(struct digest_scribe *s, size_t index)
{
    end_item(s);
    s->item = index;
    item_begin(s->hasher, item_of(s));
}

static void look_up_file(struct digest_scribe *s, const char *path, const struct stat *st)
{
    struct facts f = { .kind = FACTS_FILE };
    auto_free char *whole = selected_path(item_of(s), path);
    s->is_unsure = s->is_unsure || !stat_index_find(s->index, whole, st, &f.digest);
    facts_add(s->hasher, s->options->from, path, st, &f);
}

void digest_scribe_file(struct digest_scribe *s, const char *path, const struct stat *st,
                        const struct digest *digest)
{
    if (s->only_checks) {
        look_up_file(s, path, st);
        return;
    }
    const struct facts f = { .kind = FACTS_FILE, .digest = *digest };
    facts_add(s->hasher, s->options->from, path, st, &f);
    if (!item_of(s)->is_dir) {
        GROW(s->singles, s->single_count, s->single_cap);
        s->singles[s->single_count++] = (struct single){ s->item, *st, *digest };
    } else if (s->index) {
        auto_free char *whole = selected_path(item_of(s), path);
        stat_index_add(s->index, whole, st, digest);
    }
}

void digest_scribe_other(struct digest_scribe *s, const char *path, const struct stat *st,
                         const struct fs_entry *e)
{
    struct facts f;
    facts_of_other(&f, e);
    facts_add(s->hasher, s->options->from, path, st, &f);
}

bool digest_scribe_link(struct digest_scribe *s, const char *path, const struct stat *st)
{
    struct facts f = { .kind = FACTS_LINK, .first = hard_links_first(&s->links, st, path) };
    if (f.first)
        facts_add(s->hasher, s->options->from, path, st, &f);
    return f.first != NULL;
}

static int compare_singles(const void *a, const void *b, void *arg)
{
    const struct selection *s = arg;
    return walk_compare(s->items[((const struct single *)a)->item].path,
                        s->items[((const struct single *)b)->item].path);
}

bool digest_scribe_finish(struct digest_scribe *s, struct digest *out)
{
    const struct selection *selection = s->options->selection;
    end_item(s);
    items_finish(s->digests, selection->count, out);
    if (!s->index || s->only_checks)
        return !s->is_unsure;
    if (s->single_count)
        qsort_r(s->singles, s->single_count, sizeof *s->singles, compare_singles,
                (void *)selection);
    for (size_t i = 0; i < s->single_count; i++) {
        const struct single *one = &s->singles[i];
        stat_index_add(s->index, selection->items[one->item].path, &one->st, &one->digest);
    }
    stat_index_commit(s->index);
    return true;
}

void digest_scribe_free(struct digest_scribe *s)
{
    if (!s)
        return;
    stat_index_free(s->index);
    hasher_free(s->hasher);
    hard_links_release(&s->links);
    free(s->digests);
    free(s->singles);
    free(s);
}
