/* SPDX-License-Identifier: Apache-2.0 */
/* dir, entry, walk. */
#include "lib/fs/walk.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "lib/base/mem.h"
#include "lib/base/strbuf.h"
#include "lib/fs/dir.h"
#include "lib/fs/entry.h"
#include "tests/support/test.h"

static int make_tree(void **state)
{
    static const char *const dirs[] = { "b", "b/c", "b/c/d", "skip", "skip/deep", "A" };
    static const char *const files[] = {
        "b/x", "b.x", "b/c/d/f", "skip/keep", "skip/deep/keep", "skip/deep/not", "A/1"
    };
    if (test_dir_setup(state) < 0)
        return -1;
    const struct test_dir *dir = *state;
    for (size_t i = 0; i < COUNT(dirs); i++)
        assert_int_equal(mkdirat(dir->fd, dirs[i], 0755), 0);
    for (size_t i = 0; i < COUNT(files); i++)
        test_write_file(dir->fd, files[i], files[i]);
    return symlinkat("b", dir->fd, "link");
}

static int note(void *arg, const struct walk_item *item, struct error *err)
{
    struct strbuf *out = arg;
    (void)err;
    assert_string_equal(item->name,
                        strrchr(item->path, '/') ? strrchr(item->path, '/') + 1 : item->path);
    strbuf_addf(out, "%s ", item->path);
    return 0;
}

static const struct walk_case {
    const char *prefix, *start, *patterns, *seen;
} walks[] = {
    { "", ".", "",
      "A A/1 b b/c b/c/d b/c/d/f b/x b.x link skip skip/deep skip/deep/keep "
      "skip/deep/not skip/keep " },
    { "", ".", "skip\nA", "b b/c b/c/d b/c/d/f b/x b.x link " },
    { "", ".", "*\n!skip/deep/keep", "skip skip/deep skip/deep/keep " },
    { "", ".", "*\n!skip/none", "" },
    { "", ".", "**\n!**/x", "b b/x " },
    { "b", "b", "b/c", "x " },
    { "b", "b", "c", "c c/d c/d/f x " },
};

static void walks_in_order(void **state)
{
    const struct test_dir *dir = *state;
    for (size_t i = 0; i < COUNT(walks); i++) {
        struct error err = { 0 };
        auto_(strbuf) struct strbuf seen = STRBUF_INIT;
        auto_(pattern_list) struct pattern_list list = { 0 };
        struct walk_visitor visitor = { .visit = note, .arg = &seen };
        auto_close int fd = openat(dir->fd, walks[i].start, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_ok(
            pattern_list_parse(walks[i].patterns, strlen(walks[i].patterns), "ignore", &list, &err),
            &err);
        assert_ok(walk_tree(fd, walks[i].prefix, &list, &visitor, &err), &err);
        assert_string_equal(seen.buf, walks[i].seen);
    }
}

/* What one filter takes another may leave out; each counts from a place of its own. */
static void filters_add_up(void **state)
{
    const struct test_dir *dir = *state;
    static const char *const exclude[] = { "c/d", "!nothing", NULL };
    struct error err = { 0 };
    auto_(strbuf) struct strbuf seen = STRBUF_INIT;
    auto_(pattern_list) struct pattern_list some = { 0 };
    auto_(pattern_list) struct pattern_list only = { 0 };
    struct walk_visitor visitor = { .visit = note, .arg = &seen };
    auto_close int fd = openat(dir->fd, "b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(pattern_list_from(exclude, "--exclude", &some, &err), &err);
    assert_ok(pattern_list_only("b/*", "b/*", &only, &err), &err);
    const struct walk_filter filters[] = { { NULL, "" }, { &some, "" }, { &only, "b" } };
    assert_ok(walk_filtered(fd, filters, COUNT(filters), &visitor, &err), &err);
    assert_string_equal(seen.buf, "c x ");
}

/* A directory's children get what it kept, and it is taken back when they are done. */
static int keep(void *arg, const struct walk_item *item, struct error *err)
{
    int *open_dirs = arg;
    (void)err;
    if (S_ISDIR(item->st.st_mode)) {
        *item->keep = xstrdup(item->path);
        ++*open_dirs;
    }
    if (strchr(item->path, '/'))
        assert_memory_equal(item->path, item->parent, strlen(item->parent));
    else
        assert_null(item->parent);
    return strcmp(item->path, "b/x") == 0 ? error_set(err, ERROR_USER, 0, "enough") : 0;
}

static void leave(void *arg, void *kept)
{
    --*(int *)arg;
    free(kept);
}

static void leaves_every_directory(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    int open_dirs = 0;
    struct walk_visitor visitor = { keep, leave, &open_dirs };
    assert_error(walk_tree(dir->fd, "", NULL, &visitor, &err), &err, ERROR_USER, "enough");
    assert_int_equal(open_dirs, 0);
}

static void describes_all_types(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct fs_entry e;
    assert_int_equal(mkfifoat(dir->fd, "fifo", 0640), 0);
    assert_ok(fs_entry_open(dir->fd, "fifo", "x/fifo", &e, &kind, &err), &err);
    assert_int_equal(e.tar.type, TAR_FIFO);
    assert_string_equal(e.tar.path, "x/fifo");
    fs_entry_release(&e);
    assert_ok(fs_entry_open(dir->fd, "link", "link", &e, &kind, &err), &err);
    assert_int_equal(e.tar.type, TAR_SYMLINK);
    assert_string_equal(e.tar.link, "b");
    fs_entry_release(&e);
    assert_ok(fs_entry_open(dir->fd, "b.x", "b.x", &e, &kind, &err), &err);
    assert_int_equal(e.tar.size, 3);
    fs_entry_release(&e);
    assert_error(fs_entry_open(dir->fd, "none", "none", &e, &kind, &err), &err, ERROR_NOT_FOUND,
                 "none");
    auto_close int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", dir->path);
    assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    assert_ok(fs_entry_open(dir->fd, "s", "s", &e, &kind, &err), &err);
    assert_int_equal(kind, FS_ENTRY_SOCKET);
    fs_entry_release(&e);
}

static void attributes_that_travel(void **state)
{
    (void)state;
    assert_true(xattr_travels("security.capability"));
    assert_true(xattr_travels("user.mime"));
    assert_false(xattr_travels("user.overlay.opaque"));
    assert_false(xattr_travels("user.overlay.overlay.opaque"));
    assert_false(xattr_travels("trusted.overlay.opaque"));
    assert_false(xattr_travels("security.selinux"));
    assert_false(xattr_travels("system.posix_acl_access"));
    /* It could not be told from its value in an extended header. */
    assert_false(xattr_travels("user.a=b"));
}

static void reads_attributes_sorted(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    auto_free char *path = xasprintf("%s/b.x", dir->path);
    assert_int_equal(setxattr(path, "user.z", "1", 1, 0), 0);
    assert_int_equal(setxattr(path, "user.a", "", 0, 0), 0);
    assert_int_equal(setxattr(path, "user.overlay.origin", "x", 1, 0), 0);
    assert_int_equal(setxattr(path, "user.overlay.overlay.mine", "y", 1, 0), 0);
    assert_ok(fs_entry_open(dir->fd, "b.x", "b.x", &e, &kind, &err), &err);
    assert_int_equal(e.tar.xattr_count, 3);
    assert_string_equal(e.tar.xattrs[0].name, "user.a");
    assert_int_equal(e.tar.xattrs[0].len, 0);
    assert_string_equal(e.tar.xattrs[1].name, "user.overlay.mine");
    assert_string_equal(e.tar.xattrs[2].name, "user.z");
}

static void removes_trees(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    auto_close int top = -1;
    assert_int_equal(mkdirat(dir->fd, "gone", 0755), 0);
    assert_int_equal(symlinkat("../b", dir->fd, "gone/link"), 0);
    assert_int_equal(mkdirat(dir->fd, "gone/closed", 0), 0);
    top = openat(dir->fd, "gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int fd = dup(top);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    assert_ok(dir_remove(dir->fd, "gone", &err), &err);
    assert_ok(dir_remove(dir->fd, "gone", &err), &err);
    assert_int_equal(faccessat(dir->fd, "gone", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(faccessat(dir->fd, "b/x", F_OK, 0), 0);
    assert_ok(dir_remove(dir->fd, "link", &err), &err);
    assert_int_equal(faccessat(dir->fd, "b/x", F_OK, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_in_order),         cmocka_unit_test(filters_add_up),
        cmocka_unit_test(leaves_every_directory), cmocka_unit_test(describes_all_types),
        cmocka_unit_test(attributes_that_travel), cmocka_unit_test(reads_attributes_sorted),
        cmocka_unit_test(removes_trees),
    };
    return cmocka_run_group_tests_name("tree", tests, make_tree, test_dir_teardown);
}
