/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/shared_dir.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/resolve.h"

void shared_dir_drop(struct shared_dir *dir)
{
    if (!dir || atomic_fetch_sub(&dir->users, 1) > 1)
        return;
    close(dir->fd);
    free(dir->path);
    free(dir);
}

/* The directory of `path`, if it is that of the item before. */
static bool reuse(struct shared_dir *last, const char *path, struct shared_dir **out)
{
    size_t len = path_dir_len(path);
    bool is_it = last && strlen(last->path) == len && memcmp(last->path, path, len) == 0;

    if (is_it) {
        atomic_fetch_add(&last->users, 1);
        *out = last;
    }
    return is_it;
}

/* One for the caller, one kept for the next item. */
static int begin(int fd, const char *path, struct shared_dir **last, struct shared_dir **out,
                 struct error *err)
{
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open the directory of %s", path);
    struct shared_dir *dir = xmalloc(sizeof *dir);
    *dir = (struct shared_dir){ .fd = fd, .path = xstrndup(path, path_dir_len(path)) };
    atomic_init(&dir->users, 2);
    shared_dir_drop(*last);
    *last = *out = dir;
    return 0;
}

int shared_dir_of(const struct walk_item *item, struct shared_dir **last, struct shared_dir **out,
                  struct error *err)
{
    return reuse(*last, item->path, out)
               ? 0
               : begin(fcntl(item->dir_fd, F_DUPFD_CLOEXEC, 0), item->path, last, out, err);
}

int shared_dir_below(int root_fd, const char *path, struct shared_dir **last,
                     struct shared_dir **out, struct error *err)
{
    if (reuse(*last, path, out))
        return 0;
    auto_free char *parent = xstrndup(path, path_dir_len(path));
    return begin(beneath_open(root_fd, parent, O_RDONLY | O_DIRECTORY, 0), path, last, out, err);
}
