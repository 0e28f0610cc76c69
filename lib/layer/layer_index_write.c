/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>

#include "lib/base/atomic_file.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/strvec.h"
#include "lib/codec/tar.h"
#include "lib/layer/layer_index.h"
#include "lib/layer/layer_index_internal.h"
#include "lib/layer/whiteout.h"

enum { CONTENT_MAX = 1024 * 1024 };

/* What a record is, in its slot's offset, a multiple of 8, until the table is written. */
enum { SLOT_DIRECTORY = 1, SLOT_OTHER = 2, SLOT_FLAGS = 7 };

struct layer_index_writer {
    const struct store *store;
    int dir_fd;
    struct atomic_file file;
    FILE *out;
    uint64_t at;
    struct index_slot *slots;
    size_t count, cap;
    struct strvec wanted; /* directories that entries are in, and that may have none of their own */
    bool is_contradictory;
};

int layer_index_writer_open(const struct store *store, struct layer_index_writer **out,
                            struct error *err)
{
    auto_(layer_index_writer) struct layer_index_writer *w = xcalloc(1, sizeof *w);
    const struct index_header blank = { 0 };
    char name[LEASE_SIZE];
    *w = (struct layer_index_writer){ .store = store, .file.fd = -1, .at = sizeof blank };
    w->dir_fd = openat(store->fd, "indexes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (w->dir_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open indexes in %s", store->path);
    store_random_id(name);
    TRY(atomic_file_open(&w->file, w->dir_fd, name, 0600, err));
    w->out = fdopen(dup(w->file.fd), "w");
    if (!w->out)
        return error_set(err, ERROR_SYSTEM, errno, "write an index");
    fwrite(&blank, sizeof blank, 1, w->out);
    *out = take_ptr(w);
    return 0;
}

void layer_index_writer_free(struct layer_index_writer *w)
{
    if (!w)
        return;
    if (w->out)
        fclose(w->out);
    atomic_file_release(&w->file);
    if (w->dir_fd >= 0)
        close(w->dir_fd);
    strvec_release(&w->wanted);
    free(w->slots);
    free(w);
}

/* Bytes and a NUL, so that a reader can use names where they lie. */
static void put(struct layer_index_writer *w, const void *data, size_t len)
{
    if (len)
        fwrite(data, 1, len, w->out);
    putc('\0', w->out);
    w->at += len + 1;
}

static void put_xattr(struct layer_index_writer *w, const struct tar_xattr *x)
{
    const struct index_xattr head = { (uint32_t)strlen(x->name), (uint32_t)x->len };
    fwrite(&head, sizeof head, 1, w->out);
    w->at += sizeof head;
    put(w, x->name, head.name_len);
    put(w, x->value, x->len);
}

/* `flag` is 0 for what is no entry. */
static void put_record(struct layer_index_writer *w, struct index_record *r,
                       const struct tar_entry *e, const void *content, unsigned flag)
{
    static const char zeros[8];
    r->path_len = (uint32_t)strlen(e->path);
    r->link_len = e->link ? (uint32_t)strlen(e->link) : 0;
    r->has_content = content != NULL;
    r->content_len = content ? (uint32_t)e->size : 0;
    for (size_t i = 0; i < e->xattr_count; i++)
        r->xattr_count += xattr_travels(e->xattrs[i].name);
    GROW(w->slots, w->count, w->cap);
    w->slots[w->count++] = (struct index_slot){ index_hash(e->path, r->path_len), w->at | flag };
    fwrite(r, sizeof *r, 1, w->out);
    w->at += sizeof *r;
    put(w, e->path, r->path_len);
    put(w, e->link, r->link_len);
    for (size_t i = 0; i < e->xattr_count; i++) {
        if (xattr_travels(e->xattrs[i].name))
            put_xattr(w, &e->xattrs[i]);
    }
    put(w, content, r->content_len);
    size_t padding = (8 - w->at % 8) % 8;
    fwrite(zeros, 1, padding, w->out);
    w->at += padding;
}

/* Neighbours are mostly of one directory. */
static void want_parent(struct layer_index_writer *w, const char *path)
{
    size_t len = path_dir_len(path);
    const char *last = w->wanted.count ? w->wanted.items[w->wanted.count - 1] : "";
    if (len && (strlen(last) != len || memcmp(last, path, len) != 0))
        strvec_push_take(&w->wanted, xstrndup(path, len));
}

bool layer_index_keeps(const struct tar_entry *e)
{
    return e->type == TAR_FILE && e->size <= CONTENT_MAX &&
           (strcmp(e->path, "etc/passwd") == 0 || strcmp(e->path, "etc/group") == 0);
}

static void add_entry(struct layer_index_writer *w, const struct tar_entry *e, const void *content)
{
    struct index_record r = { .kind = RECORD_ENTRY,
                              .type = (uint8_t)e->type,
                              .mode = e->mode,
                              .uid = e->uid,
                              .gid = e->gid,
                              .mtime_s = e->mtime_s,
                              .mtime_ns = e->mtime_ns,
                              .dev_major = e->dev_major,
                              .dev_minor = e->dev_minor };
    put_record(w, &r, e, content, e->type == TAR_DIR ? SLOT_DIRECTORY : SLOT_OTHER);
}

static void add_mark(struct layer_index_writer *w, uint8_t kind, const char *path)
{
    struct index_record r = { .kind = kind, .type = TAR_DIR };
    put_record(w, &r, &(struct tar_entry){ .path = path }, NULL, 0);
}

int layer_index_writer_add(struct layer_index_writer *w, const struct tar_entry *e,
                           const void *content, struct error *err)
{
    enum whiteout whiteout = WHITEOUT_NONE;
    auto_free char *target = NULL;
    TRY(whiteout_parse(e->path, &whiteout, &target, err));
    if (whiteout == WHITEOUT_META)
        return 0;
    want_parent(w, e->path);
    if (whiteout == WHITEOUT_NONE)
        add_entry(w, e, content);
    else
        add_mark(w, whiteout == WHITEOUT_NAME ? RECORD_WHITEOUT : RECORD_OPAQUE, target);
    return 0;
}

static int compare_slots(const void *a, const void *b)
{
    const struct index_slot *x = a;
    const struct index_slot *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void sort_slots(struct layer_index_writer *w)
{
    if (w->count)
        qsort(w->slots, w->count, sizeof *w->slots, compare_slots);
}

/* What the entries are that have this hash: flags. Where another path has it too, that directory
 * has a record more or less; the tree, which is made by comparing names, is not concerned. */
static unsigned find_entries(const struct layer_index_writer *w, size_t sorted, uint64_t hash)
{
    unsigned flags = 0;
    size_t low = 0;
    size_t high = sorted;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->slots[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < sorted && w->slots[low].hash == hash; low++)
        flags |= (unsigned)(w->slots[low].at & SLOT_FLAGS);
    return flags;
}

/* Directories that only their content speaks of, and those above them. */
static void add_implied(struct layer_index_writer *w)
{
    size_t sorted = w->count;
    auto_(map) struct map added = { 0 };
    for (size_t i = 0; i < w->wanted.count; i++) {
        char *path = w->wanted.items[i];
        for (; *path && !map_find(&added, path); path[path_dir_len(path)] = '\0') {
            unsigned found = find_entries(w, sorted, index_hash(path, strlen(path)));
            if (found & SLOT_OTHER)
                w->is_contradictory = true;
            if (found & SLOT_DIRECTORY)
                break;
            map_set(&added, path, w);
            add_mark(w, RECORD_IMPLIED, path);
        }
    }
}

/* Is a path a directory here and something else there? */
static void look_for_contradictions(struct layer_index_writer *w)
{
    uint64_t flags = 0;
    for (size_t i = 0; i < w->count; i++) {
        bool is_another = i == 0 || w->slots[i - 1].hash != w->slots[i].hash;
        flags = (is_another ? 0 : flags) | w->slots[i].at;
        if ((flags & SLOT_DIRECTORY) && (flags & SLOT_OTHER))
            w->is_contradictory = true;
    }
}

int layer_index_writer_commit(struct layer_index_writer *w, const char *id, bool *out_made,
                              struct error *err)
{
    struct index_header h = { .magic = INDEX_MAGIC };
    sort_slots(w);
    look_for_contradictions(w);
    add_implied(w);
    *out_made = !w->is_contradictory;
    if (w->is_contradictory)
        return 0;
    for (size_t i = 0; i < w->count; i++)
        w->slots[i].at &= ~(uint64_t)SLOT_FLAGS;
    sort_slots(w);
    h.table_at = w->at;
    h.count = w->count;
    snprintf(h.boot, sizeof h.boot, "%s", w->store->boot_id);
    if (w->count)
        fwrite(w->slots, sizeof *w->slots, w->count, w->out);
    bool flushed = fflush(w->out) == 0 && !ferror(w->out);
    h.at_ns = clock_monotonic_ns();
    bool written = flushed && pwrite(w->file.fd, &h, sizeof h, 0) == (ssize_t)sizeof h;
    if (!written)
        return error_set(err, ERROR_SYSTEM, errno, "write the index of layer %s", id);
    atomic_file_call(&w->file, id);
    return atomic_file_commit(&w->file, false, err);
}

/* The content of the reader's current entry, if the index keeps it. */
static int read_kept(struct tar_reader *tar, const struct tar_entry *e, char **out,
                     struct error *err)
{
    if (!layer_index_keeps(e))
        return 0;
    auto_free char *content = xmalloc((size_t)e->size + 1);
    for (uint64_t done = 0; done < e->size;) {
        ssize_t n = tar_reader_content(tar, content + done, (size_t)(e->size - done), err);
        if (n < 0)
            return -1;
        if (n == 0)
            return error_set(err, ERROR_CORRUPT, 0, "%s ended early", e->path);
        done += (uint64_t)n;
    }
    *out = take_ptr(content);
    return 0;
}

int layer_index_make(const struct store *store, const char *id, struct reader *in, bool *out_made,
                     struct error *err)
{
    auto_(layer_index_writer) struct layer_index_writer *w = NULL;
    auto_(tar_reader) struct tar_reader *tar = NULL;
    TRY(layer_index_writer_open(store, &w, err));
    TRY(tar_reader_open(in, "layer", &tar, err));
    for (;;) {
        const struct tar_entry *e = NULL;
        auto_free char *content = NULL;
        TRY(tar_reader_next(tar, &e, err));
        if (!e)
            break;
        TRY(read_kept(tar, e, &content, err));
        TRY(layer_index_writer_add(w, e, content, err));
    }
    TRY(reader_drain(in, err));
    return layer_index_writer_commit(w, id, out_made, err);
}
