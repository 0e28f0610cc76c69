/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/use.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "lib/fs/dir.h"

bool store_use(const struct store *store, int dir_fd, const char *name, const struct stat *st)
{
    int64_t now = time(NULL);
    if (now < store->lease_start_s)
        now = store->lease_start_s;
    if (store->lease_fd < 0 || st->st_mtim.tv_sec >= now - store->use_period_s)
        return true;
    auto_(error) struct error ignored = { 0 };
    auto_close int lock = -1;
    struct timespec times[2] = { { .tv_sec = now }, { .tv_sec = now } };
    if (store_lock_gc(store, LOCK_SH, &lock, &ignored) < 0)
        return false;
    return utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* Since when may the lease use things? False: it is dead (and the janitor's), or gone. */
static bool lease_began(const struct store *store, int leases_fd, const char *name, int64_t *out_s)
{
    struct stat st;
    auto_close int fd = openat(leases_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return false;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return false;
    bool is_known = fd >= 0 && fstat(fd, &st) == 0 && st.st_mtim.tv_sec <= time(NULL);
    *out_s = is_known ? st.st_mtim.tv_sec - store->use_period_s : INT64_MIN;
    return true;
}

int sweep_begin(const struct store *store, bool own_counts, struct sweep *out, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(sweep) struct sweep sweep = { .lock_fd = -1 };
    auto_close int leases = openat(store->fd, "leases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (leases < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open leases in %s", store->path);
    TRY(store_lock_gc(store, LOCK_EX, &sweep.lock_fd, err));
    TRY(dir_list(leases, "leases", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        int64_t since = 0;
        if ((!own_counts && strcmp(names.items[i], store->lease) == 0) ||
            !lease_began(store, leases, names.items[i], &since))
            continue;
        if (!sweep.has_others || since < sweep.since_s)
            sweep.since_s = since;
        sweep.has_others = true;
    }
    *out = sweep;
    sweep.lock_fd = -1;
    return 0;
}

bool sweep_spares(const struct sweep *sweep, int64_t used_s)
{
    return sweep->has_others && used_s >= sweep->since_s;
}

void sweep_end(struct sweep *sweep)
{
    if (sweep->lock_fd >= 0)
        close(take_fd(&sweep->lock_fd));
}
