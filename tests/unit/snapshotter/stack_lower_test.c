/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of layers, some as trees and some as indexes, answers as the mounted root would. Needs
 * root, for whiteouts are device nodes and views are mounts. */
#include "snapshotter/stack_lower.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/resolve.h"
#include "lib/layer/layer_index.h"
#include "lib/layer/whiteout.h"
#include "snapshotter/layer_tree.h"
#include "tests/support/layer_bench.h"
#include "tests/support/memory_stream.h"
#include "tests/support/raw_tar.h"

enum { STACKS = 80, LAYERS_MAX = 4, ENTRIES_MAX = 10 };

/* A layer on its way: what was said, so that a tar is as tools write them. */
struct tar_under_way {
    struct memory_writer out;
    struct tar_writer tar;
    struct strvec said, dirs, implied, files; /* paths */
};

static bool has(const struct strvec *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], path) == 0)
            return true;
    }
    return false;
}

static void put(struct tar_under_way *t, struct random *r, struct tar_entry *e)
{
    struct error err = { 0 };
    static const unsigned modes[] = { 0755, 0700, 02755, 01777, 0 };
    const struct tar_xattr xattr = { "user.test", "value", 5 };
    bool is_file = e->type == TAR_FILE || e->type == TAR_HARDLINK;
    /* The header of a link says what that of the file says. */
    e->mode = e->type == TAR_SYMLINK ? 0777
              : is_file              ? 04750
                                     : modes[random_below(r, COUNT(modes))];
    e->uid = is_file ? 1 : (uint32_t)random_below(r, 3);
    e->gid = is_file ? 2 : (uint32_t)random_below(r, 3);
    e->mtime_s = 1000 + (int64_t)random_below(r, 100);
    if ((e->type == TAR_DIR || e->type == TAR_FILE) && random_below(r, 4) == 0) {
        e->xattrs = &xattr;
        e->xattr_count = 1;
    }
    e->size = e->type == TAR_FILE ? strlen(e->path) : 0;
    assert_ok(tar_writer_entry(&t->tar, e, &err), &err);
    if (e->size)
        assert_ok(tar_writer_content(&t->tar, e->path, e->size, &err), &err);
    strvec_push(&t->said, e->path);
    if (e->type == TAR_DIR)
        strvec_push(&t->dirs, e->path);
    if (e->type == TAR_FILE)
        strvec_push(&t->files, e->path);
}

static void put_marker(struct tar_under_way *t, const char *path)
{
    struct error err = { 0 };
    struct tar_entry e = { .path = path, .type = TAR_FILE, .mode = 0644 };
    assert_ok(tar_writer_entry(&t->tar, &e, &err), &err);
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return xstrndup(path, slash ? (size_t)(slash - path) : 0);
}

/* Mostly with an entry of its own. False: the layer has something else there. */
static bool put_parents(struct tar_under_way *t, struct random *r, const char *path)
{
    for (const char *end = strchr(path, '/'); end; end = strchr(end + 1, '/')) {
        auto_free char *dir = xstrndup(path, (size_t)(end - path));
        struct tar_entry e = { .path = dir, .type = TAR_DIR };
        if (has(&t->said, dir) && !has(&t->dirs, dir))
            return false;
        if (has(&t->dirs, dir))
            continue;
        if (random_below(r, 4)) {
            put(t, r, &e);
        } else {
            strvec_push(&t->said, dir);
            strvec_push(&t->dirs, dir);
            strvec_push(&t->implied, dir);
        }
    }
    return true;
}

/* What hides comes before what it spares: tools write it so, and an implied directory has the
 * attributes of what is not hidden when it comes. */
static bool has_below(const struct strvec *list, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < list->count; i++) {
        const char *other = list->items[i];
        if (len == 0 || (strncmp(other, path, len) == 0 && other[len] == '/'))
            return true;
    }
    return false;
}

static void put_something(struct tar_under_way *t, struct random *r, const char *path)
{
    static const enum tar_type types[] = { TAR_FILE, TAR_DIR, TAR_DIR, TAR_SYMLINK, TAR_FIFO };
    auto_free char *parent = parent_of(path);
    const char *name = path + strlen(parent) + (*parent != '\0');
    auto_free char *marker = NULL;
    struct tar_entry e = { .path = path };
    size_t kind = random_below(r, 10);
    if (kind < 2) {
        marker = xasprintf("%s%s.wh.%s", parent, *parent ? "/" : "", kind ? name : ".wh..opq");
        if (!has_below(&t->said, kind ? path : parent) && !(kind && has(&t->implied, path)))
            put_marker(t, marker);
        return;
    }
    if (has(&t->said, path))
        return;
    e.type = types[random_below(r, COUNT(types))];
    if (e.type == TAR_SYMLINK)
        e.link = "a/b";
    if (kind == 2 && t->files.count) {
        e.type = TAR_HARDLINK;
        e.link = t->files.items[random_below(r, t->files.count)];
    }
    put(t, r, &e);
}

static void random_path(struct random *r, struct strbuf *out)
{
    strbuf_clear(out);
    for (size_t depth = random_below(r, 3) + 1; depth; depth--)
        strbuf_addf(out, "%c%s", (char)('a' + random_below(r, 3)), depth > 1 ? "/" : "");
}

static void random_layer(struct random *r, struct strbuf *out)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf path = STRBUF_INIT;
    struct tar_under_way t = { .out = memory_writer_init() };
    t.tar = tar_writer_init(&t.out.base);
    for (size_t i = random_below(r, ENTRIES_MAX) + 1; i; i--) {
        random_path(r, &path);
        if (put_parents(&t, r, path.buf))
            put_something(&t, r, path.buf);
    }
    assert_ok(tar_writer_finish(&t.tar, &err), &err);
    *out = t.out.data;
    strvec_release(&t.said);
    strvec_release(&t.dirs);
    strvec_release(&t.implied);
    strvec_release(&t.files);
}

static void dump(const struct strbuf *tars, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct error err = { 0 };
        struct memory_reader in = memory_reader_init(tars[i].buf, tars[i].len, 0);
        auto_(tar_reader) struct tar_reader *tar = NULL;
        const struct tar_entry *e = NULL;
        assert_ok(tar_reader_open(&in.base, "layer", &tar, &err), &err);
        print_message("layer %zu:", i);
        while (tar_reader_next(tar, &e, &err) == 0 && e)
            print_message(" %s(%d,%o)", e->path, (int)e->type, e->mode);
        print_message("\n");
    }
}

/* Layer `index` with both faces. */
static void add_layer(struct layer_bench *b, const struct layer_list *layers, size_t index,
                      const struct strbuf *tar, bool is_contradictory)
{
    struct error err = { 0 };
    const struct snapshotter_ops *ops = b->snapshotter->ops;
    struct memory_reader in = memory_reader_init(tar->buf, tar->len, 0);
    bool needs_below = false;
    bool has_index = false;
    assert_ok(ops->apply(b->snapshotter, layers, index, false, &in.base, &needs_below, &err), &err);
    if (needs_below) {
        in = memory_reader_init(tar->buf, tar->len, 0);
        assert_ok(ops->apply(b->snapshotter, layers, index, true, &in.base, &needs_below, &err),
                  &err);
    }
    in = memory_reader_init(tar->buf, tar->len, 0);
    assert_ok(layer_index_make(&b->store, layers->ids[index], &in.base, &has_index, &err), &err);
    if (has_index == is_contradictory) {
        dump(tar, 1);
        fail_msg("layer %zu: an index was %smade", index, has_index ? "" : "not ");
    }
}

/* What is there as text: NULL if nothing is. */
static char *describe(const struct fs_entry *e)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(strbuf) struct strbuf content = STRBUF_INIT;
    strbuf_addf(&text, "type %d mode %o owner %u:%u time %lld link %s", (int)e->tar.type,
                e->tar.mode, e->tar.uid, e->tar.gid, (long long)e->tar.mtime_s,
                e->tar.link ? e->tar.link : "-");
    for (size_t i = 0; i < e->tar.xattr_count; i++)
        strbuf_addf(&text, " %s=%.*s", e->tar.xattrs[i].name, (int)e->tar.xattrs[i].len,
                    (const char *)e->tar.xattrs[i].value);
    if (e->tar.type == TAR_FILE && e->fd >= 0) {
        assert_ok(fd_read_all(e->fd, 100, "content", &content, &err), &err);
        strbuf_addf(&text, " content %s", content.buf);
    }
    return strbuf_detach(&text);
}

static char *describe_in_view(int root_fd, const char *path)
{
    struct error err = { 0 };
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_free char *parent = parent_of(path);
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    auto_close int fd = beneath_open(root_fd, parent, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 ||
        fs_entry_open(fd, path + strlen(parent) + (*parent != '\0'), path, &e, &kind, &err) < 0) {
        error_clear(&err);
        return NULL;
    }
    return describe(&e);
}

static char *describe_in_stack(struct lower *lower, const char *path)
{
    struct error err = { 0 };
    bool exists = false;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    assert_ok(lower_look(lower, path, &exists, &e, &err), &err);
    return exists ? describe(&e) : NULL;
}

/* An index has no bytes: what the view says of them is left out then. */
static bool same_text(char *want, const char *got)
{
    if (!want || !got)
        return !want && !got;
    char *content = strstr(want, " content ");
    if (content && !strstr(got, " content "))
        *content = '\0';
    return strcmp(want, got) == 0;
}

static void check_may_hold(struct lower *lower, int root_fd, const char *path)
{
    struct error err = { 0 };
    bool may_hold = true;
    auto_(strvec) struct strvec names = { 0 };
    auto_close int fd = beneath_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0);
    assert_ok(lower_may_hold(lower, path, &may_hold, &err), &err);
    if (fd < 0)
        return;
    assert_ok(dir_list(fd, path, &names, &err), &err);
    if (names.count && !may_hold)
        fail_msg("%s holds %s", path, names.items[0]);
}

static void compare_path(struct lower *lower, int root_fd, const char *path, const char *what,
                         const struct strbuf *tars, size_t count)
{
    auto_free char *want = describe_in_view(root_fd, path);
    auto_free char *got = describe_in_stack(lower, path);
    if (!same_text(want, got)) {
        dump(tars, count);
        fail_msg("%s: %s is %s, not %s", what, path, got, want);
    }
    check_may_hold(lower, root_fd, path);
}

static void compare_all(struct lower *lower, int root_fd, const char *what,
                        const struct strbuf *tars, size_t count)
{
    for (char a = 'a'; a <= 'c'; a++) {
        char path[] = { a, '\0', a, '\0', a, '\0' };
        compare_path(lower, root_fd, path, what, tars, count);
        for (char b = 'a'; b <= 'c'; b++) {
            path[1] = '/';
            path[2] = b;
            path[3] = '\0';
            compare_path(lower, root_fd, path, what, tars, count);
            for (char c = 'a'; c <= 'c'; c++) {
                path[3] = '/';
                path[4] = c;
                compare_path(lower, root_fd, path, what, tars, count);
            }
            path[1] = '\0';
        }
    }
}

/* Removes trees or indexes, so that layer i has the face that bit i says (1: index). */
static void choose_faces(struct layer_bench *b, const struct layer_list *layers, size_t bits)
{
    struct error err = { 0 };
    for (size_t i = 0; i < layers->count; i++) {
        char name[LAYER_ID_SIZE];
        bool present = false;
        auto_(layer_index) struct layer_index *index = layer_index_open(&b->store, layers->ids[i]);
        if (!(bits >> i & 1) || !index)
            continue;
        assert_ok(layer_tree_find(&b->store, layers, i, name, &present, NULL, &err), &err);
        if (present)
            assert_ok(dir_remove(b->store.layers_fd, name, &err), &err);
    }
}

/* Compares all answers, with all trees, with a mixture, with indexes alone. */
static void check_faces(struct layer_bench *b, const struct layer_list *layers, size_t mixture,
                        const struct strbuf *tars, const char *name)
{
    struct error err = { 0 };
    struct snapshot *view = NULL;
    const size_t steps[] = { 0, mixture, SIZE_MAX };
    assert_ok(b->snapshotter->ops->view(b->snapshotter, layers, &view, &err), &err);
    for (size_t i = 0; i < COUNT(steps); i++) {
        auto_(lower) struct lower *lower = NULL;
        auto_free char *what = xasprintf("%s, indexes %zx", name, steps[i]);
        choose_faces(b, layers, steps[i]);
        assert_ok(stack_lower_open(b->snapshotter, layers, &lower, &err), &err);
        compare_all(lower, view->root_fd, what, tars, layers->count);
    }
    b->snapshotter->ops->discard(view);
}

static void check_random_stack(struct layer_bench *b, size_t seed)
{
    struct random r = { seed };
    char ids[LAYERS_MAX][LAYER_ID_SIZE];
    char name[32];
    struct strbuf tars[LAYERS_MAX];
    struct layer_list layers = { ids, random_below(&r, LAYERS_MAX) + 1 };
    for (size_t i = 0; i < layers.count; i++) {
        bool is_another = i == 0 || random_below(&r, 8) != 0;
        size_t of = is_another ? i : random_below(&r, i);
        tars[i] = (struct strbuf)STRBUF_INIT;
        if (is_another) {
            snprintf(ids[i], sizeof ids[i], "%032zx", seed * 16 + i);
            random_layer(&r, &tars[i]);
        } else {
            memcpy(ids[i], ids[of], sizeof ids[i]);
            strbuf_add(&tars[i], tars[of].buf, tars[of].len);
        }
        add_layer(b, &layers, i, &tars[i], false);
    }
    snprintf(name, sizeof name, "seed %zu", seed);
    check_faces(b, &layers, random_below(&r, 16), tars, name);
    for (size_t i = 0; i < layers.count; i++)
        strbuf_release(&tars[i]);
}

static void answers_as_the_root_would(void **state)
{
    layer_bench_need_root();
    const char *more = getenv("SEEDS");
    size_t count = more ? strtoul(more, NULL, 10) : STACKS;
    for (size_t seed = 0; seed < count; seed++)
        check_random_stack(*state, seed);
}

/* Layers that say a thing twice, upon one that has everything: "NAME" is a file, "NAME/" a
 * directory, "NAME>TARGET" a link, "NAME=TARGET" a hard link. */
static const struct odd_layer {
    const char *entries;
    bool is_contradictory; /* it has no index */
} odd_layers[] = {
    { "a/ a/b a/", false },
    { "a a/", true },
    { "a a/ a/b", true },
    { "a a/b", true },
    { "a/ a/b a", true },
    { "a/ a/b a a/", true },
    { "a/ a/b a a/ a/c", true },
    { "a/ a/b/ a/b/c a/b a/b/", true },
    { "a>b a/", true },
    { "a>b a/ a/c", true },
    { "a>b a/c", true },
    { "a/ a/b a>c", true },
    { "a/ a/b a>c a/", true },
    { "a a a>b a", false },
    { "b/ a>b a/c a/c", true },
    { ".wh.a a .wh.a", false },
    { "a .wh.a", false },
    { "a a/ .wh.a", true },
    { "a/ .wh.a a", true },
    { "a/ a/b .wh.a a/c", false },
    { "a/ a/.wh..wh..opq a/b a/.wh.b", false },
    { "a/ a/.wh.b a/b/ a/b/c", false },
    { "a/ a/b/ a/.wh..wh..opq a/b/c a a/", true },
    { "a b=a c=b", false },
    { "a b=a a/ a/c=b", true },
    { "a>c b=a", false },
    { "a>c b=a c/ c/a", false },
    { "a a=a", false },
    { "a b=a a>c", false },
    { "./ a", false },
    { "a/ a/.wh..wh..opq", false },
    { ".wh..wh..opq", false },
    { ".wh..wh..opq a/ a/b", false },
    { ".wh..wh.plnk a", false },
};

static void add_odd_entries(const char *text, struct strbuf *out)
{
    auto_free char *copy = xstrdup(text);
    char *rest = copy;
    for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
        struct raw_entry e = { .name = word, .mode = "0000755" };
        char *mark = word + strcspn(word, ">=");
        if (*mark) {
            e.type = *mark == '>' ? '2' : '1';
            e.mode = *mark == '>' ? "0000777" : e.mode;
            e.link = mark + 1;
            *mark = '\0';
        } else if (word[strlen(word) - 1] == '/') {
            e.type = '5';
        }
        raw_tar_add(out, &e);
    }
    raw_tar_end(out);
}

static void says_what_an_odd_layer_unpacks_to(void **state)
{
    layer_bench_need_root();
    for (size_t i = 0; i < COUNT(odd_layers); i++) {
        const struct odd_layer *c = &odd_layers[i];
        char ids[2][LAYER_ID_SIZE];
        struct layer_list layers = { ids, 2 };
        struct strbuf tars[2] = { STRBUF_INIT, STRBUF_INIT };
        snprintf(ids[0], sizeof ids[0], "%032x", 1);
        snprintf(ids[1], sizeof ids[1], "%032zx", i + 2);
        add_odd_entries("a/ a/a/ a/a/a a/b/ a/b/a a/c b/ b/a b/b c", &tars[0]);
        add_odd_entries(c->entries, &tars[1]);
        add_layer(*state, &layers, 0, &tars[0], false);
        add_layer(*state, &layers, 1, &tars[1], c->is_contradictory);
        check_faces(*state, &layers, 2, tars, c->entries);
        strbuf_release(&tars[0]);
        strbuf_release(&tars[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_as_the_root_would, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(says_what_an_odd_layer_unpacks_to, layer_bench_setup,
                                        layer_bench_teardown),
    };
    return cmocka_run_group_tests_name("stack_lower", tests, NULL, NULL);
}
