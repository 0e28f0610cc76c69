/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/layer_bench.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/walk.h"
#include "snapshotter/native.h"

int layer_bench_setup(void **state)
{
    struct error err = { 0 };
    struct layer_bench *b = xcalloc(1, sizeof *b);
    void *dir = NULL;
    assert_int_equal(test_dir_setup(&dir), 0);
    b->dir = dir;
    auto_free char *path = xasprintf("%s/store", b->dir->path);
    assert_ok(store_open(&b->store, path, &err), &err);
    assert_ok(store_lease(&b->store, &err), &err);
    assert_ok(native_new(&b->store, NULL, &b->snapshotter, &err), &err);
    b->pool = thread_pool_new(2);
    *state = b;
    return 0;
}

int layer_bench_teardown(void **state)
{
    struct layer_bench *b = *state;
    void *dir = b->dir;
    thread_pool_free(b->pool);
    b->snapshotter->ops->free(b->snapshotter);
    store_close(&b->store);
    test_dir_teardown(&dir);
    free(b);
    return 0;
}

void layer_bench_need_root(void)
{
    if (geteuid() == 0)
        return;
    print_message("not root: no owners, no device nodes\n");
    skip();
}

struct face_options layer_bench_faces(const struct layer_bench *b)
{
    return (struct face_options){ .store = &b->store,
                                  .snapshotter = b->snapshotter,
                                  .pool = b->pool,
                                  .packing = PACKING_DEFAULT };
}

static void random_content(struct random *r, int dir_fd, const char *name)
{
    static const size_t sizes[] = { 0, 1, 511, 512, 513, 5000, 128 * 1024, 300 * 1000 };
    struct error err = { 0 };
    size_t size = sizes[random_below(r, COUNT(sizes))];
    auto_free unsigned char *bytes = xmalloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i % 997 ? 'a' + i % 7 : random_below(r, 256));
    auto_close int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_ok(fd_write_all(fd, bytes, size, name, &err), &err);
    if (random_below(r, 3) == 0)
        assert_int_equal(fsetxattr(fd, "user.one", bytes, size < 9 ? size : 9, 0), 0);
    if (random_below(r, 3) == 0)
        assert_int_equal(fsetxattr(fd, "user.a", "", 0, 0), 0);
}

/* Owner, mode and time. The times are those that somebody might treat in a way of their own. */
static void random_attributes(struct random *r, int dir_fd, const char *name, bool is_link)
{
    static const unsigned modes[] = { 0644, 0755, 0600, 04755, 02711, 01777, 0 };
    static const struct timespec times[] = { { 0, 0 },          { 0, 2 },
                                             { 1000, 5 },       { 1500, 0 },
                                             { 1500, 1 },       { 1501, 0 },
                                             { 1700000000, 7 }, { INT64_C(1) << 33, 0 } };
    struct timespec time = times[random_below(r, COUNT(times))];
    const struct timespec both[2] = { time, time };
    if (geteuid() == 0)
        assert_int_equal(fchownat(dir_fd, name, (uid_t)random_below(r, 3),
                                  random_below(r, 5) ? 0 : 3000000, AT_SYMLINK_NOFOLLOW),
                         0);
    if (!is_link)
        assert_int_equal(fchmodat(dir_fd, name, modes[random_below(r, COUNT(modes))], 0), 0);
    assert_int_equal(utimensat(dir_fd, name, both, AT_SYMLINK_NOFOLLOW), 0);
}

static void random_file(struct random *r, int fd, const char *name, const char *other, size_t depth)
{
    size_t kind = random_below(r, 8);
    if (kind == 0) {
        assert_int_equal(symlinkat("../somewhere \xc3\xa4", fd, name), 0);
    } else if (kind == 1) {
        assert_int_equal(mkfifoat(fd, name, 0644), 0);
    } else if (kind == 2 && other && linkat(fd, other, fd, name, 0) == 0) {
        return;
    } else if (kind < 5 && depth) {
        assert_int_equal(mkdirat(fd, name, 0755), 0);
        auto_close int child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        random_files(r, child, depth - 1);
        if (random_below(r, 3) == 0)
            assert_int_equal(fsetxattr(child, "user.dir", "x", 1, 0), 0);
    } else {
        random_content(r, fd, name);
    }
    random_attributes(r, fd, name, kind == 0);
}

void random_files(struct random *r, int fd, size_t depth)
{
    /* '-' and '.' sort below '/', so that "a-b" comes behind what is in "a". */
    static const char *const names[] = { "a", "a-b", "a.b", "ab", "\xc3\xa4", "b\nc", "z" };
    char long_name[256];
    const char *last = NULL;
    memset(long_name, 'n', 255);
    long_name[255] = '\0';
    for (size_t i = 0; i <= COUNT(names); i++) {
        const char *name = i < COUNT(names) ? names[i] : long_name;
        if (random_below(r, 3) == 0)
            continue;
        random_file(r, fd, name, last, depth);
        last = name;
    }
}

struct writing {
    struct layer_writer *to;
    struct hard_links links;
};

static int visit(void *arg, const struct walk_item *item, struct error *err)
{
    struct writing *w = arg;
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(fs_entry_open(item->dir_fd, item->name, item->path, &e, &kind, err));
    if (kind != FS_ENTRY_ORDINARY)
        return 0;
    hard_links_apply(&w->links, &e);
    return w->to->ops->entry(w->to, &e.tar, e.fd, err);
}

int layer_bench_write(int fd, struct layer_writer *to, struct error *err)
{
    struct writing w = { to, HARD_LINKS_INIT };
    const struct walk_visitor visitor = { .visit = visit, .arg = &w };
    int rc = walk_tree(fd, "", NULL, &visitor, err);
    hard_links_release(&w.links);
    return rc;
}
