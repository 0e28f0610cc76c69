/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/merge.h"

#include <fcntl.h>

#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "snapshotter/marks.h"

void merge_dir_close(struct merge_dir *d)
{
    for (size_t i = 0; i < d->count; i++)
        close(d->fds[i]);
    free(d->fds);
    *d = (struct merge_dir){ 0 };
}

void merge_list_release(struct merge_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].name);
    free(list->items);
    *list = (struct merge_list){ 0 };
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct merge_name *)a)->name, ((const struct merge_name *)b)->name);
}

/* Adds the names of one layer that no layer above decides. */
static int add_layer(const struct merge_dir *dir, size_t index, struct map *decided,
                     struct merge_list *out, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(dir->fds[index], "a layer", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        struct merge_name item = { .from = index };
        if (map_find(decided, names.items[i]))
            continue;
        if (fstatat(dir->fds[index], names.items[i], &item.st, AT_SYMLINK_NOFOLLOW) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "stat %s", names.items[i]);
        map_set(decided, names.items[i], decided);
        if (is_whiteout(&item.st))
            continue;
        item.name = xstrdup(names.items[i]);
        GROW(out->items, out->count, out->cap);
        out->items[out->count++] = item;
    }
    return 0;
}

int merge_list(const struct merge_dir *dir, struct merge_list *out, struct error *err)
{
    auto_(map) struct map decided = { 0 };
    auto_(merge_list) struct merge_list list = { 0 };
    for (size_t i = 0; i < dir->count; i++)
        TRY(add_layer(dir, i, &decided, &list, err));
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, compare);
    *out = list;
    list = (struct merge_list){ 0 };
    return 0;
}

const struct merge_name *merge_find(const struct merge_list *list, const char *name)
{
    struct merge_name key = { .name = (char *)name };
    return list->count ? bsearch(&key, list->items, list->count, sizeof key, compare) : NULL;
}

int merge_open(const struct merge_dir *dir, const struct merge_name *item, struct merge_dir *out,
               struct error *err)
{
    auto_(merge_dir) struct merge_dir child = { .fds = xcalloc(dir->count, sizeof *child.fds) };
    for (size_t i = item->from; i < dir->count; i++) {
        int fd = openat(dir->fds[i], item->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
            break; /* a file or whiteout hides what is below it */
        if (fd < 0)
            return error_set(err, ERROR_SYSTEM, errno, "open %s", item->name);
        child.fds[child.count++] = fd;
        if (directory_is_opaque(fd))
            break;
    }
    *out = child;
    child = (struct merge_dir){ 0 };
    return 0;
}
