/* SPDX-License-Identifier: Apache-2.0 */
/* Paths in a stack of layers lead where root_resolve says that they lead in the same tree. */
#include "lib/layer/lower.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/fs/resolve.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

enum { TREES = 60, PATHS = 400, LIMIT = 100 };

static struct lower *lower_of(const struct test_dir *dir)
{
    return lower_of_directory_take(fcntl(dir->fd, F_DUPFD_CLOEXEC, 0));
}

static void compare(struct lower *lower, int root_fd, const char *path, const char *where)
{
    auto_(error) struct error want_err = { 0 };
    auto_(error) struct error err = { 0 };
    auto_(resolved) struct resolved want = { 0 };
    auto_(lower_place) struct lower_place got = { 0 };
    int want_rc = root_resolve(root_fd, path, true, &want, &want_err);
    int rc = lower_resolve(lower, path, &got, &err);
    if (rc != want_rc)
        fail_msg("%s: \"%s\" gives %d (%s), not %d (%s)", where, path, rc, err.message, want_rc,
                 want_err.message);
    if (rc < 0) {
        if (err.kind != want_err.kind || err.sys != want_err.sys)
            fail_msg("%s: \"%s\": %s, not %s", where, path, err.message, want_err.message);
        return;
    }
    bool is_dir = want.exists && S_ISDIR(want.st.st_mode);
    if (strcmp(got.path, want.path) != 0 || got.exists != want.exists || got.is_dir != is_dir)
        fail_msg("%s: \"%s\" leads to \"%s\" %d %d, not to \"%s\" %d %d", where, path, got.path,
                 got.exists, got.is_dir, want.path, want.exists, is_dir);
}

static const char *const names[] = { "a", "b", "c", "d" };

static void random_path(struct random *r, struct strbuf *out)
{
    static const char *const parts[] = { "a", "b", "c", "d", ".", "..", "", "none" };
    strbuf_clear(out);
    if (random_below(r, 3) == 0)
        strbuf_addch(out, '/');
    for (size_t i = random_below(r, 5) + 1; i; i--)
        strbuf_addf(out, "%s%s", parts[random_below(r, COUNT(parts))], i > 1 ? "/" : "");
    if (random_below(r, 4) == 0)
        strbuf_addch(out, '/');
}

/* Directories, files and links to anywhere, `depth` levels of them. */
static void random_tree(struct random *r, int fd, size_t depth)
{
    auto_(strbuf) struct strbuf target = STRBUF_INIT;
    for (size_t i = 0; i < COUNT(names); i++) {
        size_t kind = random_below(r, 5);
        if (kind == 0) {
            continue;
        } else if (kind == 1) {
            test_write_file(fd, names[i], "text");
        } else if (kind == 2 || depth == 0) {
            random_path(r, &target);
            assert_int_equal(symlinkat(target.len ? target.buf : ".", fd, names[i]), 0);
        } else {
            assert_int_equal(mkdirat(fd, names[i], 0755), 0);
            auto_close int child = openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            random_tree(r, child, depth - 1);
        }
    }
}

static void leads_where_root_resolve_leads(void **state)
{
    (void)state;
    for (size_t seed = 0; seed < TREES; seed++) {
        struct random r = { seed };
        void *dir_state = NULL;
        char where[32];
        auto_(strbuf) struct strbuf path = STRBUF_INIT;
        assert_int_equal(test_dir_setup(&dir_state), 0);
        const struct test_dir *dir = dir_state;
        auto_(lower) struct lower *lower = lower_of(dir);
        snprintf(where, sizeof where, "seed %zu", seed);
        random_tree(&r, dir->fd, 3);
        for (size_t i = 0; i < PATHS; i++) {
            random_path(&r, &path);
            compare(lower, dir->fd, path.buf, where);
        }
        test_dir_teardown(&dir_state);
    }
}

static void odd_paths(void **state)
{
    const struct test_dir *dir = *state;
    static const char *const links[][2] = {
        { "/etc/file", "abs" },   { "etc/file/", "slashed" }, { "none/x", "dangling" },
        { "loop2", "loop1" },     { "loop1", "loop2" },       { "self", "self" },
        { "/", "top" },           { "../../..", "up" },       { "../none/../etc", "etc/back" },
        { "./etc/./", "dotted" },
    };
    static const char *const paths[] = {
        "",           "/",           "//",          ".",           "..",          "abs",
        "abs/",       "abs/.",       "abs/..",      "abs/x",       "slashed",     "slashed/x",
        "dangling",   "dangling/",   "dangling/y",  "dangling/..", "none/../etc", "none/../..",
        "loop1",      "loop1/x",     "self/",       "top/top/top", "up/up/etc",   "etc/back/file",
        "dotted/",    "dotted/file", "etc/file/..", "etc/../abs/", "none/.",      "none//x//",
        "none/./x/.", "etc/none/",
    };
    auto_(lower) struct lower *lower = lower_of(dir);
    auto_free char *long_name = xmalloc(301);
    auto_free char *chain = xstrdup("");
    memset(long_name, 'n', 300);
    long_name[300] = '\0';
    assert_int_equal(mkdirat(dir->fd, "etc", 0755), 0);
    test_write_file(dir->fd, "etc/file", "inside");
    for (size_t i = 0; i < COUNT(links); i++)
        assert_int_equal(symlinkat(links[i][0], dir->fd, links[i][1]), 0);
    for (size_t i = 0; i < COUNT(paths); i++)
        compare(lower, dir->fd, paths[i], "odd");
    compare(lower, dir->fd, long_name, "long name");
    long_name[255] = '\0';
    compare(lower, dir->fd, long_name, "long enough");
    for (int i = 0; i < 42; i++) {
        char name[16];
        char target[16];
        snprintf(name, sizeof name, "chain%d", i);
        snprintf(target, sizeof target, "chain%d", i - 1);
        assert_int_equal(symlinkat(i ? target : "etc", dir->fd, name), 0);
        compare(lower, dir->fd, name, "chain");
    }
}

static const struct read_case {
    const char *path;
    const char *text; /* NULL: there is none */
    enum error_kind kind;
    const char *message;
} reads[] = {
    { "etc/file", "inside", ERROR_NONE, NULL },
    { "/etc/file", "inside", ERROR_NONE, NULL },
    { "link", "inside", ERROR_NONE, NULL },
    { "empty", "", ERROR_NONE, NULL },
    { "none", NULL, ERROR_NONE, NULL },
    { "none/below", NULL, ERROR_NONE, NULL },
    { "etc/file/below", NULL, ERROR_NONE, NULL },
    { "dangling", NULL, ERROR_NONE, NULL },
    { "etc", NULL, ERROR_USER, "not a regular file" },
    { "fifo", NULL, ERROR_USER, "not a regular file" },
    { "loop", NULL, ERROR_USER, "open in the image" },
    { "large", NULL, ERROR_USER, "large" },
};

static void texts_are_read(void **state)
{
    const struct test_dir *dir = *state;
    auto_(lower) struct lower *lower = lower_of(dir);
    char large[LIMIT + 2];
    memset(large, 'x', sizeof large - 1);
    large[LIMIT + 1] = '\0';
    assert_int_equal(mkdirat(dir->fd, "etc", 0755), 0);
    test_write_file(dir->fd, "etc/file", "inside");
    test_write_file(dir->fd, "empty", "");
    test_write_file(dir->fd, "large", large);
    assert_int_equal(mkfifoat(dir->fd, "fifo", 0644), 0);
    assert_int_equal(symlinkat("/etc/../etc/file", dir->fd, "link"), 0);
    assert_int_equal(symlinkat("nowhere", dir->fd, "dangling"), 0);
    assert_int_equal(symlinkat("loop", dir->fd, "loop"), 0);
    for (size_t i = 0; i < COUNT(reads); i++) {
        const struct read_case *c = &reads[i];
        struct error err = { 0 };
        auto_free char *text = NULL;
        int rc = lower_read(lower, c->path, LIMIT, &text, &err);
        if (c->kind != ERROR_NONE) {
            assert_error(rc, &err, c->kind, c->message);
            continue;
        }
        assert_ok(rc, &err);
        if (c->text ? !text || strcmp(text, c->text) != 0 : text != NULL)
            fail_msg("%s: \"%s\"", c->path, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leads_where_root_resolve_leads),
        cmocka_unit_test_setup_teardown(odd_paths, test_dir_setup, test_dir_teardown),
        cmocka_unit_test_setup_teardown(texts_are_read, test_dir_setup, test_dir_teardown),
    };
    return cmocka_run_group_tests_name("lower", tests, NULL, NULL);
}
