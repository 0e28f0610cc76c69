/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/blob.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/use.h"

/* The disk begins with a large blob while the rest of it is made: what ends a build has less to
 * wait for. */
enum { PIECE = 128 * 1024, WRITEBACK = 16 * 1024 * 1024 };

int blob_open(const struct store *store, const struct digest *digest, int *out_fd,
              uint64_t *out_size, struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    struct stat st;
    digest_hex(digest, hex);
    auto_close int fd = openat(store->blobs_fd, hex, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, errno,
                         "open blob sha256:%s", hex);
    if (fstat(fd, &st) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "stat blob sha256:%s", hex);
    if (!store_use(store, store->blobs_fd, hex, &st))
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "open blob sha256:%s", hex);
    if (out_size)
        *out_size = (uint64_t)st.st_size;
    *out_fd = take_fd(&fd);
    return 0;
}

bool blob_exists(const struct store *store, const struct digest *digest, uint64_t size)
{
    char hex[DIGEST_HEX_SIZE];
    struct stat st;
    digest_hex(digest, hex);
    return fstatat(store->blobs_fd, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (size == 0 || (uint64_t)st.st_size == size) &&
           store_use(store, store->blobs_fd, hex, &st);
}

int blob_read(const struct store *store, const struct digest *digest, size_t limit,
              struct strbuf *out, struct error *err)
{
    char text[DIGEST_TEXT_SIZE];
    struct digest actual;
    size_t start = out->len;
    auto_close int fd = -1;
    digest_print(digest, text);
    TRY(blob_open(store, digest, &fd, NULL, err));
    TRY(fd_read_all(fd, limit, text, out, err));
    digest_of(out->buf + start, out->len - start, &actual);
    if (!digest_equal(&actual, digest)) {
        error_set(err, ERROR_CORRUPT, 0, "blob %s in the store is damaged", text);
        return error_hint(err, "remove %s/blobs/sha256/%s and build again", store->path, text + 7);
    }
    return 0;
}

int blob_put(const struct store *store, const void *data, size_t len, struct digest *out_digest,
             struct error *err)
{
    auto_(blob_writer) struct blob_writer w = { .fd = -1 };
    TRY(blob_writer_open(store, &w, err));
    TRY(writer_write(&w.base, data, len, err));
    return blob_writer_commit(&w, NULL, out_digest, err);
}

static bool is_file_of(int dir_fd, const char *name, uint64_t size)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == size;
}

int blob_copy_out(const struct store *store, const struct digest *digest, uint64_t size, int dir_fd,
                  mode_t mode, const struct cancel *cancel, struct atomic_file *out,
                  struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    auto_close int from = -1;
    digest_hex(digest, hex);
    TRY(cancel_check(cancel, err));
    if (size && is_file_of(dir_fd, hex, size))
        return 0;
    TRY(blob_open(store, digest, &from, &size, err));
    if (is_file_of(dir_fd, hex, size))
        return 0;
    TRY(atomic_file_open(out, dir_fd, hex, mode, err));
    return fd_copy(from, out->fd, size, hex, cancel, err);
}

static int blob_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct blob_writer *w = (struct blob_writer *)base;
    /* Piece by piece: what was written is hashed while the cache still has it. */
    for (size_t done = 0; done < len;) {
        size_t n = len - done < PIECE ? len - done : PIECE;
        const char *piece = (const char *)data + done;
        if (fd_write_all(w->fd, piece, n, "a blob", err) < 0)
            return store_hint_full(w->store, err);
        hasher_add(w->hasher, piece, n);
        w->size += n;
        done += n;
        if (w->size % WRITEBACK < n && w->size >= WRITEBACK)
            (void)!sync_file_range(w->fd, (off_t)(w->size - WRITEBACK), WRITEBACK,
                                   SYNC_FILE_RANGE_WRITE);
    }
    return 0;
}

int blob_writer_open(const struct store *store, struct blob_writer *w, struct error *err)
{
    int fd = openat(store->blobs_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0444);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create a blob in %s", store->path);
    *w = (struct blob_writer){
        .base = { blob_write }, .store = store, .hasher = hasher_new(), .fd = fd
    };
    return 0;
}

int blob_writer_restart(struct blob_writer *w, struct error *err)
{
    struct digest ignored;
    hasher_finish(w->hasher, &ignored);
    w->size = 0;
    if (ftruncate(w->fd, 0) < 0 || lseek(w->fd, 0, SEEK_SET) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "restart a blob");
    return 0;
}

static int give_name(const struct blob_writer *w, const struct digest *digest, struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    char from[32];
    struct stat st;
    digest_hex(digest, hex);
    snprintf(from, sizeof from, "/proc/self/fd/%d", w->fd);
    /* Again: a file of another size was torn by a power cut, an old one may just be swept. */
    for (int tries = 0; tries < 3; tries++) {
        if (linkat(AT_FDCWD, from, w->store->blobs_fd, hex, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        if (errno != EEXIST)
            break;
        if (fstatat(w->store->blobs_fd, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            (uint64_t)st.st_size == w->size) {
            if (store_use(w->store, w->store->blobs_fd, hex, &st))
                return 0;
            continue;
        }
        (void)!unlinkat(w->store->blobs_fd, hex, 0);
    }
    return error_set(err, ERROR_SYSTEM, errno, "commit blob sha256:%s", hex);
}

int blob_writer_commit(struct blob_writer *w, const struct digest *expected,
                       struct digest *out_digest, struct error *err)
{
    struct digest actual;
    int rc = 0;
    hasher_finish(w->hasher, &actual);
    if (expected && !digest_equal(expected, &actual)) {
        char want[DIGEST_TEXT_SIZE];
        char got[DIGEST_TEXT_SIZE];
        digest_print(expected, want);
        digest_print(&actual, got);
        rc = error_set(err, ERROR_CORRUPT, 0, "content is %s, not %s as promised", got, want);
    } else {
        rc = give_name(w, &actual, err);
    }
    if (rc == 0 && out_digest)
        *out_digest = actual;
    blob_writer_release(w);
    return rc;
}

void blob_writer_release(struct blob_writer *w)
{
    if (w->fd >= 0)
        close(take_fd(&w->fd));
    hasher_free(take_ptr(w->hasher));
}
