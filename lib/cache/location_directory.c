/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/cache/cache_location.h"
#include "lib/fs/dir.h"
#include "lib/registry/layout.h"
#include "lib/store/blob.h"

enum { DIRECTORY_MODE = 0777, FILE_MODE = 0666 };

struct location_directory {
    struct cache_location base;
    const struct store *store;
    char *path;
    mode_t umask; /* others may be meant to read it: the user decides, not our process */
};

static int load(struct cache_location *base, const char *name, const struct platform *platform,
                struct image_source *out, bool *out_found, struct error *err)
{
    const struct location_directory *l = (const struct location_directory *)base;
    *out_found = false;
    if (!name)
        return 0;
    auto_free char *file = xasprintf("entries/%s", name);
    return layout_find(l->path, file, platform, l->store, out, out_found, err);
}

/* It is made, with those above it, if it is not there. */
static int open_folder(const struct location_directory *l, const char *name, int *out_fd,
                       struct error *err)
{
    auto_free char *path = xasprintf("%s/%s", l->path, name);
    TRY(dir_make_all(path, DIRECTORY_MODE & ~l->umask, err));
    *out_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out_fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "open %s", path) : 0;
}

static int commit(const struct location_directory *l, struct atomic_file *file, struct error *err)
{
    if (fchmod(file->fd, FILE_MODE & ~l->umask) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "chmod %s", file->name);
    return atomic_file_commit(file, false, err);
}

static int copy_blob(const struct location_directory *l, int blobs, const struct descriptor *blob,
                     struct error *err)
{
    auto_(atomic_file) struct atomic_file to = { .fd = -1 };
    TRY(blob_copy_out(l->store, &blob->digest, blob->size, blobs, 0600, NULL, &to, err));
    return to.fd < 0 ? 0 : commit(l, &to, err);
}

static int save(struct cache_location *base, const char *name, const struct manifest *manifest,
                const struct strbuf *text, struct thread_pool *pool, unsigned vertex,
                struct error *err)
{
    const struct location_directory *l = (const struct location_directory *)base;
    auto_close int blobs = -1;
    auto_close int entries = -1;
    auto_(atomic_file) struct atomic_file entry = { .fd = -1 };
    (void)pool;
    (void)vertex;
    TRY(open_folder(l, "blobs/sha256", &blobs, err));
    TRY(open_folder(l, "entries", &entries, err));
    TRY(copy_blob(l, blobs, &manifest->config, err));
    for (size_t i = 0; i < manifest->layer_count; i++)
        TRY(copy_blob(l, blobs, &manifest->layers[i], err));
    TRY(atomic_file_open(&entry, entries, name, 0600, err));
    TRY(fd_write_all(entry.fd, text->buf, text->len, name, err));
    return commit(l, &entry, err);
}

static void free_location(struct cache_location *base)
{
    free(((struct location_directory *)base)->path);
}

struct cache_location *location_directory_new(const char *path, mode_t umask,
                                              const struct store *store)
{
    static const struct cache_location_ops ops = { load, save, NULL, free_location };
    struct location_directory *l = xcalloc(1, sizeof *l);
    l->base = (struct cache_location){ &ops, xstrdup(path) };
    l->store = store;
    l->path = xstrdup(path);
    l->umask = umask;
    return &l->base;
}
