/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/copy.h"

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/solver/copy_internal.h"

int copy_open(struct copy *c, struct error *err)
{
    auto_(lower_place) struct lower_place place = { 0 };
    if (c->op->chown) {
        c->has_owner = true;
        TRY(owner_resolve(c->lower, c->op->chown, &c->owner, &c->unknown_owner, err));
    }
    if (c->op->chmod) {
        c->has_chmod = true;
        TRY(mode_change_parse(c->op->chmod, &c->chmod, err));
    }
    if (lower_resolve(c->lower, c->op->dest, &place, err) < 0)
        return error_wrap(err, "the destination");
    TRY(check_names(place.path, err));
    c->dest_exists = place.exists;
    c->kind = place.exists                      ? place.is_dir ? COPY_DEST_DIR : COPY_DEST_OTHER
              : str_ends_with(c->op->dest, "/") ? COPY_DEST_DIR
                                                : COPY_DEST_MISSING;
    c->dest = take_ptr(place.path);
    return 0;
}

void copy_release(struct copy *c)
{
    mode_change_release(&c->chmod);
    free(take_ptr(c->dest));
    free(take_ptr(c->unknown_owner));
}

unsigned copy_new_mode(const struct copy *c)
{
    return c->has_chmod && c->chmod.is_octal ? c->chmod.octal : NEW_DIRECTORY_MODE;
}

void copy_adjust(const struct copy *c, const struct file_source *from, struct tar_entry *e)
{
    if (!from || from->is_context)
        e->uid = e->gid = 0;
    if (c->has_owner) {
        e->uid = c->owner.uid;
        e->gid = c->owner.gid;
    }
    if (c->has_chmod && e->type != TAR_SYMLINK)
        e->mode = mode_change_apply(&c->chmod, e->mode, e->type == TAR_DIR);
}

int copy_conflict(const char *path, bool new_is_dir, struct error *err)
{
    if (new_is_dir) {
        error_set(err, ERROR_USER, 0, "cannot copy to non-directory: /%s", path);
        return error_hint(err, "remove it in a RUN step before, or copy to another directory");
    }
    error_set(err, ERROR_USER, 0, "cannot replace to directory /%s with file", path);
    return error_hint(err, "remove it in a RUN step before, or give the file another name");
}

int copy_check_lower(const struct copy *c, const char *path, bool is_dir, struct error *err)
{
    bool exists = false;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(lower_look(c->lower, path, &exists, &e, err));
    return !exists || (e.tar.type == TAR_DIR) == is_dir ? 0 : copy_conflict(path, is_dir, err);
}

int pass_write_way(struct pass *p, bool with_dest, unsigned mode, struct error *err)
{
    const struct copy *c = p->copy;
    struct owner none = { 0, 0 };
    if (p->dest_written || (p->way_written && !with_dest))
        return 0;
    p->way_written = true;
    p->dest_written = with_dest;
    auto_free char *way = xstrndup(c->dest, with_dest ? strlen(c->dest) : path_dir_len(c->dest));
    return write_directories(c->lower, way, mode, c->has_owner ? c->owner : none, p->facts, p->to,
                             err);
}

static int copy_item(struct pass *p, const struct selected *item, bool unpack, struct error *err)
{
    bool is_archive = false;
    if (unpack && !item->is_dir)
        TRY(copy_archive(p, item, &is_archive, err));
    if (is_archive)
        return 0;
    if (p->selection->with_parents)
        return copy_with_parents(p, item, err);
    return item->is_dir ? copy_directory(p, item, err) : copy_file(p, item, err);
}

/* A scribe is told of files as they are written. */
static void begin_item(struct pass *p, const struct copy_input *in, const struct selected *item)
{
    p->scribe = p->to ? in->scribe : NULL;
    if (p->scribe && item->is_dir)
        digest_scribe_item(p->scribe, (size_t)(item - in->selection->items));
}

/* `at` counts, for each input, how many of its items are done. */
static int copy_source(struct pass *p, size_t index, size_t *at, struct error *err)
{
    const struct copy_source *source = &p->copy->op->sources[index];
    if (source->input == 0) {
        p->from = NULL;
        p->scribe = NULL;
        return copy_inline(p, source, err);
    }
    const struct copy_input *in = &p->copy->inputs[source->input];
    p->from = &in->from;
    p->selection = in->selection;
    for (size_t *i = &at[source->input]; *i < in->selection->count; ++*i) {
        const struct selected *item = &in->selection->items[*i];
        if (item->source != index)
            break;
        begin_item(p, in, item);
        int rc = copy_flush(p, copy_item(p, item, source->unpack, err), err);
        /* The next one may replace what this one wrote: no link leads back to it. */
        hard_links_release(&p->links);
        TRY(rc);
    }
    return 0;
}

/* A file among others, by its name at the destination. */
struct placed {
    const char *name;
    size_t source;
    const struct selected *item; /* NULL: an inline file */
};

struct placed_list {
    struct placed *items;
    size_t count, cap;
};

static void add_placed(struct placed_list *list, const char *name, size_t source,
                       const struct selected *item)
{
    GROW(list->items, list->count, list->cap);
    list->items[list->count++] = (struct placed){ name, source, item };
}

static int compare_placed(const void *a, const void *b)
{
    return strcmp(((const struct placed *)a)->name, ((const struct placed *)b)->name);
}

/* All that is copied, sorted, if it is files with different names: then their order says nothing.
 */
static bool place_files(const struct pass *p, struct placed_list *out)
{
    const struct op_copy *op = p->copy->op;
    for (size_t i = 0; i < op->source_count; i++) {
        const struct copy_source *source = &op->sources[i];
        const struct selection *s = p->copy->inputs[source->input].selection;
        if (source->unpack || (source->input && s->with_parents))
            return false;
        if (source->input == 0)
            add_placed(out, path_base(source->path), i, NULL);
        for (size_t k = 0; source->input && k < s->count; k++) {
            if (s->items[k].source == i && s->items[k].is_dir)
                return false;
            if (s->items[k].source == i)
                add_placed(out, s->items[k].name, i, &s->items[k]);
        }
    }
    if (out->count)
        qsort(out->items, out->count, sizeof *out->items, compare_placed);
    for (size_t i = 1; i < out->count; i++) {
        if (strcmp(out->items[i - 1].name, out->items[i].name) == 0)
            return false;
    }
    return true;
}

static int copy_placed_one(struct pass *p, const struct placed *file, struct error *err)
{
    const struct copy *c = p->copy;
    const struct copy_source *source = &c->op->sources[file->source];
    const struct copy_input *in = &c->inputs[source->input];
    p->from = file->item ? &in->from : NULL;
    p->selection = file->item ? in->selection : NULL;
    p->scribe = NULL;
    if (!file->item)
        return copy_inline(p, source, err);
    begin_item(p, in, file->item);
    return copy_file(p, file->item, err);
}

static int copy_placed(struct pass *p, const struct placed_list *list, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++)
        rc = copy_placed_one(p, &list->items[i], err);
    return copy_flush(p, rc, err);
}

static size_t count_inputs(const struct op_copy *op)
{
    size_t max = 0;
    for (size_t i = 0; i < op->source_count; i++)
        max = op->sources[i].input > max ? op->sources[i].input : max;
    return max + 1;
}

static int run_pass(struct pass *p, struct error *err)
{
    const struct copy *c = p->copy;
    auto_free size_t *at = xcalloc(count_inputs(c->op), sizeof *at);
    hasher_add_text(p->facts, c->dest);
    hasher_add_u64(p->facts, (uint64_t)c->kind);
    hasher_add_u64(p->facts, c->dest_exists);
    hasher_add_u64(p->facts, c->has_owner ? c->owner.uid : UINT64_MAX);
    hasher_add_u64(p->facts, c->owner.gid);
    for (size_t i = 0; i < c->op->source_count; i++)
        TRY(copy_source(p, i, at, err));
    return 0;
}

/* In the order that some writers want, as far as there is a choice. */
static int run_ordered(struct pass *p, struct error *err)
{
    struct placed_list files = { 0 };
    bool all_files = place_files(p, &files);
    int rc = all_files ? copy_placed(p, &files, err) : run_pass(p, err);
    free(files.items);
    return rc;
}

int copy_facts(struct copy *c, bool *out_known, struct digest *out, struct error *err)
{
    auto_(hasher) struct hasher *facts = hasher_new();
    struct pass p = { .copy = c, .facts = facts, .dest = c->kind, .links = HARD_LINKS_INIT };
    TRY(run_pass(&p, err));
    *out_known = !p.facts_missing;
    hasher_finish(facts, out);
    return 0;
}

int copy_write(struct copy *c, struct layer_writer *to, struct digest *out_facts, struct error *err)
{
    auto_(hasher) struct hasher *facts = hasher_new();
    struct pass p = {
        .copy = c, .facts = facts, .to = to, .dest = c->kind, .links = HARD_LINKS_INIT
    };
    to->keeps_types = true;
    p.row = copy_row_new(&p);
    int rc = run_ordered(&p, err);
    job_row_free(p.row);
    hard_links_release(&p.links);
    TRY(rc);
    hasher_finish(facts, out_facts);
    return 0;
}
