/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/input.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"

int input_open(struct input *in, const char *path, struct error *err)
{
    struct stat st;
    bool is_stdin = strcmp(path, "-") == 0;
    auto_close int fd =
        is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(err, ERROR_USER, errno, "open %s", is_stdin ? "standard input" : path);
    if (S_ISDIR(st.st_mode)) {
        error_set(err, ERROR_USER, 0, "%s is a directory", path);
        return error_hint(err, "pack it first: tar -C %s -cf FILE .", path);
    }
    if (isatty(fd)) {
        error_set(err, ERROR_USAGE, 0, "no archive: standard input is a terminal");
        return error_hint(err, "give a file, or redirect one");
    }
    in->fd = take_fd(&fd);
    return 0;
}

static ssize_t input_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    const struct input *in = (const struct input *)base;
    return fd_read_some(in->fd, buf, cap, in->name, in->cancel, err);
}

struct reader *input_start(struct input *in, const char *name, struct session *s, unsigned vertex)
{
    struct stat st;
    bool is_file = fstat(in->fd, &st) == 0 && S_ISREG(st.st_mode);
    in->base.read = input_read;
    in->name = name;
    in->cancel = &s->cancel;
    meter_start(&in->meter, s->progress, vertex, "reading", is_file ? (uint64_t)st.st_size : 0);
    in->reader = metered_reader_init(&in->base, &in->meter);
    return &in->reader.base;
}

void input_close(struct input *in)
{
    if (in->fd >= 0)
        close(take_fd(&in->fd));
}
