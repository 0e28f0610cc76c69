/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/shared_dir.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"

void shared_dir_drop(struct shared_dir *dir)
{
    if (!dir || atomic_fetch_sub(&dir->users, 1) > 1)
        return;
    close(dir->fd);
    free(dir->path);
    free(dir);
}

int shared_dir_of(const struct walk_item *item, struct shared_dir **last, struct shared_dir **out,
                  struct error *err)
{
    size_t len = path_dir_len(item->path);
    struct shared_dir *dir = *last;
    if (!dir || strlen(dir->path) != len || memcmp(dir->path, item->path, len) != 0) {
        int fd = fcntl(item->dir_fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return error_set(err, ERROR_SYSTEM, errno, "open the directory of %s", item->path);
        shared_dir_drop(*last);
        *last = dir = xmalloc(sizeof *dir);
        *dir = (struct shared_dir){ .fd = fd, .path = xstrndup(item->path, len) };
        atomic_init(&dir->users, 1);
    }
    atomic_fetch_add(&dir->users, 1);
    *out = dir;
    return 0;
}
