/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/stat_index.h"

#include <fcntl.h>
#include <time.h>

#include "lib/base/atomic_file.h"
#include "lib/base/mem.h"
#include "lib/fs/walk.h"

/* A file system with coarse stamps (whole or two seconds) is recognised by its round nanoseconds.
 */
enum { MARGIN_NS = 10 * 1000 * 1000, COARSE_MARGIN_S = 2, PATH_LEN_MAX = 64 * 1024 };

static const char magic[8] = "mlbsti1";

struct row {
    uint64_t dev, ino, size;
    int64_t mtime_s, mtime_ns, ctime_s, ctime_ns;
    struct digest digest;
    uint32_t path_len;
    uint32_t reserved;
};

struct stat_index {
    char *name;
    int dir_fd;
    FILE *old;  /* NULL at its end */
    char *path; /* of the current row of `old`, or NULL */
    struct row row;
    bool changed;
    int old_fd;    /* -1: there is none */
    uint64_t same; /* so many bytes of the first rows of `old` are to stay */
    bool has_begun;
    FILE *out; /* NULL if it cannot be written */
    struct atomic_file file;
    struct timespec start;
};

static void end_old(struct stat_index *x)
{
    free(take_ptr(x->path));
    if (x->old)
        fclose(take_ptr(x->old));
}

static void next_row(struct stat_index *x)
{
    free(take_ptr(x->path));
    if (!x->old)
        return;
    if (fread(&x->row, sizeof x->row, 1, x->old) != 1 || x->row.path_len > PATH_LEN_MAX) {
        end_old(x);
        return;
    }
    x->path = xcalloc(x->row.path_len + 1, 1);
    if (fread(x->path, 1, x->row.path_len, x->old) != x->row.path_len ||
        strlen(x->path) != x->row.path_len)
        end_old(x);
}

struct stat_index *stat_index_open(int dir_fd, const char *name)
{
    struct stat_index *x = xcalloc(1, sizeof *x);
    char head[sizeof magic];
    clock_gettime(CLOCK_REALTIME_COARSE, &x->start);
    x->name = xstrdup(name);
    x->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
    x->file.fd = -1;
    x->old_fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    x->old = x->old_fd < 0 ? NULL : fdopen(fcntl(x->old_fd, F_DUPFD_CLOEXEC, 0), "r");
    if (x->old &&
        (fread(head, sizeof head, 1, x->old) != 1 || memcmp(head, magic, sizeof head) != 0))
        end_old(x);
    next_row(x);
    return x;
}

static struct row row_of(const struct stat *st)
{
    return (struct row){ .dev = st->st_dev,
                         .ino = st->st_ino,
                         .size = (uint64_t)st->st_size,
                         .mtime_s = st->st_mtim.tv_sec,
                         .mtime_ns = st->st_mtim.tv_nsec,
                         .ctime_s = st->st_ctim.tv_sec,
                         .ctime_ns = st->st_ctim.tv_nsec };
}

static bool same_file(const struct row *a, const struct row *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_s == b->mtime_s &&
           a->mtime_ns == b->mtime_ns && a->ctime_s == b->ctime_s && a->ctime_ns == b->ctime_ns;
}

bool stat_index_find(struct stat_index *x, const char *path, const struct stat *st,
                     struct digest *out)
{
    while (x->path && walk_compare(x->path, path) < 0) {
        x->changed = true;
        next_row(x);
    }
    struct row now = row_of(st);
    if (!x->path || strcmp(x->path, path) != 0 || !same_file(&x->row, &now)) {
        x->changed = true;
        return false;
    }
    *out = x->row.digest;
    next_row(x);
    return true;
}

static bool is_settled(const struct timespec *stamp, const struct timespec *start)
{
    /* Any file may claim to be of any year: nanoseconds are counted only where they count. */
    if (stamp->tv_sec > start->tv_sec)
        return false;
    if (stamp->tv_sec < start->tv_sec - COARSE_MARGIN_S - 1)
        return true;
    int64_t age_ns =
        (start->tv_sec - stamp->tv_sec) * 1000000000L + start->tv_nsec - stamp->tv_nsec;
    int64_t margin = stamp->tv_nsec == 0 ? COARSE_MARGIN_S * 1000000000L : MARGIN_NS;
    return age_ns > margin;
}

static bool copy_same(const struct stat_index *x)
{
    char buf[32 * 1024];
    for (uint64_t at = 0; at < x->same;) {
        size_t want = x->same - at < sizeof buf ? (size_t)(x->same - at) : sizeof buf;
        ssize_t n = pread(x->old_fd, buf, want, (off_t)(sizeof magic + at));
        if (n <= 0 || fwrite(buf, (size_t)n, 1, x->out) != 1)
            return false;
        at += (uint64_t)n;
    }
    return true;
}

/* The new index, once it is known to differ. */
static void begin(struct stat_index *x)
{
    auto_(error) struct error ignored = { 0 };
    x->has_begun = true;
    if (atomic_file_open(&x->file, x->dir_fd, x->name, 0600, &ignored) < 0)
        return;
    x->out = fdopen(dup(x->file.fd), "w");
    if (x->out && (fwrite(magic, sizeof magic, 1, x->out) != 1 || !copy_same(x)))
        fclose(take_ptr(x->out));
}

void stat_index_add(struct stat_index *x, const char *path, const struct stat *st,
                    const struct digest *digest)
{
    if (!x->changed) {
        x->same += sizeof(struct row) + strlen(path);
        return;
    }
    if (!x->has_begun)
        begin(x);
    if (!x->out || !is_settled(&st->st_mtim, &x->start) || !is_settled(&st->st_ctim, &x->start))
        return;
    struct row row = row_of(st);
    row.digest = *digest;
    row.path_len = (uint32_t)strlen(path);
    fwrite(&row, sizeof row, 1, x->out);
    fwrite(path, 1, row.path_len, x->out);
}

void stat_index_renew(struct stat_index *x)
{
    x->changed = true;
}

void stat_index_commit(struct stat_index *x)
{
    auto_(error) struct error ignored = { 0 };
    if (x->path)
        x->changed = true;
    if (!x->changed && x->old_fd >= 0)
        (void)!futimens(x->old_fd, NULL);
    if (x->changed && !x->has_begun)
        begin(x);
    if (!x->out)
        return;
    bool written = !ferror(x->out) && fflush(x->out) == 0;
    fclose(take_ptr(x->out));
    if (written)
        (void)!atomic_file_commit(&x->file, false, &ignored);
}

void stat_index_free(struct stat_index *x)
{
    if (!x)
        return;
    end_old(x);
    if (x->out)
        fclose(x->out);
    atomic_file_release(&x->file);
    if (x->old_fd >= 0)
        close(x->old_fd);
    if (x->dir_fd >= 0)
        close(x->dir_fd);
    free(x->name);
    free(x);
}
