/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/gc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "lib/store/inventory.h"
#include "lib/store/use.h"

struct collection {
    const struct store *store;
    const struct gc_policy *policy;
    struct sweep sweep;
    struct inventory inventory;
    struct inventory_item **candidates; /* that may go */
    size_t count, cap;
    uint64_t total;     /* bytes of all that no image needs */
    int64_t until_s;    /* what was used since stays, */
    int64_t hints_s;    /* of hints likewise */
    uint64_t to_free;   /* bytes and */
    uint64_t to_free_n; /* inodes that have to go; UINT64_MAX: all */
    struct gc_result *result;
};

static bool has_limits(const struct gc_policy *p)
{
    return p->max_used || p->min_free || p->min_free_inodes || p->reserved;
}

static uint64_t missing(uint64_t wanted, uint64_t there)
{
    return wanted > there ? wanted - there : 0;
}

/* How much the file system lacks; nothing if that cannot be told. */
static void find_shortage(const struct store *store, const struct gc_policy *p, uint64_t *out_bytes,
                          uint64_t *out_inodes)
{
    struct statvfs fs;
    *out_bytes = *out_inodes = 0;
    if (fstatvfs(store->fd, &fs) < 0)
        return;
    *out_bytes = missing(p->min_free, (uint64_t)fs.f_bavail * fs.f_frsize);
    *out_inodes = fs.f_files ? missing(p->min_free_inodes, fs.f_favail) : 0;
}

bool gc_is_short(const struct store *store, const struct gc_policy *policy)
{
    uint64_t bytes = 0;
    uint64_t inodes = 0;
    find_shortage(store, policy, &bytes, &inodes);
    return bytes || inodes;
}

/* As buildkit does: as much as may be used, less what the file system lacks, but the reserve. */
static void find_goal(struct collection *c)
{
    const struct gc_policy *p = c->policy;
    uint64_t lack = 0;
    c->to_free = c->to_free_n = UINT64_MAX;
    if (!has_limits(p))
        return;
    find_shortage(c->store, p, &lack, &c->to_free_n);
    uint64_t keep = p->max_used || !p->reserved || p->min_free || p->min_free_inodes ? c->total : 0;
    if (p->max_used && keep > p->max_used)
        keep = p->max_used;
    keep = missing(c->total, lack) < keep ? missing(c->total, lack) : keep;
    keep = keep < p->reserved ? p->reserved : keep;
    c->to_free = missing(c->total, keep);
    if (c->total <= p->reserved)
        c->to_free_n = 0;
}

static void consider(void *arg, struct inventory_item *item)
{
    struct collection *c = arg;
    if (item->images)
        return;
    c->total += item->bytes;
    if (sweep_spares(&c->sweep, item->used_s) || item->used_s >= c->until_s)
        return;
    GROW(c->candidates, c->count, c->cap);
    c->candidates[c->count++] = item;
}

static int by_age(const void *a, const void *b)
{
    const struct inventory_item *left = *(struct inventory_item *const *)a;
    const struct inventory_item *right = *(struct inventory_item *const *)b;
    return left->used_s < right->used_s ? -1 : left->used_s > right->used_s;
}

static void choose(struct collection *c)
{
    struct gc_result *r = c->result;
    inventory_each(&c->inventory, consider, c);
    find_goal(c);
    if (c->count)
        qsort(c->candidates, c->count, sizeof *c->candidates, by_age);
    size_t i = 0;
    for (; i < c->count && (r->bytes < c->to_free || r->inodes < c->to_free_n); i++) {
        struct inventory_item *item = c->candidates[i];
        item->is_swept = true;
        r->bytes += item->bytes;
        r->inodes += item->inodes;
    }
    r->kept_bytes = c->total - r->bytes;
    /* A hint that is older than what went leads nowhere, or to what will go next. */
    c->hints_s = !has_limits(c->policy) ? c->until_s : i ? c->candidates[i - 1]->used_s : INT64_MIN;
}

static bool hint_goes(const struct collection *c, int64_t used_s)
{
    return used_s < c->hints_s && !sweep_spares(&c->sweep, used_s);
}

static int remove_layers(const struct collection *c, struct error *err)
{
    for (size_t i = 0; i < c->inventory.layers.count; i++) {
        const struct inventory_item *item = c->inventory.layers.entries[i].value;
        if (!item->is_swept || !item->has_tree)
            continue;
        TRY(store_discard(c->store, c->store->layers_fd, item->name, err));
        c->result->layers++;
    }
    return 0;
}

static int remove_blobs(const struct collection *c, struct error *err)
{
    for (size_t i = 0; i < c->inventory.blobs.count; i++) {
        const struct inventory_blob *blob = c->inventory.blobs.entries[i].value;
        const char *hex = c->inventory.blobs.entries[i].key;
        if (!blob->item->is_swept)
            continue;
        TRY(store_discard(c->store, c->store->blobs_fd, hex, err));
        c->result->blobs++;
    }
    return 0;
}

/* Is there anything left that the record or index of this layer could lead to? */
static bool is_left(const struct inventory_item *layer)
{
    return layer->images || (!layer->is_swept && (layer->has_tree || layer->inodes));
}

static int remove_records(const struct collection *c, struct error *err)
{
    for (size_t i = 0; i < c->inventory.record_count; i++) {
        const struct inventory_record *r = &c->inventory.records[i];
        bool goes = r->layer ? !is_left(r->layer) && !sweep_spares(&c->sweep, r->used_s)
                             : hint_goes(c, r->used_s);
        if (!goes)
            continue;
        if (unlinkat(c->store->cache_fd, r->key, 0) < 0 && errno != ENOENT)
            return error_set(err, ERROR_SYSTEM, errno, "remove record %s", r->key);
        c->result->records++;
    }
    return 0;
}

/* `name` in one of the folders of hints leads nowhere any more. */
typedef bool stale_fn(const struct collection *c, const char *name, const struct stat *st);

static bool is_stale_hint(const struct collection *c, const char *name, const struct stat *st)
{
    const struct inventory_item *layer = map_find(&c->inventory.layers, name);
    return (!layer || !is_left(layer)) && hint_goes(c, st->st_mtim.tv_sec);
}

static bool is_of_lost_blob(const struct collection *c, const char *name, const struct stat *st)
{
    const struct inventory_blob *blob = map_find(&c->inventory.blobs, name);
    (void)st;
    return !blob || blob->item->is_swept;
}

static int remove_stale(const struct collection *c, const char *folder, stale_fn *is_stale,
                        struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_close int fd = openat(c->store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", folder);
    TRY(dir_list(fd, folder, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        if (fstatat(fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            is_stale(c, names.items[i], &st))
            unlinkat(fd, names.items[i], 0);
    }
    return 0;
}

static int collect(struct collection *c, struct error *err)
{
    TRY(sweep_begin(c->store, c->policy->own_counts, &c->sweep, err));
    c->result->was_beside = c->sweep.has_others;
    TRY(inventory_read(c->store, &c->inventory, err));
    choose(c);
    TRY(remove_records(c, err));
    TRY(remove_layers(c, err));
    TRY(remove_blobs(c, err));
    TRY(remove_stale(c, "blocks", is_of_lost_blob, err));
    TRY(remove_stale(c, "contexts", is_stale_hint, err));
    return remove_stale(c, "indexes", is_stale_hint, err);
}

/* What the layers take is found out before the lock is held. */
static int measure(const struct store *store, struct error *err)
{
    auto_(inventory) struct inventory inventory = { 0 };
    TRY(inventory_read(store, &inventory, err));
    inventory_measure(store, &inventory, false);
    return 0;
}

int gc_run(const struct store *store, const struct gc_policy *policy, struct gc_result *out,
           struct error *err)
{
    struct collection c = {
        .store = store, .policy = policy, .sweep.lock_fd = -1, .until_s = INT64_MAX, .result = out
    };
    *out = (struct gc_result){ 0 };
    if (policy->unused_for_s)
        c.until_s = (int64_t)time(NULL) - policy->unused_for_s;
    TRY(measure(store, err));
    int rc = collect(&c, err);
    sweep_end(&c.sweep);
    inventory_release(&c.inventory);
    free(c.candidates);
    return rc;
}
