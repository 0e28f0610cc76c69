/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/store.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"

#define STORE_VERSION "1\n"

enum { MARK_MAX = 32 };
#define SYNC_PERIOD_NS (UINT64_C(600) * 1000000000)

static const char oci_layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
static const char empty_index[] = "{\"schemaVersion\":2,\"manifests\":[]}";

int store_default_path(char **out, struct error *err)
{
    const char *chosen = getenv("MLBUILD_STORE");
    if (chosen && *chosen) {
        *out = xstrdup(chosen);
        return 0;
    }
    const char *data = getenv("XDG_DATA_HOME");
    if (data && data[0] == '/') {
        *out = path_join(data, "mlbuild");
        return 0;
    }
    const char *home = getenv("HOME");
    if (home && home[0] == '/') {
        *out = path_join(home, ".local/share/mlbuild");
        return 0;
    }
    error_set(err, ERROR_USER, 0, "no place for the store: HOME is not set");
    return error_hint(err, "set MLBUILD_STORE to a directory of your own");
}

/* Tests cannot wait for an hour. */
static int64_t use_period(void)
{
    uint64_t period_s = USE_PERIOD_S;
    const char *forced = getenv("MLBUILD_TEST_USE_PERIOD");
    if (forced)
        (void)str_to_u64(str_of(forced), 10, USE_PERIOD_S, &period_s);
    return (int64_t)period_s;
}

static int check_owner(const struct store *store, struct error *err)
{
    struct stat st;
    if (fstat(store->fd, &st) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "stat %s", store->path);
    if (st.st_uid != geteuid())
        return error_set(err, ERROR_USER, 0, "the store %s belongs to user %u, not to you (%u)",
                         store->path, st.st_uid, geteuid());
    if (st.st_mode & 0077) {
        error_set(err, ERROR_USER, 0, "the store %s is open to other users (mode %04o)",
                  store->path, st.st_mode & 07777);
        return error_hint(err, "chmod 700 %s", store->path);
    }
    return 0;
}

static int open_folder(const struct store *store, const char *name, int *out_fd, struct error *err)
{
    if (mkdirat(store->fd, name, 0700) < 0 && errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, errno, "create %s/%s", store->path, name);
    *out_fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s/%s", store->path, name);
    return 0;
}

static int check_version(const struct store *store, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    if (fd_read_file(store->fd, "version", 64, &text, err) == 0) {
        if (strcmp(text.buf, STORE_VERSION) == 0)
            return 0;
        error_set(err, ERROR_USER, 0, "the store %s was written by another version of mlbuild",
                  store->path);
        return error_hint(err, "use that version, or another store through MLBUILD_STORE");
    }
    if (err->kind != ERROR_NOT_FOUND)
        return -1;
    error_clear(err);
    TRY(atomic_file_write(store->fd, "oci-layout", oci_layout, sizeof oci_layout - 1, 0644, err));
    if (faccessat(store->fd, "index.json", F_OK, 0) < 0)
        TRY(atomic_file_write(store->fd, "index.json", empty_index, sizeof empty_index - 1, 0644,
                              err));
    return atomic_file_write(store->fd, "version", STORE_VERSION, strlen(STORE_VERSION), 0644, err);
}

static int read_boot_id(struct store *store, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    TRY(fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256, &text, err));
    snprintf(store->boot_id, sizeof store->boot_id, "%.36s", text.buf);
    return 0;
}

/* ext4 makes a file near its directory, and searches long where many files were deleted within the
 * last minutes, as after a build or prune: 0.7 ms instead of 0.02. Below a directory with this mark
 * each lease gets a part of the disk of its own. Elsewhere the mark means nothing. */
static void spread_over_disk(int dir_fd)
{
    int flags = 0;
    if (ioctl(dir_fd, FS_IOC_GETFLAGS, &flags) < 0 || flags & FS_TOPDIR_FL)
        return;
    flags |= FS_TOPDIR_FL;
    (void)!ioctl(dir_fd, FS_IOC_SETFLAGS, &flags);
}

static int open_folders(struct store *store, struct error *err)
{
    const struct {
        const char *name;
        int *fd;
    } folders[] = { { "layers", &store->layers_fd },
                    { "images", &store->images_fd },
                    { "cache", &store->cache_fd },
                    { "tmp", &store->tmp_fd },
                    { "trash", &store->trash_fd } };
    static const char *const plain[] = { "blobs",  "leases",  "durable", "contexts",
                                         "mounts", "indexes", "blocks" };
    for (size_t i = 0; i < COUNT(folders); i++)
        TRY(open_folder(store, folders[i].name, folders[i].fd, err));
    spread_over_disk(store->tmp_fd);
    for (size_t i = 0; i < COUNT(plain); i++) {
        auto_close int fd = -1;
        TRY(open_folder(store, plain[i], &fd, err));
    }
    return open_folder(store, "blobs/sha256", &store->blobs_fd, err);
}

int store_open(struct store *store, const char *path, struct error *err)
{
    *store = (struct store){ .fd = -1,
                             .blobs_fd = -1,
                             .layers_fd = -1,
                             .images_fd = -1,
                             .cache_fd = -1,
                             .tmp_fd = -1,
                             .trash_fd = -1,
                             .lease_fd = -1,
                             .scratch_fd = -1,
                             .use_period_s = use_period() };
    auto_free char *cwd = getcwd(NULL, 0);
    store->path = path_absolute(cwd ? cwd : "/", path);
    if (dir_make_all(store->path, 0700, err) < 0)
        return error_wrap(err, "the store %s", store->path);
    store->fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open the store %s", store->path);
    TRY(check_owner(store, err));
    TRY(open_folders(store, err));
    TRY(check_version(store, err));
    return read_boot_id(store, err);
}

/* What the builder left there with ids of its own stays for the janitor. */
static void end_lease(const struct store *store)
{
    char path[LEASE_SIZE + 8];
    auto_(error) struct error ignored = { 0 };
    snprintf(path, sizeof path, "leases/%s", store->lease);
    if (dir_remove(store->tmp_fd, store->lease, &ignored) == 0)
        unlinkat(store->fd, path, 0);
}

void store_close(struct store *store)
{
    int *all[] = { &store->fd,        &store->blobs_fd, &store->layers_fd,
                   &store->images_fd, &store->cache_fd, &store->tmp_fd,
                   &store->trash_fd,  &store->lease_fd, &store->scratch_fd };
    if (!store->path)
        return;
    if (store->lease_fd >= 0)
        end_lease(store);
    for (size_t i = 0; i < COUNT(all); i++) {
        if (*all[i] >= 0)
            close(take_fd(all[i]));
    }
    free(take_ptr(store->path));
}

void store_random_id(char id[static LEASE_SIZE])
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    snprintf(id, LEASE_SIZE, "%016lx%016lx", random[0], random[1]);
}

int store_lock_gc(const struct store *store, int how, int *out_fd, struct error *err)
{
    int rc = -1;
    auto_close int fd = openat(store->fd, "gc.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    do {
        rc = fd < 0 ? -1 : flock(fd, how);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return error_set(err, ERROR_SYSTEM, errno, "lock %s", store->path);
    *out_fd = take_fd(&fd);
    return 0;
}

/* A janitor may bury a lease between its creation and its lock: then there is another. */
static int take_lease(struct store *store, struct error *err)
{
    struct stat st = { 0 };
    while (st.st_nlink == 0) {
        char path[LEASE_SIZE + 8];
        if (store->lease_fd >= 0)
            close(take_fd(&store->lease_fd));
        store_random_id(store->lease);
        snprintf(path, sizeof path, "leases/%s", store->lease);
        store->lease_fd = openat(store->fd, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (store->lease_fd < 0 || flock(store->lease_fd, LOCK_EX) < 0 ||
            fstat(store->lease_fd, &st) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "take a lease in %s", store->path);
    }
    store->lease_start_s = st.st_mtim.tv_sec;
    return 0;
}

int store_lease(struct store *store, struct error *err)
{
    if (store->lease_fd >= 0)
        return 0;
    auto_close int lock = -1;
    TRY(store_lock_gc(store, LOCK_SH, &lock, err));
    TRY(take_lease(store, err));
    if (mkdirat(store->tmp_fd, store->lease, 0700) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create tmp/%s in %s", store->lease,
                         store->path);
    store->scratch_fd =
        openat(store->tmp_fd, store->lease, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (store->scratch_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open tmp/%s in %s", store->lease, store->path);
    return 0;
}

static int reopen(int *fd, const char *path, struct error *err)
{
    struct stat before;
    struct stat after;
    auto_close int again = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0 || fstat(*fd, &before) < 0 || fstat(again, &after) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    if (before.st_dev != after.st_dev || before.st_ino != after.st_ino)
        return error_set(err, ERROR_USER, 0, "%s was replaced while a build uses it", path);
    close(*fd);
    *fd = take_fd(&again);
    return 0;
}

int store_reopen(struct store *store, struct error *err)
{
    auto_free char *scratch = xasprintf("tmp/%s", store->lease);
    const struct {
        const char *name;
        int *fd;
    } folders[] = { { ".", &store->fd },
                    { "blobs/sha256", &store->blobs_fd },
                    { "layers", &store->layers_fd },
                    { "images", &store->images_fd },
                    { "cache", &store->cache_fd },
                    { "tmp", &store->tmp_fd },
                    { "trash", &store->trash_fd },
                    { scratch, &store->scratch_fd } };
    for (size_t i = 0; i < COUNT(folders); i++) {
        auto_free char *path = path_join(store->path, folders[i].name);
        TRY(reopen(folders[i].fd, path, err));
    }
    return 0;
}

/* Until when everything that was stamped in that boot is on disk. */
static bool read_mark(const struct store *store, const char *boot_id, uint64_t *out_ns)
{
    char path[BOOT_ID_SIZE + 8];
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error ignored = { 0 };
    if (strlen(boot_id) != BOOT_ID_SIZE - 1 || strchr(boot_id, '/'))
        return false;
    snprintf(path, sizeof path, "durable/%s", boot_id);
    return fd_read_file(store->fd, path, MARK_MAX, &text, &ignored) == 0 &&
           str_to_u64((struct str){ text.buf, text.len }, 10, UINT64_MAX, out_ns);
}

bool store_is_durable(const struct store *store, const char *boot_id, uint64_t at_ns)
{
    uint64_t synced_ns = 0;
    return strcmp(boot_id, store->boot_id) == 0 ||
           (at_ns && read_mark(store, boot_id, &synced_ns) && at_ns <= synced_ns);
}

/* Of several that sync side by side, the last one to begin is believed. */
static int put_mark(const struct store *store, uint64_t began_ns, struct error *err)
{
    uint64_t marked_ns = 0;
    auto_free char *text = xasprintf("%llu", (unsigned long long)began_ns);
    auto_close int dir =
        openat(store->fd, "durable", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || flock(dir, LOCK_EX) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "lock durable in %s", store->path);
    if (read_mark(store, store->boot_id, &marked_ns) && marked_ns >= began_ns)
        return 0;
    auto_(atomic_file) struct atomic_file mark = { .fd = -1 };
    TRY(atomic_file_open(&mark, dir, store->boot_id, 0600, err));
    TRY(fd_write_all(mark.fd, text, strlen(text), "the mark of a sync", err));
    return atomic_file_commit(&mark, true, err);
}

int store_sync(struct store *store, struct error *err)
{
    uint64_t began_ns = clock_monotonic_ns();
    if (store->lease_fd < 0)
        return 0;
    if (syncfs(store->fd) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "write back %s", store->path);
    return put_mark(store, began_ns, err);
}

int store_hint_full(const struct store *store, struct error *err)
{
    if (err->kind != ERROR_NO_SPACE)
        return -1;
    return error_hint(err, "the disk of the store, %s, is full: mlbuild prune frees some of it",
                      store->path);
}

bool store_sync_is_due(const struct store *store)
{
    uint64_t synced_ns = 0;
    return !read_mark(store, store->boot_id, &synced_ns) ||
           clock_monotonic_ns() - synced_ns > SYNC_PERIOD_NS;
}

int store_discard(const struct store *store, int dir_fd, const char *name, struct error *err)
{
    char id[LEASE_SIZE];
    store_random_id(id);
    if (renameat(dir_fd, name, store->trash_fd, id) < 0 && errno != ENOENT)
        return error_set(err, ERROR_SYSTEM, errno, "discard %s", name);
    return 0;
}
