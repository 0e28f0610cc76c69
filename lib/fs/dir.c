/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

int dir_list(int fd, const char *path, struct strvec *out, struct error *err)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        error_set(err, ERROR_SYSTEM, errno, "list %s", path);
        if (copy >= 0)
            close(copy);
        return -1;
    }
    errno = 0;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            strvec_push(out, e->d_name);
    }
    int failed = errno;
    closedir(dir);
    if (failed)
        return error_set(err, ERROR_SYSTEM, failed, "list %s", path);
    strvec_sort(out);
    return 0;
}

static int remove_children(int fd, const char *name, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(fd, name, &names, err));
    for (size_t i = 0; i < names.count; i++)
        TRY(dir_remove(fd, names.items[i], err));
    return 0;
}

int dir_remove(int dir_fd, const char *name, struct error *err)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    auto_close int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) {
        /* A directory of ours without permissions, as overlayfs's work/work. */
        (void)!fchmodat(dir_fd, name, 0700, 0);
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    TRY(remove_children(fd, name, err));
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    return 0;
}
