/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/cache/cache_location.h"
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

static int make_directory(const struct location_directory *l, int dir, const char *name,
                          int *out_fd, struct error *err)
{
    bool is_new = mkdirat(dir, name, 0700) == 0;
    if (!is_new && errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, errno, "make %s", name);
    *out_fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out_fd < 0 || (is_new && fchmod(*out_fd, DIRECTORY_MODE & ~l->umask) < 0))
        return error_set(err, ERROR_SYSTEM, errno, "open %s", name);
    return 0;
}

/* Directories above it that are not there; what goes wrong is met again. */
static void make_way(const struct location_directory *l)
{
    auto_free char *path = xstrdup(l->path);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) == 0)
            (void)!chmod(path, DIRECTORY_MODE & ~l->umask);
        *slash = '/';
    }
}

static int commit(const struct location_directory *l, struct atomic_file *file, struct error *err)
{
    if (fchmod(file->fd, FILE_MODE & ~l->umask) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "chmod %s", file->name);
    return atomic_file_commit(file, false, err);
}

static bool has_blob(int blobs, const char *hex, const struct descriptor *blob)
{
    struct stat st;
    return fstatat(blobs, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == blob->size;
}

static int copy_blob(const struct location_directory *l, int blobs, const struct descriptor *blob,
                     struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    uint64_t size = 0;
    auto_close int from = -1;
    auto_(atomic_file) struct atomic_file to = { .fd = -1 };
    digest_hex(&blob->digest, hex);
    if (has_blob(blobs, hex, blob))
        return 0;
    TRY(blob_open(l->store, &blob->digest, &from, &size, err));
    TRY(atomic_file_open(&to, blobs, hex, 0600, err));
    TRY(fd_copy(from, to.fd, size, hex, NULL, err));
    return commit(l, &to, err);
}

static int write_image(const struct location_directory *l, int dir, const char *name,
                       const struct manifest *manifest, const struct strbuf *text,
                       struct error *err)
{
    auto_close int blobs_dir = -1;
    auto_close int blobs = -1;
    auto_close int entries = -1;
    auto_(atomic_file) struct atomic_file entry = { .fd = -1 };
    TRY(make_directory(l, dir, "blobs", &blobs_dir, err));
    TRY(make_directory(l, blobs_dir, "sha256", &blobs, err));
    TRY(make_directory(l, dir, "entries", &entries, err));
    TRY(copy_blob(l, blobs, &manifest->config, err));
    for (size_t i = 0; i < manifest->layer_count; i++)
        TRY(copy_blob(l, blobs, &manifest->layers[i], err));
    TRY(atomic_file_open(&entry, entries, name, 0600, err));
    TRY(fd_write_all(entry.fd, text->buf, text->len, name, err));
    return commit(l, &entry, err);
}

static int save(struct cache_location *base, const char *name, const struct manifest *manifest,
                const struct strbuf *text, struct thread_pool *pool, unsigned vertex,
                struct error *err)
{
    const struct location_directory *l = (const struct location_directory *)base;
    auto_close int dir = -1;
    (void)pool;
    (void)vertex;
    make_way(l);
    TRY(make_directory(l, AT_FDCWD, l->path, &dir, err));
    return write_image(l, dir, name, manifest, text, err);
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
