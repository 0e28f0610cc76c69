/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/write_out.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cmd/out_file.h"
#include "cmd/pipe_writer.h"
#include "lib/base/fd.h"

static int refuse_terminal(struct error *err)
{
    if (!isatty(STDOUT_FILENO))
        return 0;
    error_set(err, ERROR_USAGE, 0, "an archive does not go to a terminal");
    return error_hint(err, "redirect it, or give a file: dest=FILE");
}

/* To a file, or to `pipe` if that is not NULL. */
static int write_to(struct session *s, int fd, const char *name, struct writer *pipe,
                    const struct out_content *content, struct error *err)
{
    struct out_writer w;
    out_writer_open(&w, fd, name, pipe, &s->cancel);
    atomic_store(&w.meter, content->meter);
    int rc = content->write(content->arg, &w.base, err);
    if (rc == 0)
        rc = out_writer_flush(&w, err);
    out_writer_close(&w);
    return rc;
}

static int write_opened(struct session *s, int fd, const char *name,
                        const struct out_content *content, struct error *err)
{
    struct stat st;
    bool is_pipe = fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
    if (!is_pipe)
        return write_to(s, fd, name, NULL, content, err);
    auto_(pipe_writer) struct pipe_writer pipe = pipe_writer_open(fd, name, &s->cancel, NULL);
    return write_to(s, fd, name, &pipe.base, content, err);
}

static int write_new_file(struct session *s, const char *dest, const struct out_content *content,
                          struct error *err)
{
    auto_(out_file) struct out_file *f = NULL;
    TRY(out_file_open(dest, &s->cancel, &f, err));
    out_file_count(f, content->meter);
    TRY(content->write(content->arg, out_file_base(f), err));
    return out_file_commit(f, err);
}

bool write_out_is_new_file(const char *dest)
{
    struct stat st;
    return strcmp(dest, "-") != 0 &&
           (stat(dest, &st) < 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

int write_out(struct session *s, const char *dest, const struct out_content *content,
              struct error *err)
{
    if (write_out_is_new_file(dest))
        return write_new_file(s, dest, content, err);
    if (strcmp(dest, "-") == 0) {
        TRY(refuse_terminal(err));
        return write_opened(s, STDOUT_FILENO, "standard output", content, err);
    }
    auto_close int fd = open(dest, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_USER, errno, "open %s", dest);
    return write_opened(s, fd, dest, content, err);
}
