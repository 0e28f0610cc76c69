/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/write_out.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cmd/pipe_writer.h"
#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"

enum { BUFFER = 1024 * 1024, COPY_PIECE = 16 * 1024 * 1024 };

static int refuse_terminal(struct error *err)
{
    if (!isatty(STDOUT_FILENO))
        return 0;
    error_set(err, ERROR_USAGE, 0, "an archive does not go to a terminal");
    return error_hint(err, "redirect it, or give a file: dest=FILE");
}

/* Gathers small writes: a tar is headers between contents. */
struct buffered_writer {
    struct writer base;
    struct writer *next;
    int fd; /* of a file, and what it is called: for contents */
    const char *name;
    char *buf;
    size_t len;
    const struct cancel *cancel;
    struct meter *meter;
};

static int buffered_flush(struct buffered_writer *b, struct error *err)
{
    TRY(writer_write(b->next, b->buf, b->len, err));
    b->len = 0;
    return 0;
}

static int buffered_write(struct writer *w, const void *data, size_t len, struct error *err)
{
    struct buffered_writer *b = (struct buffered_writer *)w;
    TRY(cancel_check(b->cancel, err));
    meter_add(b->meter, len);
    if (b->len + len > BUFFER)
        TRY(buffered_flush(b, err));
    if (len >= BUFFER)
        return writer_write(b->next, data, len, err);
    memcpy(b->buf + b->len, data, len);
    b->len += len;
    return 0;
}

/* Large contents go from file to file in the kernel. */
static int buffered_copy(struct writer *w, int fd, uint64_t len, struct error *err)
{
    struct buffered_writer *b = (struct buffered_writer *)w;
    TRY(buffered_flush(b, err));
    while (len) {
        uint64_t n = len < COPY_PIECE ? len : COPY_PIECE;
        TRY(fd_copy(fd, b->fd, n, b->name, b->cancel, err));
        /* The disk begins now with what has to be on it in the end. */
        (void)!sync_file_range(b->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        meter_add(b->meter, n);
        len -= n;
    }
    return 0;
}

static int write_buffered(struct session *s, struct buffered_writer *to,
                          const struct out_content *content, struct error *err)
{
    auto_free char *buf = xmalloc(BUFFER);
    to->buf = buf;
    to->cancel = &s->cancel;
    to->meter = content->meter;
    TRY(content->write(content->arg, &to->base, err));
    return buffered_flush(to, err);
}

static int write_file(struct session *s, int fd, const char *name,
                      const struct out_content *content, struct error *err)
{
    struct fd_writer file = fd_writer_init(fd, name);
    struct buffered_writer buffered = {
        .base = { buffered_write, buffered_copy }, .next = &file.base, .fd = fd, .name = name
    };
    return write_buffered(s, &buffered, content, err);
}

static int write_pipe(struct session *s, int fd, const char *name,
                      const struct out_content *content, struct error *err)
{
    auto_(pipe_writer) struct pipe_writer pipe = pipe_writer_open(fd, name, &s->cancel, NULL);
    struct buffered_writer buffered = { .base = { .write = buffered_write }, .next = &pipe.base };
    return write_buffered(s, &buffered, content, err);
}

static int write_opened(struct session *s, int fd, const char *name,
                        const struct out_content *content, struct error *err)
{
    struct stat st;
    bool is_pipe = fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
    return is_pipe ? write_pipe(s, fd, name, content, err) : write_file(s, fd, name, content, err);
}

/* A file that appears only when it is whole. */
static int write_new_file(struct session *s, const char *dest, const struct out_content *content,
                          struct error *err)
{
    const char *slash = strrchr(dest, '/');
    auto_free char *dir = slash == dest ? xstrdup("/")
                          : slash       ? xstrndup(dest, (size_t)(slash - dest))
                                        : xstrdup(".");
    auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return error_set(err, ERROR_USER, errno, "open the directory %s", dir);
    auto_(atomic_file) struct atomic_file f = { .fd = -1 };
    TRY(atomic_file_open(&f, dir_fd, path_base(dest), 0666, err));
    TRY(write_file(s, f.fd, dest, content, err));
    return atomic_file_commit(&f, true, err);
}

/* A pipe or a device is written to; in no case is it replaced. */
static bool is_special(const char *dest)
{
    struct stat st;
    return stat(dest, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

int write_out(struct session *s, const char *dest, const struct out_content *content,
              struct error *err)
{
    if (strcmp(dest, "-") == 0) {
        TRY(refuse_terminal(err));
        return write_opened(s, STDOUT_FILENO, "standard output", content, err);
    }
    if (is_special(dest)) {
        auto_close int fd = open(dest, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            return error_set(err, ERROR_USER, errno, "open %s", dest);
        return write_opened(s, fd, dest, content, err);
    }
    /* The file that a link leads to is replaced, not the link. */
    auto_free char *target = realpath(dest, NULL);
    return write_new_file(s, target ? target : dest, content, err);
}
