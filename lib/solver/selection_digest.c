/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/selection_digest.h"

#include <fcntl.h>

#include "lib/base/job_row.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/entry.h"
#include "lib/fs/file_digest.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/resolve.h"
#include "lib/fs/shared_dir.h"
#include "lib/fs/stat_index.h"
#include "lib/solver/selection_digest_internal.h"

struct entry {
    char *path; /* relative to the item */
    char *name; /* in `dir`; NULL: nothing is to be read */
    struct shared_dir *dir;
    struct stat st;
    struct facts facts;
};

struct digesting {
    const struct selection_digesting *options;
    struct stat_index *index; /* NULL for anything but a context */
    const struct selected *item;
    struct hasher *hasher; /* of the item */
    struct hard_links links;
    struct job_row *row;    /* of struct entry */
    struct shared_dir *dir; /* of the last entry that is to be read */
};

static void entry_release(void *item)
{
    struct entry *e = item;
    free(e->path);
    free(e->name);
    shared_dir_drop(e->dir);
}

/* A large file is read by the walk itself, and hashed by jobs. */
static bool is_large(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_size > FILE_DIGEST_CHUNK;
}

static int read_entry(void *arg, void *item, void *room, struct error *err)
{
    (void)room;
    const struct digesting *d = arg;
    struct entry *e = item;
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry file = { .fd = -1 };
    struct file_digesting reading = { .pool = is_large(&e->st) ? d->options->pool : NULL,
                                      .cancel = d->options->cancel,
                                      .meter = d->options->meter };
    const struct walk_item seen = { .dir_fd = e->dir->fd, .name = e->name, .st = e->st };
    auto_free char *path = selected_path(d->item, e->path);
    TRY(cancel_check(d->options->cancel, err));
    TRY(fs_entry_of_item(&seen, path, &file, &kind, err));
    if (S_ISREG(e->st.st_mode) != (kind == FS_ENTRY_ORDINARY && file.tar.type == TAR_FILE))
        return error_set(err, ERROR_USER, 0, "%s changed while it was read", path);
    if (!S_ISREG(e->st.st_mode)) {
        facts_of_other(&e->facts, kind == FS_ENTRY_SOCKET ? NULL : &file);
        return 0;
    }
    e->st = file.st;
    e->facts.kind = FACTS_FILE;
    return file_digest(&reading, &file, &e->facts.digest, err);
}

static int write_down(void *arg, void *item, struct error *err)
{
    struct digesting *d = arg;
    struct entry *e = item;
    if (e->name && is_large(&e->st))
        TRY(read_entry(d, e, NULL, err));
    facts_add(d->hasher, d->options->from, e->path, &e->st, &e->facts);
    if (!d->index || e->facts.kind != FACTS_FILE)
        return 0;
    auto_free char *path = selected_path(d->item, e->path);
    stat_index_add(d->index, path, &e->st, &e->facts.digest);
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
    struct entry *e = job_row_room(d->row);
    uint64_t cost = 0;
    TRY(cancel_check(d->options->cancel, err));
    *e = (struct entry){ .st = item->st };
    if (!is_known(d, item, e)) {
        TRY(shared_dir_of(item, &d->dir, &e->dir, err));
        e->name = xstrdup(item->name);
        if (!is_large(&item->st))
            cost = S_ISREG(item->st.st_mode) ? (uint64_t)item->st.st_size + 1 : 1;
    }
    e->path = xstrdup(item->path);
    return job_row_add(d->row, cost, err);
}

typedef int visit_fn(void *arg, const struct walk_item *item, struct error *err);

static int visit_single(const struct selection_digesting *o, const char *path, visit_fn *visit,
                        void *arg, struct error *err)
{
    struct walk_item item = { .path = "" };
    auto_close int fd = beneath_open_parent(o->from->root_fd, path, &item.name);
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
        auto_free char *path = path_below(pivot, below);
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
    d->item = item;
    item_begin(d->hasher, item);
    int rc = d->options->selection->with_parents ? add_parents(d, err) : 0;
    if (rc == 0)
        rc = visit_item(d->options, item, add_entry, d, err);
    rc = job_row_end(d->row, rc, err);
    hard_links_release(&d->links);
    shared_dir_drop(take_ptr(d->dir));
    hasher_finish(d->hasher, out);
    return rc;
}

struct survey {
    const struct selected *item;
    const struct cancel *cancel;
    uid_t caller;
    uint64_t bytes;
};

static int survey_entry(void *arg, const struct walk_item *item, struct error *err)
{
    struct survey *s = arg;
    TRY(cancel_check(s->cancel, err));
    if (!S_ISREG(item->st.st_mode))
        return 0;
    s->bytes += (uint64_t)item->st.st_size;
    /* No access list takes from the owner what the mode gives. */
    bool is_own = item->st.st_uid == s->caller && (item->st.st_mode & S_IRUSR);
    if (is_own || faccessat(item->dir_fd, item->name, R_OK, AT_EACCESS) == 0)
        return 0;
    auto_free char *path = selected_path(s->item, item->path);
    error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    return error_hint(err, "make it readable, or leave it out by .dockerignore");
}

int selection_survey(const struct selection_digesting *o, uint64_t *out_bytes, struct error *err)
{
    struct survey s = { .cancel = o->cancel, .caller = geteuid() };
    for (size_t i = 0; i < o->selection->count; i++) {
        s.item = &o->selection->items[i];
        TRY(visit_item(o, s.item, survey_entry, &s, err));
    }
    *out_bytes = s.bytes;
    return 0;
}

int selection_digest(const struct selection_digesting *o, struct digest *out, struct error *err)
{
    static const struct job_row_work work = { .item_size = sizeof(struct entry),
                                              .work = read_entry,
                                              .take = write_down,
                                              .release = entry_release };
    size_t count = o->selection->count;
    auto_free size_t *order = items_by_path(o->selection);
    auto_free struct digest *digests = xcalloc(count, sizeof *digests);
    int rc = 0;
    struct digesting d = { .options = o,
                           .index = context_index_open(o),
                           .hasher = hasher_new(),
                           .links = HARD_LINKS_INIT };
    d.row = job_row_new(&work, &d, o->pool);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = digest_item(&d, &o->selection->items[order[i]], &digests[order[i]], err);
    if (rc == 0)
        items_finish(digests, count, out);
    if (rc == 0 && d.index)
        stat_index_commit(d.index);
    job_row_free(d.row);
    stat_index_free(d.index);
    hasher_free(d.hasher);
    return rc;
}
