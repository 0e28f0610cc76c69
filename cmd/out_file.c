/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/out_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"

static int open_directory(const char *path, int *out_fd, struct error *err)
{
    const char *slash = strrchr(path, '/');
    auto_free char *dir = slash == path ? xstrdup("/")
                          : slash       ? xstrndup(path, (size_t)(slash - path))
                                        : xstrdup(".");
    *out_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out_fd < 0 ? error_set(err, ERROR_USER, errno, "open the directory %s", dir) : 0;
}

int out_file_open(const char *dest, const struct cancel *cancel, struct out_file **out,
                  struct error *err)
{
    auto_(out_file) struct out_file *f = xcalloc(1, sizeof *f);
    char *target = realpath(dest, NULL);
    struct stat st;
    f->dir_fd = f->file.fd = -1;
    f->name = target ? target : xstrdup(dest);
    if (stat(f->name, &st) == 0 && S_ISDIR(st.st_mode)) {
        error_set(err, ERROR_USER, EISDIR, "write %s", dest);
        return error_hint(err, "give the name of a file in it");
    }
    TRY(open_directory(f->name, &f->dir_fd, err));
    if (strlen(path_base(f->name)) > NAME_MAX)
        return error_set(err, ERROR_USER, ENAMETOOLONG, "write %.40s...", path_base(f->name));
    TRY(atomic_file_open_unnamed(&f->file, f->dir_fd, path_base(f->name), 0666, err));
    out_writer_open(&f->writer, f->file.fd, f->name, NULL, cancel);
    *out = take_ptr(f);
    return 0;
}

struct writer *out_file_base(struct out_file *f)
{
    return &f->writer.base;
}

void out_file_count(struct out_file *f, struct meter *meter)
{
    atomic_store(&f->writer.meter, meter);
}

int out_file_restart(struct out_file *f, struct error *err)
{
    f->writer.len = 0;
    if (ftruncate(f->file.fd, 0) < 0 || lseek(f->file.fd, 0, SEEK_SET) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "write %s anew", f->name);
    return 0;
}

int out_file_commit(struct out_file *f, struct error *err)
{
    TRY(out_writer_flush(&f->writer, err));
    return atomic_file_commit(&f->file, true, err);
}

void out_file_free(struct out_file *f)
{
    if (!f)
        return;
    atomic_file_release(&f->file);
    out_writer_close(&f->writer);
    if (f->dir_fd >= 0)
        close(f->dir_fd);
    free(f->name);
    free(f);
}
