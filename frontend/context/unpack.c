/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/context/unpack.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/codec/decompress.h"
#include "lib/codec/tar.h"
#include "lib/fs/dir.h"
#include "lib/fs/resolve.h"

enum { BUFFER = 256 * 1024, DIR_MODE_OURS = 0700, DIR_MODE_IMPLIED = 0755, MODE_BITS = 07777 };

/* A directory gets its mode and time when all is in it: it may forbid writing. */
struct late_dir {
    char *path;
    mode_t mode;
    struct timespec mtime;
};

struct unpacking {
    int dir_fd;
    char *buffer;
    struct late_dir *dirs; /* a parent before what is in it */
    size_t dir_count, dir_cap;
    struct map dir_numbers; /* path -> its number in `dirs`, from 1 on */
};

static void unpacking_release(struct unpacking *u)
{
    for (size_t i = 0; i < u->dir_count; i++)
        free(u->dirs[i].path);
    free(u->dirs);
    free(u->buffer);
    map_release(&u->dir_numbers);
}
DEFINE_AUTO(unpacking, struct unpacking, unpacking_release(value))

bool unpack_is_archive(const void *head, size_t len)
{
    static const struct {
        size_t at;
        const char *magic;
        size_t len;
    } formats[] = { { 0, "\x1f\x8b\x08", 3 },
                    { 0, "BZh", 3 },
                    { 0,
                      "\xfd"
                      "7zXZ",
                      5 },
                    { 0, "\x28\xb5\x2f\xfd", 4 },
                    { 257, "ustar", 5 } };
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (len >= formats[i].at + formats[i].len &&
            memcmp((const char *)head + formats[i].at, formats[i].magic, formats[i].len) == 0)
            return true;
    }
    return false;
}

/* What an archive says of a directory last counts. */
static void add_late(struct unpacking *u, const char *path, mode_t mode, struct timespec mtime)
{
    uintptr_t number = (uintptr_t)map_find(&u->dir_numbers, path);
    if (!number) {
        GROW(u->dirs, u->dir_count, u->dir_cap);
        u->dirs[u->dir_count++].path = xstrdup(path);
        number = u->dir_count;
        map_set(&u->dir_numbers, path, (void *)number);
    }
    u->dirs[number - 1].mode = mode & MODE_BITS;
    u->dirs[number - 1].mtime = mtime;
}

static struct timespec time_of(const struct tar_entry *e)
{
    return (struct timespec){ .tv_sec = (time_t)e->mtime_s, .tv_nsec = (long)e->mtime_ns };
}

/* A directory that the archive needs and does not speak of: the same whenever it is unpacked. */
static int make_implied(struct unpacking *u, int parent, const char *name, const char *path,
                        struct error *err)
{
    if (mkdirat(parent, name, DIR_MODE_OURS) == 0)
        add_late(u, path, DIR_MODE_IMPLIED, (struct timespec){ 0 });
    else if (errno != EEXIST)
        return error_set(err, ERROR_USER, errno, "make directory %s", path);
    return 0;
}

/* The directory that `path` is to be in, made as needed; no link leads there. */
static int open_parent(struct unpacking *u, const char *path, struct error *err)
{
    auto_free char *copy = xstrdup(path);
    for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const char *name = path_base(copy);
        auto_free char *above = xstrndup(copy, name > copy ? (size_t)(name - copy - 1) : 0);
        auto_close int fd = beneath_open(u->dir_fd, *above ? above : ".", O_PATH | O_DIRECTORY, 0);
        if (fd < 0)
            return error_set(err, ERROR_USER, errno, "make directory %s", copy);
        TRY(make_implied(u, fd, name, copy, err));
        *slash = '/';
    }
    size_t len = (size_t)(path_base(path) - path);
    auto_free char *parent = xstrndup(path, len ? len - 1 : 0);
    int fd = beneath_open(u->dir_fd, *parent ? parent : ".", O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        error_set(err, ERROR_USER, errno, "open directory %s", parent);
    return fd;
}

static int write_file(struct unpacking *u, struct tar_reader *r, const struct tar_entry *e,
                      int parent, struct error *err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of(e) };
    mode_t mode = e->mode & MODE_BITS;
    auto_close int fd = openat(parent, path_base(e->path),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", e->path);
    ssize_t n = 0;
    while ((n = tar_reader_content(r, u->buffer, BUFFER, err)) > 0)
        TRY(fd_write_all(fd, u->buffer, (size_t)n, e->path, err));
    if (n < 0)
        return -1;
    if (fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set mode and time of %s", e->path);
    return 0;
}

static int make_link(struct unpacking *u, const struct tar_entry *e, int parent, struct error *err)
{
    auto_close int from = open_parent(u, e->link, err);
    if (from < 0)
        return -1;
    if (linkat(from, path_base(e->link), parent, path_base(e->path), 0) < 0)
        return error_set(err, ERROR_USER, errno, "link %s to %s", e->path, e->link);
    return 0;
}

static int make_directory(struct unpacking *u, const struct tar_entry *e, int parent,
                          struct error *err)
{
    struct stat st;
    const char *name = path_base(e->path);
    bool is_there = fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_there && !S_ISDIR(st.st_mode) && unlinkat(parent, name, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "replace %s", e->path);
    if ((!is_there || !S_ISDIR(st.st_mode)) && mkdirat(parent, name, DIR_MODE_OURS) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "make directory %s", e->path);
    add_late(u, e->path, e->mode, time_of(e));
    return 0;
}

static int make_symlink(const struct tar_entry *e, int parent, struct error *err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of(e) };
    const char *name = path_base(e->path);
    if (symlinkat(e->link, parent, name) < 0 ||
        utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "link %s", e->path);
    return 0;
}

static int make_fifo(const struct tar_entry *e, int parent, struct error *err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of(e) };
    const char *name = path_base(e->path);
    if (mkfifoat(parent, name, 0600) < 0 || fchmodat(parent, name, e->mode & MODE_BITS, 0) < 0 ||
        utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "make fifo %s", e->path);
    return 0;
}

static int unpack_entry(struct unpacking *u, struct tar_reader *r, const struct tar_entry *e,
                        struct error *err)
{
    if (!*e->path)
        return 0;
    auto_close int parent = open_parent(u, e->path, err);
    if (parent < 0)
        return -1;
    if (e->type == TAR_DIR)
        return make_directory(u, e, parent, err);
    TRY(dir_remove(parent, path_base(e->path), err));
    switch (e->type) {
    case TAR_FILE: return write_file(u, r, e, parent, err);
    case TAR_SYMLINK: return make_symlink(e, parent, err);
    case TAR_HARDLINK: return make_link(u, e, parent, err);
    case TAR_FIFO: return make_fifo(e, parent, err);
    case TAR_CHAR:
    case TAR_BLOCK:
    case TAR_DIR: break;
    }
    return error_set(err, ERROR_USER, 0, "%s is a device, which a context cannot hold", e->path);
}

static int finish_dirs(const struct unpacking *u, struct error *err)
{
    for (size_t i = u->dir_count; i > 0; i--) {
        const struct late_dir *d = &u->dirs[i - 1];
        struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, d->mtime };
        auto_close int fd = beneath_open(u->dir_fd, d->path, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0) /* a later entry has replaced it */
            continue;
        if (fchmod(fd, d->mode) < 0 || futimens(fd, times) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "set mode and time of %s", d->path);
    }
    return 0;
}

int unpack_archive(struct reader *in, const char *name, int dir_fd, struct error *err)
{
    auto_(unpacking) struct unpacking u = { .dir_fd = dir_fd, .buffer = xmalloc(BUFFER) };
    auto_(decompressor) struct decompressor *plain = decompressor_open_any(in, name);
    auto_(tar_reader) struct tar_reader *r = NULL;
    const struct tar_entry *e = NULL;
    TRY(tar_reader_open(decompressor_base(plain), name, &r, err));
    do {
        TRY(tar_reader_next(r, &e, err));
        if (e && unpack_entry(&u, r, e, err) < 0)
            return error_wrap(err, "%s", name);
    } while (e);
    return finish_dirs(&u, err);
}
