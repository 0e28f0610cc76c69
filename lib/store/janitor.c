/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/janitor.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/atomic_file.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/store/cache_mount.h"

/* A temporary file that is older than any write takes. */
enum { TEMPORARY_AGE_S = 3600 };

static void empty_trash(const struct store *store)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    (void)!dir_list(store->trash_fd, "trash", &names, &ignored);
    for (size_t i = 0; i < names.count; i++) {
        auto_(error) struct error stuck = { 0 };
        (void)!dir_remove(store->trash_fd, names.items[i], &stuck);
    }
}

/* Removes a lease and its scratch space if nobody holds it. */
static void bury_lease(const struct store *store, int leases_fd, const char *name)
{
    auto_(error) struct error ignored = { 0 };
    if (strcmp(name, store->lease) == 0)
        return;
    auto_close int fd = openat(leases_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return;
    if (dir_remove(store->tmp_fd, name, &ignored) == 0)
        unlinkat(leases_fd, name, 0);
}

static void bury_leases(const struct store *store)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    auto_close int fd = openat(store->fd, "leases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || dir_list(fd, "leases", &names, &ignored) < 0)
        return;
    for (size_t i = 0; i < names.count; i++)
        bury_lease(store, fd, names.items[i]);
}

static void remove_temporaries(int dir_fd)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    (void)!dir_list(dir_fd, ".", &names, &ignored);
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        if (str_starts_with(names.items[i], ATOMIC_FILE_PREFIX) &&
            fstatat(dir_fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtim.tv_sec + TEMPORARY_AGE_S < time(NULL))
            unlinkat(dir_fd, names.items[i], 0);
    }
}

void janitor_run(const struct store *store)
{
    cache_mount_sweep(store);
    empty_trash(store);
    bury_leases(store);
    remove_temporaries(store->images_fd);
}
