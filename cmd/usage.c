/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild du: what the store holds, as it is on disk, and what prune would free. */
#include <fcntl.h>

#include "cmd/builder.h"
#include "cmd/command.h"
#include "cmd/printable.h"
#include "cmd/size_text.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/fs/tree_usage.h"
#include "lib/store/cache_mount.h"
#include "lib/store/inventory.h"

enum { TITLE_WIDTH = 61 };

struct usage_values {
    bool verbose;
};

static const struct option options[] = {
    { "verbose", 'v', OPTION_FLAG, offsetof(struct usage_values, verbose), NULL,
      "each layer, blob and cache" },
    { .name = NULL },
};

enum row { IMAGE_LAYERS, IMAGE_BLOBS, CACHED_LAYERS, CACHED_BLOBS, MOUNTS, HINTS, WORK, ROW_COUNT };

static const struct {
    const char *title;
    bool is_reclaimable;
} rows[ROW_COUNT] = {
    [IMAGE_LAYERS] = { "layers of images", false },
    [IMAGE_BLOBS] = { "blobs of images", false },
    [CACHED_LAYERS] = { "cached layers", true },
    [CACHED_BLOBS] = { "cached blobs", true },
    [MOUNTS] = { "cache mounts", true },
    [HINTS] = { "records, indexes", true },
    [WORK] = { "work, trash", false },
};

struct usage {
    bool is_verbose;
    size_t counts[ROW_COUNT];
    uint64_t bytes[ROW_COUNT];
};

static void add(struct usage *u, enum row row, size_t count, uint64_t bytes)
{
    u->counts[row] += count;
    u->bytes[row] += bytes;
}

static void print_line(const struct usage *u, enum row row, const char *name, int64_t used_s,
                       uint64_t bytes, size_t images)
{
    char size[SIZE_TEXT];
    char used[CLOCK_TEXT_SIZE];
    if (!u->is_verbose)
        return;
    size_print(bytes, size);
    clock_print((struct timespec){ .tv_sec = used_s }, used);
    printf("%-64s  %-16s  %9s  %-20s  %6zu\n", name, rows[row].title, size, used, images);
}

static void add_item(void *arg, struct inventory_item *item)
{
    struct usage *u = arg;
    bool is_layer = item->kind == INVENTORY_LAYER;
    enum row row = item->images ? (is_layer ? IMAGE_LAYERS : IMAGE_BLOBS)
                                : (is_layer ? CACHED_LAYERS : CACHED_BLOBS);
    add(u, row, 1, item->bytes);
    print_line(u, row, item->name, item->used_s, item->bytes, item->images);
}

static void add_mount(void *arg, const struct cache_mount_info *info)
{
    struct usage *u = arg;
    auto_free char *title = printable(info->title, TITLE_WIDTH);
    add(u, MOUNTS, 1, info->bytes);
    print_line(u, MOUNTS, title, info->used_s, info->bytes, 0);
}

static int add_folder(struct usage *u, enum row row, const struct store *store, const char *folder,
                      struct error *err)
{
    struct tree_usage usage = { 0 };
    auto_close int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s/%s", store->path, folder);
    TRY(tree_usage(fd, &usage, err));
    add(u, row, usage.inodes - 1, usage.bytes);
    return 0;
}

static void print_table(const struct usage *u)
{
    char size[SIZE_TEXT];
    char freed[SIZE_TEXT];
    uint64_t total = 0;
    uint64_t reclaimable = 0;
    if (u->is_verbose)
        printf("\n");
    printf("%-18s  %7s  %9s  %11s\n", "TYPE", "COUNT", "SIZE", "RECLAIMABLE");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        uint64_t free_bytes = rows[i].is_reclaimable ? u->bytes[i] : 0;
        size_print(u->bytes[i], size);
        size_print(free_bytes, freed);
        printf("%-18s  %7zu  %9s  %11s\n", rows[i].title, u->counts[i], size, freed);
        total += u->bytes[i];
        reclaimable += free_bytes;
    }
    size_print(total, size);
    size_print(reclaimable, freed);
    printf("\nReclaimable:  %s\nTotal:        %s\n", freed, size);
}

static int take_stock(struct session *s, const struct solver_workers *workers, void *arg,
                      struct error *err)
{
    const struct usage_values *v = arg;
    struct usage u = { .is_verbose = v->verbose };
    auto_(inventory) struct inventory inventory = { 0 };
    (void)workers;
    TRY(inventory_read(&s->store, &inventory, err));
    inventory_measure(&s->store, &inventory, true);
    if (v->verbose)
        printf("%-64s  %-16s  %9s  %-20s  %6s\n", "ID", "TYPE", "SIZE", "LAST USED", "IMAGES");
    inventory_each(&inventory, add_item, &u);
    TRY(cache_mount_each(&s->store, add_mount, &u, err));
    static const char *const hints[] = { "blocks", "cache", "contexts", "indexes" };
    for (size_t i = 0; i < COUNT(hints); i++)
        TRY(add_folder(&u, HINTS, &s->store, hints[i], err));
    TRY(add_folder(&u, WORK, &s->store, "tmp", err));
    TRY(add_folder(&u, WORK, &s->store, "trash", err));
    print_table(&u);
    return 0;
}

static int usage_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    if (args->count)
        return error_set(err, ERROR_USAGE, 0, "mlbuild du takes no argument");
    TRY(session_open_progress(s, "quiet", err));
    TRY(session_open_store(s, err));
    return builder_run(s, take_stock, values, NULL, err);
}

const struct command command_du = {
    .name = "du",
    .usage = "[-v]",
    .summary = "show what the store holds, and what prune would free",
    .options = options,
    .values_size = sizeof(struct usage_values),
    .run = usage_run,
};
