/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/cache_mount.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/tree_usage.h"
#include "lib/store/record.h"

#define REPLACED_PREFIX '~'

enum { NAME_SIZE = DIGEST_HEX_SIZE + 12, PRIVATE_MAX = 1000, TITLE_MAX = 64 * 1024 };

/* How often a lock that somebody else has is tried. */
static const struct timespec retry_after = { .tv_nsec = 50L * 1000 * 1000 };

static int open_folder(const struct store *store, int *out_fd, struct error *err)
{
    *out_fd = openat(store->fd, "mounts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *out_fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "open %s/mounts", store->path) : 0;
}

static int write_info(const struct store *store, int dir, const struct cache_mount_request *r,
                      struct error *err)
{
    auto_(js) js *body = js_new_object();
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    js_set_text(body, "title", r->title);
    record_stamp(store, body);
    js_print(body, 0, &text);
    return atomic_file_write(dir, "mount.json", text.buf, text.len, 0600, err);
}

static int make_data(int dir, const struct cache_mount_request *r, struct error *err)
{
    if (mkdirat(dir, "data", 0700) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create a cache");
    auto_close int data = openat(dir, "data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (data < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open a new cache");
    if (r->fill)
        return r->fill(r->fill_arg, data, err);
    if (fchown(data, r->uid, r->gid) < 0) {
        error_set(err, ERROR_USER, errno, "give the cache %s to %u:%u", r->title, r->uid, r->gid);
        return error_hint(err, "ids that a build can use are those of /etc/subuid and /etc/subgid");
    }
    if (fchmod(data, r->mode & 07777) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set the mode of a new cache");
    return 0;
}

static int fill_scratch(const struct store *store, const char *scratch,
                        const struct cache_mount_request *r, struct error *err)
{
    auto_close int dir =
        openat(store->scratch_fd, scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_close int lock =
        dir < 0 ? -1 : openat(dir, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (lock < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create a cache");
    TRY(make_data(dir, r, err));
    return write_info(store, dir, r, err);
}

/* Made aside and named when it is whole; if another builder was faster, its cache is as good. */
static int create(const struct store *store, int folder, const char *name,
                  const struct cache_mount_request *r, struct error *err)
{
    char scratch[LEASE_SIZE];
    store_random_id(scratch);
    if (mkdirat(store->scratch_fd, scratch, 0700) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create a cache in %s", store->path);
    int rc = fill_scratch(store, scratch, r, err);
    if (rc == 0 && renameat2(store->scratch_fd, scratch, folder, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (rc == 0 && errno != EEXIST)
        rc = error_set(err, ERROR_SYSTEM, errno, "create a cache in %s", store->path);
    auto_(error) struct error ignored = { 0 };
    (void)!store_discard(store, store->scratch_fd, scratch, &ignored);
    return rc;
}

/* Whoever uses it may go on; nobody will find it again. */
static int replace(int folder, const char *name, struct error *err)
{
    char id[LEASE_SIZE];
    char aside[LEASE_SIZE + 1];
    store_random_id(id);
    snprintf(aside, sizeof aside, "%c%s", REPLACED_PREFIX, id);
    if (renameat(folder, name, folder, aside) < 0 && errno != ENOENT)
        return error_set(err, ERROR_SYSTEM, errno, "replace a cache");
    return 0;
}

/* What a power cut may have left half written is not there. */
static bool is_whole(const struct store *store, int dir)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error ignored = { 0 };
    auto_(js) js *body = NULL;
    return fd_read_file(dir, "mount.json", TITLE_MAX, &text, &ignored) == 0 &&
           js_parse(text.buf, text.len, "mount.json", &body, &ignored) == 0 &&
           record_is_durable(store, body) && faccessat(dir, "data", F_OK, 0) == 0;
}

static bool still_leads_to(int folder, const char *name, int dir)
{
    struct stat named;
    struct stat opened;
    return fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(dir, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

enum taken { TAKEN, BUSY, GONE };

/* Takes the lock of `name` without waiting. GONE: there is none, or it was renamed meanwhile. */
static int try_take(const struct store *store, int folder, const char *name, bool whole,
                    struct cache_mount *out, enum taken *how, struct error *err)
{
    *how = GONE;
    auto_close int dir = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT)
        return 0;
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open a cache in %s", store->path);
    auto_close int lock = openat(dir, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0 || !is_whole(store, dir))
        return replace(folder, name, err);
    if (flock(lock, (whole ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
        *how = BUSY;
        return errno == EWOULDBLOCK ? 0 : error_set(err, ERROR_SYSTEM, errno, "lock a cache");
    }
    if (!still_leads_to(folder, name, dir))
        return 0;
    int data = openat(dir, "data", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (data < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open a cache in %s", store->path);
    (void)!futimens(lock, NULL); /* when it was last used */
    *out = (struct cache_mount){ data, take_fd(&lock) };
    *how = TAKEN;
    return 0;
}

/* Until it is taken or busy. */
static int take_or_create(const struct store *store, int folder, const char *name,
                          const struct cache_mount_request *r, struct cache_mount *out,
                          enum taken *how, struct error *err)
{
    bool whole = r->use != CACHE_MOUNT_SHARED;
    for (;;) {
        TRY(try_take(store, folder, name, whole, out, how, err));
        if (*how != GONE)
            return 0;
        TRY(create(store, folder, name, r, err));
    }
}

static void private_name(const char *first, unsigned number, char out[static NAME_SIZE])
{
    if (number)
        snprintf(out, NAME_SIZE, "%.64s.%u", first, number);
    else
        snprintf(out, NAME_SIZE, "%.64s", first);
}

int cache_mount_open(const struct store *store, const struct cache_mount_request *request,
                     const struct cancel *cancel, struct cache_mount *out, struct error *err)
{
    char first[DIGEST_HEX_SIZE];
    char name[NAME_SIZE];
    enum taken how = BUSY;
    bool told = false;
    auto_close int folder = -1;
    TRY(open_folder(store, &folder, err));
    digest_hex(&request->key, first);
    for (unsigned number = 0; number < PRIVATE_MAX;) {
        private_name(first, number, name);
        TRY(take_or_create(store, folder, name, request, out, &how, err));
        if (how == TAKEN)
            return 0;
        if (request->use == CACHE_MOUNT_PRIVATE) {
            number++;
            continue;
        }
        if (request->waiting && !told)
            request->waiting(request->waiting_arg);
        told = true;
        TRY(cancel_check(cancel, err));
        nanosleep(&retry_after, NULL);
    }
    return error_set(err, ERROR_SYSTEM, 0, "the cache %s is in use %d times", request->title,
                     PRIVATE_MAX);
}

int cache_mount_find(const struct store *store, const struct digest *key, struct cache_mount *out,
                     bool *out_found, struct error *err)
{
    char name[DIGEST_HEX_SIZE];
    enum taken how = GONE;
    auto_close int folder = -1;
    TRY(open_folder(store, &folder, err));
    digest_hex(key, name);
    TRY(try_take(store, folder, name, false, out, &how, err));
    *out_found = how == TAKEN;
    return 0;
}

int cache_mount_renew(const struct store *store, const struct digest *key, struct error *err)
{
    char first[DIGEST_HEX_SIZE];
    auto_(strvec) struct strvec names = { 0 };
    auto_close int folder = -1;
    TRY(open_folder(store, &folder, err));
    TRY(dir_list(folder, "mounts", &names, err));
    digest_hex(key, first);
    for (size_t i = 0; i < names.count; i++) {
        if (str_starts_with(names.items[i], first))
            TRY(replace(folder, names.items[i], err));
    }
    return 0;
}

void cache_mount_close(struct cache_mount *m)
{
    if (m->data_fd >= 0)
        close(take_fd(&m->data_fd));
    if (m->lock_fd >= 0)
        close(take_fd(&m->lock_fd));
}

/* False: somebody uses it, or has since `since_s`. */
static bool sweep_one(const struct store *store, int folder, const char *name, int64_t since_s)
{
    struct stat st;
    auto_(error) struct error ignored = { 0 };
    auto_free char *path = xasprintf("%s/lock", name);
    auto_close int lock = openat(folder, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock >= 0 && (flock(lock, LOCK_EX | LOCK_NB) < 0 || fstat(lock, &st) < 0 ||
                      st.st_mtim.tv_sec >= since_s))
        return false;
    return store_discard(store, folder, name, &ignored) == 0;
}

void cache_mount_sweep(const struct store *store)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    auto_close int folder = -1;
    if (open_folder(store, &folder, &ignored) < 0 ||
        dir_list(folder, "mounts", &names, &ignored) < 0)
        return;
    for (size_t i = 0; i < names.count; i++) {
        if (names.items[i][0] == REPLACED_PREFIX)
            (void)sweep_one(store, folder, names.items[i], INT64_MAX);
    }
}

int cache_mount_remove_unused(const struct store *store, int64_t since_s, size_t *out_count,
                              struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_close int folder = -1;
    *out_count = 0;
    TRY(open_folder(store, &folder, err));
    TRY(dir_list(folder, "mounts", &names, err));
    for (size_t i = 0; i < names.count; i++)
        *out_count += sweep_one(store, folder, names.items[i], since_s);
    return 0;
}

static void tell(int folder, const char *name, cache_mount_fn *fn, void *arg)
{
    struct stat st;
    struct tree_usage usage = { 0 };
    auto_(error) struct error ignored = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(js) js *body = NULL;
    auto_close int dir = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || fstatat(dir, "lock", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        fd_read_file(dir, "mount.json", TITLE_MAX, &text, &ignored) < 0 ||
        js_parse(text.buf, text.len, "mount.json", &body, &ignored) < 0)
        return;
    const char *title = js_text(js_member(body, "title"));
    (void)!tree_usage(dir, &usage, &ignored);
    fn(arg, &(struct cache_mount_info){ title ? title : name, st.st_mtim.tv_sec, usage.bytes });
}

int cache_mount_each(const struct store *store, cache_mount_fn *fn, void *arg, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_close int folder = -1;
    TRY(open_folder(store, &folder, err));
    TRY(dir_list(folder, "mounts", &names, err));
    for (size_t i = 0; i < names.count; i++)
        tell(folder, names.items[i], fn, arg);
    return 0;
}
