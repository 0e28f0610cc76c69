/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/atomic_file.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/random.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

static int open_temporary(struct atomic_file *f, int flags, mode_t mode, struct error *err)
{
    const char *path = f->is_unnamed ? "." : f->temporary;
    f->fd = openat(f->dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, mode);
    return f->fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "create %s", f->name) : 0;
}

static int begin(struct atomic_file *f, int dir_fd, const char *name, struct error *err)
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return error_set(err, ERROR_SYSTEM, errno, "getrandom");
    *f = (struct atomic_file){ .dir_fd = dir_fd, .fd = -1, .name = xstrdup(name) };
    snprintf(f->temporary, sizeof f->temporary, ATOMIC_FILE_PREFIX "%016lx%016lx", random[0],
             random[1]);
    return 0;
}

static int create(struct atomic_file *f, mode_t mode, struct error *err)
{
    if (open_temporary(f, O_CREAT | O_EXCL, mode, err) == 0)
        return 0;
    free(take_ptr(f->name));
    return -1;
}

int atomic_file_open(struct atomic_file *f, int dir_fd, const char *name, mode_t mode,
                     struct error *err)
{
    TRY(begin(f, dir_fd, name, err));
    return create(f, mode, err);
}

int atomic_file_open_unnamed(struct atomic_file *f, int dir_fd, const char *name, mode_t mode,
                             struct error *err)
{
    auto_(error) struct error cannot = { 0 };
    TRY(begin(f, dir_fd, name, err));
    f->is_unnamed = true;
    if (open_temporary(f, O_TMPFILE, mode, &cannot) == 0)
        return 0;
    f->is_unnamed = false;
    return create(f, mode, err);
}

void atomic_file_call(struct atomic_file *f, const char *name)
{
    free(f->name);
    f->name = xstrdup(name);
}

static int link_unnamed(const struct atomic_file *f, const char *name)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", f->fd);
    return linkat(AT_FDCWD, path, f->dir_fd, name, AT_SYMLINK_FOLLOW);
}

/* What is there already only a rename replaces. */
static int give_first_name(struct atomic_file *f, struct error *err)
{
    bool has_final = link_unnamed(f, f->name) == 0;
    if (!has_final && (errno != EEXIST || link_unnamed(f, f->temporary) < 0))
        return error_set(err, ERROR_SYSTEM, errno, "create %s", f->name);
    f->is_unnamed = false;
    f->has_name = has_final;
    return 0;
}

static int fail(const struct atomic_file *f, const char *what, struct error *err)
{
    error_set(err, ERROR_SYSTEM, errno, "%s %s", what, f->name);
    unlinkat(f->dir_fd, f->has_name ? f->name : f->temporary, 0);
    return -1;
}

int atomic_file_commit(struct atomic_file *f, bool sync, struct error *err)
{
    if (sync && fsync(f->fd) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "fsync %s", f->name);
    bool was_unnamed = f->is_unnamed;
    if (was_unnamed)
        TRY(give_first_name(f, err));
    /* Some file systems (btrfs) write down nothing of a file that has no name. */
    if (was_unnamed && sync && fsync(f->fd) < 0)
        return fail(f, "fsync", err);
    if (close(take_fd(&f->fd)) < 0)
        return fail(f, "close", err);
    if (!f->has_name && renameat(f->dir_fd, f->temporary, f->dir_fd, f->name) < 0)
        return fail(f, "rename", err);
    if (!sync)
        return 0;
    auto_close int dir = openat(f->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fsync(dir) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "fsync the directory of %s", f->name);
    return 0;
}

void atomic_file_release(struct atomic_file *f)
{
    if (!f->name)
        return;
    if (f->fd >= 0) {
        close(take_fd(&f->fd));
        if (!f->is_unnamed)
            unlinkat(f->dir_fd, f->temporary, 0);
    }
    free(take_ptr(f->name));
}

int atomic_file_write(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
                      struct error *err)
{
    auto_(atomic_file) struct atomic_file f = { .fd = -1 };
    TRY(atomic_file_open(&f, dir_fd, name, mode, err));
    TRY(fd_write_all(f.fd, data, len, name, err));
    return atomic_file_commit(&f, false, err);
}
