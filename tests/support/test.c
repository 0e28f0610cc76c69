/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <fcntl.h>
#include <ftw.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

void test_check_error(struct error *err, enum error_kind kind, const char *text, const char *call)
{
    if (!error_is_set(err))
        fail_msg("%s failed without an error", call);
    if (err->kind != kind || !strstr(err->message, text))
        fail_msg("%s: kind %d: %s; expected kind %d: %s", call, (int)err->kind, err->message,
                 (int)kind, text);
    error_clear(err);
}

char *test_tmpdir(void)
{
    const char *base = getenv("TMPDIR");
    char *path = xasprintf("%s/mlbuild-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        abort();
    return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void test_tmpdir_remove(char *path)
{
    nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
    free(path);
}

int test_dir_setup(void **state)
{
    struct test_dir *dir = xcalloc(1, sizeof *dir);
    dir->path = test_tmpdir();
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = dir;
    return dir->fd < 0 ? -1 : 0;
}

int test_dir_teardown(void **state)
{
    struct test_dir *dir = *state;
    close(dir->fd);
    test_tmpdir_remove(dir->path);
    free(dir);
    return 0;
}

void test_write_file(int dir_fd, const char *path, const char *text)
{
    struct error err = { 0 };
    auto_close int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || fd_write_all(fd, text, strlen(text), path, &err) < 0) {
        fprintf(stderr, "cannot write %s\n", path);
        abort();
    }
}

char *test_read_file(int dir_fd, const char *path)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    if (fd_read_file(dir_fd, path, 1 << 24, &text, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    return strbuf_detach(&text);
}
