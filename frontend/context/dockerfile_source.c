/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/context/dockerfile_source.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/resolve.h"

#define DEFAULT_NAME "Dockerfile"

static const char *const fallbacks[] = { "dockerfile", "Containerfile" };

static int open_dir(const char *path, int *out_fd, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERROR_USER, 0, "directory %s not found", path);
    if (fd < 0 && errno == ENOTDIR)
        return error_set(err, ERROR_USER, 0, "%s is not a directory", path);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open directory %s", path);
    *out_fd = fd;
    return 0;
}

/* 1: read; 0: not there. */
static int try_read(struct dockerfile_source *s, const char *name, struct error *err)
{
    auto_(error) struct error failed = { 0 };
    if (fd_read_file(s->dir_fd, name, DOCKERFILE_MAX, &s->text, &failed) < 0) {
        if (failed.kind == ERROR_NOT_FOUND)
            return 0;
        error_move(err, &failed);
        return -1;
    }
    s->name = xstrdup(name);
    return 1;
}

/* A Containerfile is not taken unasked, as docker does not, but people should hear of it. */
static void hint_present(const struct dockerfile_source *s, const char *dir, struct error *err)
{
    for (size_t i = 0; i < COUNT(fallbacks); i++)
        if (faccessat(s->dir_fd, fallbacks[i], F_OK, 0) == 0)
            error_hint(err, "there is a %s: use -f %s/%s", fallbacks[i], dir, fallbacks[i]);
    error_hint(err, "name another file with -f FILE");
}

static int read_in(struct dockerfile_source *s, const char *dir, const char *name,
                   struct error *err)
{
    TRY(open_dir(dir, &s->dir_fd, err));
    int found = try_read(s, name, err);
    if (found == 0 && strcmp(name, DEFAULT_NAME) == 0)
        found = try_read(s, fallbacks[0], err);
    if (found == 0) {
        error_set(err, ERROR_USER, 0, "there is no %s in %s", name, dir);
        hint_present(s, dir, err);
    }
    return found > 0 ? 0 : -1;
}

static int read_stdin(struct dockerfile_source *s, struct error *err)
{
    s->name = xstrdup("-");
    return fd_read_all(STDIN_FILENO, DOCKERFILE_MAX, "the Dockerfile from standard input", &s->text,
                       err);
}

static int read_file(struct dockerfile_source *s, const char *context_dir, const char *file,
                     struct error *err)
{
    if (!file)
        return read_in(s, context_dir, DEFAULT_NAME, err);
    if (strcmp(file, "-") == 0)
        return read_stdin(s, err);
    auto_free char *clean = path_clean(file);
    const char *name = path_base(clean);
    auto_free char *dir = xstrndup(clean, (size_t)(name - clean));
    return read_in(s, *dir ? dir : ".", name, err);
}

int dockerfile_source_read(const char *context_dir, const char *file, struct dockerfile_source *out,
                           struct error *err)
{
    struct dockerfile_source source = { .dir_fd = -1, .text = STRBUF_INIT };
    if (read_file(&source, context_dir, file, err) < 0) {
        dockerfile_source_release(&source);
        return -1;
    }
    *out = source;
    return 0;
}

static int read_resolved(int context_fd, const char *file, struct dockerfile_source *s,
                         struct error *err)
{
    auto_(resolved) struct resolved r = { 0 };
    TRY(root_resolve(context_fd, file, true, &r, err));
    return r.exists ? fd_read_file(context_fd, r.path, DOCKERFILE_MAX, &s->text, err)
                    : error_set(err, ERROR_USER, 0, "there is no %s in the context", file);
}

int dockerfile_source_read_inside(int context_fd, const char *file, struct dockerfile_source *out,
                                  struct error *err)
{
    struct dockerfile_source source = { .dir_fd = -1, .text = STRBUF_INIT };
    source.name = xstrdup(file ? file : DEFAULT_NAME);
    if (read_resolved(context_fd, source.name, &source, err) < 0) {
        dockerfile_source_release(&source);
        return -1;
    }
    *out = source;
    return 0;
}

void dockerfile_source_take(const char *name, struct strbuf *text, struct dockerfile_source *out)
{
    *out = (struct dockerfile_source){ .name = xstrdup(name), .dir_fd = -1, .text = *text };
    *text = (struct strbuf)STRBUF_INIT;
}

void dockerfile_source_release(struct dockerfile_source *s)
{
    if (!s->text.buf)
        return;
    free(s->name);
    strbuf_release(&s->text);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    *s = (struct dockerfile_source){ .dir_fd = -1 };
}
