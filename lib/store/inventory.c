/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/inventory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"
#include "lib/fs/dir.h"
#include "lib/fs/tree_usage.h"
#include "lib/store/image_store.h"
#include "lib/store/record.h"

enum { RECORD_MAX = 4 * 1024 * 1024, USAGE_MAX = 64 };

static struct inventory_item *item_new(enum inventory_kind kind, const char *name)
{
    struct inventory_item *item = xcalloc(1, sizeof *item);
    item->kind = kind;
    snprintf(item->name, sizeof item->name, "%s", name);
    return item;
}

void inventory_release(struct inventory *inv)
{
    map_release(&inv->layers);
    map_release(&inv->blobs);
    map_release(&inv->alone);
    free(take_ptr(inv->records));
}

static struct inventory_item *layer_item(struct inventory *inv, const char *id)
{
    struct inventory_item *item = map_find(&inv->layers, id);
    if (!item) {
        item = item_new(INVENTORY_LAYER, id);
        map_set(&inv->layers, id, item);
    }
    return item;
}

/* What an earlier look at the tree has written down, if there was one. */
static void recall_usage(const struct store *store, struct inventory_item *item)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error ignored = { 0 };
    auto_free char *path = xasprintf("%s/usage", item->name);
    uint64_t bytes = 0;
    uint64_t inodes = 0;
    if (fd_read_file(store->layers_fd, path, USAGE_MAX, &text, &ignored) < 0)
        return;
    struct str rest = str_of(text.buf);
    struct str first = str_cut(&rest, ' ');
    item->is_measured = str_to_u64(first, 10, INT64_MAX, &bytes) &&
                        str_to_u64(str_trim(rest, "\n"), 10, INT64_MAX, &inodes);
    item->bytes += item->is_measured ? bytes : 0;
    item->inodes += item->is_measured ? inodes : 0;
}

static int read_layers(const struct store *store, struct inventory *inv, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(store->layers_fd, "layers", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        struct inventory_item *item = layer_item(inv, names.items[i]);
        auto_free char *path = xasprintf("%s/layer.json", names.items[i]);
        item->has_tree = true;
        if (fstatat(store->layers_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            item->used_s = st.st_mtim.tv_sec;
        recall_usage(store, item);
    }
    return 0;
}

static int read_blobs(const struct store *store, struct inventory *inv, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(store->blobs_fd, "blobs", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        if (fstatat(store->blobs_fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        struct inventory_blob *blob = xcalloc(1, sizeof *blob);
        blob->bytes = stat_disk_bytes(&st);
        blob->used_s = st.st_mtim.tv_sec;
        map_set(&inv->blobs, names.items[i], blob);
    }
    return 0;
}

static struct inventory_item *blob_alone(struct inventory *inv, const char *hex)
{
    struct inventory_item *item = map_find(&inv->alone, hex);
    if (!item) {
        item = item_new(INVENTORY_BLOB, hex);
        map_set(&inv->alone, hex, item);
    }
    return item;
}

/* The blob `d` is an item of its own, and an image needs it. */
static void need_blob(struct inventory *inv, const struct digest *d)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    struct inventory_blob *blob = map_find(&inv->blobs, hex);
    if (!blob)
        return;
    blob->item = blob_alone(inv, hex);
    blob->item->images++;
}

static int need_image(void *arg, const struct image_record *image, struct error *err)
{
    struct inventory *inv = arg;
    (void)err;
    need_blob(inv, &image->config);
    if (image->has_manifest)
        need_blob(inv, &image->manifest);
    for (size_t i = 0; i < image->layer_count; i++) {
        layer_item(inv, image->layers[i].id)->images++;
        if (image->layers[i].has_blob)
            need_blob(inv, &image->layers[i].blob);
    }
    return 0;
}

static int read_record(const struct store *store, const char *key, struct inventory *inv,
                       struct error *err)
{
    struct stat st;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error unreadable = { 0 };
    auto_(js) js *body = NULL;
    if (strlen(key) >= DIGEST_HEX_SIZE || fstatat(store->cache_fd, key, &st, 0) < 0)
        return 0;
    GROW(inv->records, inv->record_count, inv->record_cap);
    struct inventory_record *r = &inv->records[inv->record_count++];
    *r = (struct inventory_record){ .used_s = st.st_mtim.tv_sec };
    snprintf(r->key, sizeof r->key, "%s", key);
    inv->record_bytes += stat_disk_bytes(&st);
    if (fd_read_file(store->cache_fd, key, RECORD_MAX, &text, &unreadable) < 0 ||
        js_parse(text.buf, text.len, key, &body, &unreadable) < 0)
        return unreadable.kind == ERROR_SYSTEM ? error_first(err, &unreadable) : 0;
    const char *layer = js_text(js_member(body, "layer"));
    const char *blob = js_text(js_member(body, "blob"));
    r->layer = layer ? layer_item(inv, layer) : NULL;
    r->has_blob = blob && digest_parse(blob, &r->blob) && record_is_durable(store, body);
    r->is_packed = js_member(body, "layout") != NULL;
    return 0;
}

static int read_records(const struct store *store, struct inventory *inv, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(store->cache_fd, "cache", &names, err));
    for (size_t i = 0; i < names.count; i++)
        TRY(read_record(store, names.items[i], inv, err));
    return 0;
}

/* A blob goes with the layer that a record says it is of; if two layers have it, with neither. */
static void give_blob(struct inventory *inv, const struct inventory_record *r)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&r->blob, hex);
    struct inventory_blob *blob = map_find(&inv->blobs, hex);
    if (!blob || !r->layer)
        return;
    if (r->layer->images && r->is_packed)
        need_blob(inv, &r->blob);
    else if (!blob->item && r->layer->images == 0)
        blob->item = r->layer;
    else if (blob->item != r->layer && blob->item && blob->item->kind == INVENTORY_LAYER)
        blob->item = blob_alone(inv, hex);
}

static void add_up(struct inventory *inv)
{
    for (size_t i = 0; i < inv->record_count; i++) {
        if (inv->records[i].has_blob)
            give_blob(inv, &inv->records[i]);
    }
    for (size_t i = 0; i < inv->blobs.count; i++) {
        struct inventory_blob *blob = inv->blobs.entries[i].value;
        if (!blob->item)
            blob->item = blob_alone(inv, inv->blobs.entries[i].key);
        blob->item->bytes += blob->bytes;
        blob->item->inodes++;
        if (blob->item->used_s < blob->used_s)
            blob->item->used_s = blob->used_s;
    }
}

int inventory_read(const struct store *store, struct inventory *out, struct error *err)
{
    auto_(inventory) struct inventory inv = { .layers.free_value = free,
                                              .blobs.free_value = free,
                                              .alone.free_value = free };
    TRY(read_layers(store, &inv, err));
    TRY(read_blobs(store, &inv, err));
    TRY(image_store_each(store, need_image, &inv, err));
    TRY(read_records(store, &inv, err));
    add_up(&inv);
    *out = inv;
    inv = (struct inventory){ 0 };
    return 0;
}

static void measure(const struct store *store, struct inventory_item *item)
{
    struct tree_usage usage = { 0 };
    char text[USAGE_MAX];
    auto_(error) struct error ignored = { 0 };
    auto_close int dir =
        openat(store->layers_fd, item->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || tree_usage(dir, &usage, &ignored) < 0)
        return;
    item->is_measured = true;
    item->bytes += usage.bytes;
    item->inodes += usage.inodes;
    snprintf(text, sizeof text, "%llu %llu\n", (unsigned long long)usage.bytes,
             (unsigned long long)usage.inodes);
    (void)!atomic_file_write(dir, "usage", text, strlen(text), 0600, &ignored);
}

void inventory_measure(const struct store *store, struct inventory *inv, bool all)
{
    for (size_t i = 0; i < inv->layers.count; i++) {
        struct inventory_item *item = inv->layers.entries[i].value;
        if (item->has_tree && !item->is_measured && (all || item->images == 0))
            measure(store, item);
    }
}

void inventory_each(const struct inventory *inv, inventory_fn *fn, void *arg)
{
    for (size_t i = 0; i < inv->layers.count; i++) {
        struct inventory_item *item = inv->layers.entries[i].value;
        if (item->has_tree || item->inodes)
            fn(arg, item);
    }
    for (size_t i = 0; i < inv->alone.count; i++)
        fn(arg, inv->alone.entries[i].value);
}
