/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/selection_digest.h"

#include <fcntl.h>
#include <stdatomic.h>

#include "lib/base/mem.h"
#include "lib/fs/entry.h"
#include "lib/fs/file_digest.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/resolve.h"
#include "lib/fs/stat_index.h"
#include "lib/solver/selection_digest_internal.h"

/* Files are read by jobs, some at once, since one is hardly worth a job; a large one is read by the
 * walk itself, and hashed by jobs. */
enum { BATCH_FILES = 64, BATCH_BYTES = 2 * 1024 * 1024, BATCHES = 8, INLINE_MAX = 3 };

/* A directory that items are in; open until the last of them was read. */
struct shared_dir {
    int fd;
    atomic_uint users;
};

struct entry {
    char *path; /* relative to the item */
    char *name; /* in `dir`; NULL: nothing is left to be read */
    struct shared_dir *dir;
    struct stat st;
    struct facts facts;
};

struct batch {
    struct digesting *digesting;
    struct entry entries[BATCH_FILES];
    size_t count, unread;
    uint64_t bytes; /* of files that are to be read */
    bool has_job;
    struct job_group group; /* only while it has a job */
    struct error err;
};

struct digesting {
    const struct selection_digesting *options;
    struct stat_index *index; /* NULL for anything but a context */
    const struct selected *item;
    struct hasher *hasher; /* of the item */
    struct hard_links links;
    struct batch batches[BATCHES]; /* used round-robin */
    size_t current;
    struct shared_dir *dir; /* of the last entry that is to be read */
    char *dir_path;
};

static void dir_drop(struct shared_dir *dir)
{
    if (!dir || atomic_fetch_sub(&dir->users, 1) > 1)
        return;
    close(dir->fd);
    free(dir);
}

static void entry_release(struct entry *e)
{
    free(e->path);
    free(e->name);
    dir_drop(e->dir);
    *e = (struct entry){ 0 };
}

static int read_entry(const struct digesting *d, struct entry *e, bool by_job, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry file = { .fd = -1 };
    struct file_digesting reading = { .pool = by_job ? NULL : d->options->pool,
                                      .cancel = d->options->cancel,
                                      .meter = d->options->meter };
    auto_free char *path = selected_path(d->item, e->path);
    TRY(cancel_check(d->options->cancel, err));
    TRY(fs_entry_open(e->dir->fd, e->name, path, &file, &kind, err));
    if (S_ISREG(e->st.st_mode) != (kind == FS_ENTRY_ORDINARY && file.tar.type == TAR_FILE))
        return error_set(err, ERROR_USER, 0, "%s changed while it was read", path);
    free(take_ptr(e->name));
    if (!S_ISREG(e->st.st_mode)) {
        facts_of_other(&e->facts, kind == FS_ENTRY_SOCKET ? NULL : &file);
        return 0;
    }
    e->st = file.st;
    e->facts.kind = FACTS_FILE;
    return file_digest(&reading, &file, &e->facts.digest, err);
}

static void run_batch(void *arg)
{
    struct batch *b = arg;
    for (size_t i = 0; i < b->count && !error_is_set(&b->err); i++) {
        if (b->entries[i].name)
            (void)!read_entry(b->digesting, &b->entries[i], true, &b->err);
    }
}

static void write_down(struct digesting *d, const struct entry *e)
{
    facts_add(d->hasher, d->options->from, e->path, &e->st, &e->facts);
    if (!d->index || e->facts.kind != FACTS_FILE)
        return;
    auto_free char *path = selected_path(d->item, e->path);
    stat_index_add(d->index, path, &e->st, &e->facts.digest);
}

/* Takes over what a batch has found, in order. */
static int finish_batch(struct digesting *d, struct batch *b, struct error *err)
{
    if (b->has_job)
        job_group_wait(&b->group);
    b->has_job = false;
    bool failed = error_is_set(&b->err);
    for (size_t i = 0; i < b->count; i++) {
        if (!failed)
            write_down(d, &b->entries[i]);
        entry_release(&b->entries[i]);
    }
    b->count = b->unread = 0;
    b->bytes = 0;
    error_move(err, &b->err);
    return failed ? -1 : 0;
}

static void start_batch(struct digesting *d, struct batch *b)
{
    struct thread_pool *pool = d->options->pool;
    if (!pool || b->unread <= INLINE_MAX) {
        run_batch(b);
        return;
    }
    b->has_job = true;
    job_group_init(&b->group, pool);
    job_group_submit(&b->group, run_batch, b);
}

/* Sends off what was collected; the batch that comes next is taken over first. */
static int next_batch(struct digesting *d, struct error *err)
{
    start_batch(d, &d->batches[d->current]);
    d->current = (d->current + 1) % BATCHES;
    return finish_batch(d, &d->batches[d->current], err);
}

/* Everything that is under way ends, in order. */
static int finish_batches(struct digesting *d, struct error *err)
{
    int rc = 0;
    auto_(error) struct error other = { 0 };
    start_batch(d, &d->batches[d->current]);
    for (size_t i = 1; i <= BATCHES; i++) {
        struct batch *b = &d->batches[(d->current + i) % BATCHES];
        if (finish_batch(d, b, rc < 0 ? &other : err) < 0)
            rc = -1;
        error_clear(&other);
    }
    return rc;
}

/* The directory of `item`, for a job that reads it later. */
static int share_dir(struct digesting *d, const struct walk_item *item, struct shared_dir **out,
                     struct error *err)
{
    const char *slash = strrchr(item->path, '/');
    size_t len = slash ? (size_t)(slash - item->path) : 0;
    if (!d->dir || strlen(d->dir_path) != len || memcmp(d->dir_path, item->path, len) != 0) {
        int fd = fcntl(item->dir_fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return error_set(err, ERROR_SYSTEM, errno, "open the directory of %s", item->path);
        dir_drop(d->dir);
        free(d->dir_path);
        d->dir = xmalloc(sizeof *d->dir);
        d->dir->fd = fd;
        atomic_init(&d->dir->users, 1);
        d->dir_path = xstrndup(item->path, len);
    }
    atomic_fetch_add(&d->dir->users, 1);
    *out = d->dir;
    return 0;
}

/* What is known of an entry without reading it. */
static bool is_known(struct digesting *d, const struct walk_item *item, struct entry *e)
{
    e->facts.first = hard_links_first(&d->links, &item->st, item->path);
    if (e->facts.first) {
        e->facts.kind = FACTS_LINK;
        return true;
    }
    if (!d->index || !S_ISREG(item->st.st_mode))
        return false;
    auto_free char *path = selected_path(d->item, item->path);
    e->facts.kind = FACTS_FILE;
    return stat_index_find(d->index, path, &item->st, &e->facts.digest);
}

static int add_entry(void *arg, const struct walk_item *item, struct error *err)
{
    struct digesting *d = arg;
    struct batch *b = &d->batches[d->current];
    struct entry *e = &b->entries[b->count];
    TRY(cancel_check(d->options->cancel, err));
    *e = (struct entry){ .st = item->st, .path = xstrdup(item->path) };
    b->count++;
    if (!is_known(d, item, e)) {
        bool is_large = S_ISREG(item->st.st_mode) && item->st.st_size > FILE_DIGEST_CHUNK;
        e->name = xstrdup(item->name);
        TRY(share_dir(d, item, &e->dir, err));
        if (is_large)
            TRY(read_entry(d, e, false, err));
        b->unread += !is_large;
        b->bytes += is_large ? 0 : (uint64_t)item->st.st_size;
    }
    return b->count == BATCH_FILES || b->bytes >= BATCH_BYTES ? next_batch(d, err) : 0;
}

typedef int visit_fn(void *arg, const struct walk_item *item, struct error *err);

static int visit_single(const struct selection_digesting *o, const char *path, visit_fn *visit,
                        void *arg, struct error *err)
{
    const char *slash = strrchr(path, '/');
    auto_free char *dir = xstrndup(path, slash ? (size_t)(slash - path) : 0);
    struct walk_item item = { .name = slash ? slash + 1 : path, .path = "" };
    auto_close int fd = beneath_open(o->from->root_fd, dir, O_PATH | O_DIRECTORY, 0);
    if (fd < 0 || fstatat(fd, item.name, &item.st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    item.dir_fd = fd;
    return visit(arg, &item, err);
}

/* All that a selected item holds, or itself. */
static int visit_item(const struct selection_digesting *o, const struct selected *item,
                      visit_fn *visit, void *arg, struct error *err)
{
    struct walk_filter filters[SELECTION_FILTERS];
    const struct walk_visitor visitor = { .visit = visit, .arg = arg };
    if (!item->is_dir)
        return visit_single(o, item->path, visit, arg, err);
    auto_close int fd = beneath_open(o->from->root_fd, item->path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", item->path);
    selection_filters(o->from, o->selection, item, filters);
    return walk_filtered(fd, filters, SELECTION_FILTERS, &visitor, err);
}

/* With --parents the directories on the way are copied with what they are. */
static int add_parents(struct digesting *d, struct error *err)
{
    const struct selected *item = d->item;
    auto_free char *pivot = selection_pivot(item);
    for (const char *end = item->name; *end; end += *end == '/') {
        end += strcspn(end, "/");
        if (!*end && !item->is_dir)
            break;
        struct facts facts = { 0 };
        struct stat st;
        auto_(fs_entry) struct fs_entry dir = { .fd = -1 };
        auto_free char *below = xstrndup(item->name, (size_t)(end - item->name));
        auto_free char *path = xasprintf("%s%s%s", pivot, *pivot ? "/" : "", below);
        auto_close int fd =
            beneath_open(d->options->from->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0 || fstat(fd, &st) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
        TRY(fs_entry_of_dir(fd, path, &dir, err));
        facts_of_other(&facts, &dir);
        facts_add(d->hasher, d->options->from, below, &st, &facts);
    }
    return 0;
}

static int digest_item(struct digesting *d, const struct selected *item, struct digest *out,
                       struct error *err)
{
    auto_(error) struct error later = { 0 };
    d->item = item;
    item_begin(d->hasher, item);
    int rc = d->options->selection->with_parents ? add_parents(d, err) : 0;
    if (rc == 0)
        rc = visit_item(d->options, item, add_entry, d, err);
    if (finish_batches(d, rc < 0 ? &later : err) < 0)
        rc = -1;
    hard_links_release(&d->links);
    d->links = (struct hard_links)HARD_LINKS_INIT;
    dir_drop(take_ptr(d->dir));
    free(take_ptr(d->dir_path));
    hasher_finish(d->hasher, out);
    return rc;
}

struct survey {
    const struct selected *item;
    const struct cancel *cancel;
    uint64_t bytes;
};

static int survey_entry(void *arg, const struct walk_item *item, struct error *err)
{
    struct survey *s = arg;
    TRY(cancel_check(s->cancel, err));
    if (!S_ISREG(item->st.st_mode))
        return 0;
    s->bytes += (uint64_t)item->st.st_size;
    if (faccessat(item->dir_fd, item->name, R_OK, AT_EACCESS) == 0)
        return 0;
    auto_free char *path = selected_path(s->item, item->path);
    error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    return error_hint(err, "make it readable, or leave it out by .dockerignore");
}

int selection_survey(const struct selection_digesting *o, uint64_t *out_bytes, struct error *err)
{
    struct survey s = { .cancel = o->cancel };
    for (size_t i = 0; i < o->selection->count; i++) {
        s.item = &o->selection->items[i];
        TRY(visit_item(o, s.item, survey_entry, &s, err));
    }
    *out_bytes = s.bytes;
    return 0;
}

int selection_digest(const struct selection_digesting *o, struct digest *out, struct error *err)
{
    size_t count = o->selection->count;
    struct digesting *d = xcalloc(1, sizeof *d);
    auto_free size_t *order = items_by_path(o->selection);
    auto_free struct digest *digests = xcalloc(count, sizeof *digests);
    int rc = 0;
    *d = (struct digesting){ .options = o,
                             .index = context_index_open(o),
                             .hasher = hasher_new(),
                             .links = HARD_LINKS_INIT };
    for (size_t i = 0; i < BATCHES; i++)
        d->batches[i].digesting = d;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = digest_item(d, &o->selection->items[order[i]], &digests[order[i]], err);
    if (rc == 0)
        items_finish(digests, count, out);
    if (rc == 0 && d->index)
        stat_index_commit(d->index);
    stat_index_free(d->index);
    hasher_free(d->hasher);
    free(d);
    return rc;
}
