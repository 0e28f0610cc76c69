/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/atomic_file.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/random.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

int atomic_file_open(struct atomic_file *f, int dir_fd, const char *name, mode_t mode,
                     struct error *err)
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return error_set(err, ERROR_SYSTEM, errno, "getrandom");
    *f = (struct atomic_file){ .dir_fd = dir_fd, .name = xstrdup(name) };
    snprintf(f->temporary, sizeof f->temporary, ATOMIC_FILE_PREFIX "%016lx%016lx", random[0],
             random[1]);
    f->fd =
        openat(dir_fd, f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (f->fd < 0) {
        int saved = errno;
        free(take_ptr(f->name));
        return error_set(err, ERROR_SYSTEM, saved, "create %s", name);
    }
    return 0;
}

void atomic_file_call(struct atomic_file *f, const char *name)
{
    free(f->name);
    f->name = xstrdup(name);
}

int atomic_file_commit(struct atomic_file *f, bool sync, struct error *err)
{
    if (sync && fsync(f->fd) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "fsync %s", f->name);
    if (close(take_fd(&f->fd)) < 0) {
        error_set(err, ERROR_SYSTEM, errno, "close %s", f->name);
        unlinkat(f->dir_fd, f->temporary, 0);
        return -1;
    }
    if (renameat(f->dir_fd, f->temporary, f->dir_fd, f->name) < 0) {
        error_set(err, ERROR_SYSTEM, errno, "rename %s", f->name);
        unlinkat(f->dir_fd, f->temporary, 0);
        return -1;
    }
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
