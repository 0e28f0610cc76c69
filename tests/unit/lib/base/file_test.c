/* SPDX-License-Identifier: Apache-2.0 */
/* fd and atomic_file. */
#include "lib/base/atomic_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/base/fd.h"
#include "lib/base/strvec.h"
#include "lib/fs/dir.h"
#include "tests/support/test.h"

static void reads_files(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    test_write_file(dir->fd, "file", "hello");
    assert_int_equal(mkfifoat(dir->fd, "fifo", 0600), 0);
    strbuf_addstr(&out, "> ");
    assert_ok(fd_read_file(dir->fd, "file", 5, &out, &err), &err);
    assert_string_equal(out.buf, "> hello");
    assert_error(fd_read_file(dir->fd, "file", 4, &out, &err), &err, ERROR_USER,
                 "larger than 4 bytes");
    assert_error(fd_read_file(dir->fd, "none", 4, &out, &err), &err, ERROR_NOT_FOUND, "open none");
    assert_error(fd_read_file(dir->fd, "file/x", 4, &out, &err), &err, ERROR_NOT_FOUND, "file/x");
    assert_error(fd_read_file(dir->fd, "fifo", 4, &out, &err), &err, ERROR_USER, "not a regular");
    assert_error(fd_read_file(dir->fd, ".", 4, &out, &err), &err, ERROR_USER, "not a regular");
}

static void reads_large_files_whole(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    auto_(strbuf) struct strbuf in = STRBUF_INIT;
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    for (unsigned i = 0; i < 60000; i++)
        strbuf_addf(&in, "%u\n", i);
    test_write_file(dir->fd, "large", in.buf);
    assert_ok(fd_read_file(dir->fd, "large", in.len, &out, &err), &err);
    assert_int_equal(out.len, in.len);
    assert_memory_equal(out.buf, in.buf, in.len);
}

static void copies_between_all_kinds(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    int ends[2];
    test_write_file(dir->fd, "source", "0123456789");
    auto_close int in = openat(dir->fd, "source", O_RDONLY | O_CLOEXEC);
    auto_close int out = openat(dir->fd, "copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_ok(fd_copy(in, out, 4, "source", NULL, &err), &err);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_ok(fd_copy(in, ends[1], 4, "source", NULL, &err), &err);
    assert_ok(fd_copy(ends[0], out, 4, "pipe", NULL, &err), &err);
    assert_error(fd_copy(in, out, 3, "source", NULL, &err), &err, ERROR_CORRUPT,
                 "source ended early");
    auto_free char *copy = test_read_file(dir->fd, "copy");
    assert_string_equal(copy, "0123456789");
    /* What says that it is empty and is not. */
    auto_close int proc = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    assert_ok(fd_copy(proc, out, 5, "status", NULL, &err), &err);
    close(ends[0]);
    close(ends[1]);
}

/* The names in the directory that start as temporary files do. */
static size_t temporaries(int dir_fd)
{
    struct error err = { 0 };
    size_t found = 0;
    auto_(strvec) struct strvec names = { 0 };
    assert_ok(dir_list(dir_fd, ".", &names, &err), &err);
    for (size_t i = 0; i < names.count; i++)
        found += strncmp(names.items[i], ATOMIC_FILE_PREFIX, strlen(ATOMIC_FILE_PREFIX)) == 0;
    return found;
}

static void replaces_whole_files(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    struct stat st;
    assert_ok(atomic_file_write(dir->fd, "name", "old", 3, 0600, &err), &err);
    {
        auto_(atomic_file) struct atomic_file f = { .fd = -1 };
        assert_ok(atomic_file_open(&f, dir->fd, "name", 0600, &err), &err);
        assert_ok(fd_write_all(f.fd, "new", 3, "name", &err), &err);
        auto_free char *before = test_read_file(dir->fd, "name");
        assert_string_equal(before, "old");
        assert_ok(atomic_file_commit(&f, true, &err), &err);
    }
    auto_free char *after = test_read_file(dir->fd, "name");
    assert_string_equal(after, "new");
    assert_int_equal(fstatat(dir->fd, "name", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(temporaries(dir->fd), 0);
}

static void nobody_sees_an_unnamed_file(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    struct stat st;
    for (int is_committed = 0; is_committed < 2; is_committed++) {
        test_write_file(dir->fd, "unseen", "old");
        {
            auto_(atomic_file) struct atomic_file f = { .fd = -1 };
            assert_ok(atomic_file_open_unnamed(&f, dir->fd, "unseen", 0640, &err), &err);
            assert_true(f.is_unnamed);
            assert_ok(fd_write_all(f.fd, "new", 3, "unseen", &err), &err);
            assert_int_equal(temporaries(dir->fd), 0);
            if (is_committed)
                assert_ok(atomic_file_commit(&f, true, &err), &err);
        }
        auto_free char *text = test_read_file(dir->fd, "unseen");
        assert_string_equal(text, is_committed ? "new" : "old");
        assert_int_equal(temporaries(dir->fd), 0);
    }
    assert_int_equal(fstatat(dir->fd, "unseen", &st, 0), 0);
    assert_int_equal(st.st_nlink, 1);
    auto_(atomic_file) struct atomic_file f = { .fd = -1 };
    assert_int_equal(mkdirat(dir->fd, "a directory", 0700), 0);
    assert_ok(atomic_file_open_unnamed(&f, dir->fd, "a directory", 0600, &err), &err);
    assert_int_equal(atomic_file_commit(&f, true, &err), -1);
    assert_int_equal(temporaries(dir->fd), 0);
    error_clear(&err);
}

static void failure_leaves_the_old_content(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    test_write_file(dir->fd, "kept", "old");
    {
        auto_(atomic_file) struct atomic_file f = { .fd = -1 };
        assert_ok(atomic_file_open(&f, dir->fd, "kept", 0600, &err), &err);
        assert_ok(fd_write_all(f.fd, "half", 4, "kept", &err), &err);
        assert_int_equal(temporaries(dir->fd), 1);
    }
    assert_int_equal(temporaries(dir->fd), 0);
    assert_int_equal(mkdirat(dir->fd, "directory", 0700), 0);
    assert_error(atomic_file_write(dir->fd, "directory", "x", 1, 0600, &err), &err, ERROR_SYSTEM,
                 "rename directory");
    assert_error(atomic_file_write(dir->fd, "none/x", "x", 1, 0600, &err), &err, ERROR_SYSTEM,
                 "none/x");
    assert_int_equal(temporaries(dir->fd), 0);
    auto_free char *text = test_read_file(dir->fd, "kept");
    assert_string_equal(text, "old");
}

/* Run by a child: a write that the file size limit cuts off. */
static int write_beyond_the_limit(int dir_fd)
{
    static const char data[8192];
    struct error err = { 0 };
    struct rlimit limit = { 4096, 4096 };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    int rc = atomic_file_write(dir_fd, "limited", data, sizeof data, 0600, &err);
    bool told = err.kind == ERROR_SYSTEM && err.sys == EFBIG;
    error_clear(&err);
    return rc < 0 && told ? 0 : 1;
}

static void a_full_disk_leaves_the_old_content(void **state)
{
    const struct test_dir *dir = *state;
    int status = 0;
    test_write_file(dir->fd, "limited", "old");
    pid_t pid = fork();
    if (pid == 0)
        _exit(write_beyond_the_limit(dir->fd));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    auto_free char *text = test_read_file(dir->fd, "limited");
    assert_string_equal(text, "old");
    assert_int_equal(temporaries(dir->fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_files),
        cmocka_unit_test(reads_large_files_whole),
        cmocka_unit_test(copies_between_all_kinds),
        cmocka_unit_test(replaces_whole_files),
        cmocka_unit_test(nobody_sees_an_unnamed_file),
        cmocka_unit_test(failure_leaves_the_old_content),
        cmocka_unit_test(a_full_disk_leaves_the_old_content),
    };
    return cmocka_run_group_tests_name("file", tests, test_dir_setup, test_dir_teardown);
}
