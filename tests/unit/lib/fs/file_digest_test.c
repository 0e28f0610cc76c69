/* SPDX-License-Identifier: Apache-2.0 */
/* One digest for a file, whoever shares the read and with any number of threads. */
#include "lib/fs/file_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

enum { CHUNK = FILE_DIGEST_CHUNK };

struct bench {
    struct test_dir *dir;
    struct thread_pool *pool;
};

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof *b);
    void *dir = NULL;
    assert_int_equal(test_dir_setup(&dir), 0);
    b->dir = dir;
    b->pool = thread_pool_new(3);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    void *dir = b->dir;
    thread_pool_free(b->pool);
    test_dir_teardown(&dir);
    free(b);
    return 0;
}

/* Who shares the read; fails after `limit` bytes if there is one, shortens the file once it has
 * seen a byte if asked to. */
struct sharer {
    struct strbuf got;
    size_t limit;
    int shorten_fd; /* -1: no */
    off_t shorten_to;
};

static int use(void *arg, const void *data, size_t len, struct error *err)
{
    struct sharer *s = arg;
    assert_true(len > 0);
    if (s->shorten_fd >= 0)
        assert_int_equal(ftruncate(s->shorten_fd, s->shorten_to), 0);
    strbuf_add(&s->got, data, len);
    return s->limit && s->got.len > s->limit ? error_set(err, ERROR_NO_SPACE, 0, "enough") : 0;
}

static char *make_file(const struct bench *b, size_t size)
{
    struct random r = { size };
    struct error err = { 0 };
    char *bytes = xcalloc(size, 1);
    for (size_t i = 0; i < size; i += 64)
        bytes[i] = (char)random_below(&r, 256);
    auto_close int fd = openat(b->dir->fd, "file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_ok(fd_write_all(fd, bytes, size, "file", &err), &err);
    return bytes;
}

static int digest_file(const struct bench *b, struct thread_pool *pool, struct sharer *sharer,
                       struct digest *out, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    const struct file_digesting o = { .pool = pool, .use = sharer ? use : NULL, .use_arg = sharer };
    TRY(fs_entry_open(b->dir->fd, "file", "file", &e, &kind, err));
    return file_digest(&o, &e, out, err);
}

static void sizes_around_the_chunk(void **state)
{
    static const size_t sizes[] = { 0,          1,
                                    128 * 1024, 128 * 1024 + 1,
                                    CHUNK - 1,  CHUNK,
                                    CHUNK + 1,  2 * CHUNK - 1,
                                    2 * CHUNK,  2 * CHUNK + 1,
                                    12 * CHUNK, 12 * CHUNK + 7 };
    const struct bench *b = *state;
    struct digest previous = { 0 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct error err = { 0 };
        struct digest digests[4];
        auto_free char *bytes = make_file(b, sizes[i]);
        for (size_t k = 0; k < 4; k++) {
            struct sharer sharer = { .got = STRBUF_INIT, .shorten_fd = -1 };
            assert_ok(
                digest_file(b, k & 1 ? b->pool : NULL, k & 2 ? &sharer : NULL, &digests[k], &err),
                &err);
            if (!digest_equal(&digests[k], &digests[0]))
                fail_msg("%zu bytes: way %zu gives another digest", sizes[i], k);
            if (k & 2) {
                assert_int_equal(sharer.got.len, sizes[i]);
                assert_memory_equal(sharer.got.buf, bytes, sizes[i]);
            }
            strbuf_release(&sharer.got);
        }
        assert_false(digest_equal(&digests[0], &previous));
        previous = digests[0];
    }
}

static void one_byte_and_one_attribute_count(void **state)
{
    const struct bench *b = *state;
    static const size_t sizes[] = { 10, 3 * CHUNK };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct error err = { 0 };
        struct digest digests[4];
        free(make_file(b, sizes[i]));
        auto_close int fd = openat(b->dir->fd, "file", O_WRONLY | O_CLOEXEC);
        assert_ok(digest_file(b, NULL, NULL, &digests[0], &err), &err);
        assert_int_equal(pwrite(fd, "!!", 2, (off_t)sizes[i] - 2), 2);
        assert_ok(digest_file(b, NULL, NULL, &digests[1], &err), &err);
        assert_int_equal(fsetxattr(fd, "user.a", "b", 1, 0), 0);
        assert_ok(digest_file(b, NULL, NULL, &digests[2], &err), &err);
        assert_int_equal(fsetxattr(fd, "user.a", "c", 1, 0), 0);
        assert_ok(digest_file(b, NULL, NULL, &digests[3], &err), &err);
        for (size_t k = 1; k < 4; k++)
            assert_false(digest_equal(&digests[k], &digests[k - 1]));
    }
}

static void a_file_that_becomes_shorter(void **state)
{
    const struct bench *b = *state;
    static const size_t sizes[] = { 300 * 1024, 5 * CHUNK };
    for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
        struct error err = { 0 };
        struct digest digest;
        free(make_file(b, sizes[i / 2]));
        auto_close int fd = openat(b->dir->fd, "file", O_WRONLY | O_CLOEXEC);
        struct sharer sharer = { .got = STRBUF_INIT,
                                 .shorten_fd = fd,
                                 .shorten_to = (off_t)sizes[i / 2] - 1 };
        assert_error(digest_file(b, i % 2 ? b->pool : NULL, &sharer, &digest, &err), &err,
                     ERROR_USER, "file changed while it was read");
        strbuf_release(&sharer.got);
    }
}

static void the_sharer_may_fail(void **state)
{
    const struct bench *b = *state;
    static const size_t sizes[] = { 300 * 1024, 12 * CHUNK };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct error err = { 0 };
        struct digest digest;
        free(make_file(b, sizes[i]));
        struct sharer sharer = { .got = STRBUF_INIT, .limit = sizes[i] / 2, .shorten_fd = -1 };
        assert_error(digest_file(b, b->pool, &sharer, &digest, &err), &err, ERROR_NO_SPACE,
                     "enough");
        strbuf_release(&sharer.got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sizes_around_the_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(one_byte_and_one_attribute_count, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_becomes_shorter, setup, teardown),
        cmocka_unit_test_setup_teardown(the_sharer_may_fail, setup, teardown),
    };
    return cmocka_run_group_tests_name("file_digest", tests, NULL, NULL);
}
