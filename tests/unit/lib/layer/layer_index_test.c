/* SPDX-License-Identifier: Apache-2.0 */
/* An index says what its layer says, and nothing at all when it is damaged. What a stack of them
 * says is in snapshotter/stack_lower_test.c. */
#include "lib/layer/layer_index.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/layer/layer_index_internal.h"
#include "tests/support/layer_bench.h"
#include "tests/support/memory_stream.h"

#define ID "0123456789abcdef"

enum { MANY = 100 * 1000, DAMAGES = 4000, KEPT_MAX = 1024 * 1024 };

static struct layer_index_writer *begin(const struct layer_bench *b)
{
    struct error err = { 0 };
    struct layer_index_writer *w = NULL;
    assert_ok(layer_index_writer_open(&b->store, &w, &err), &err);
    return w;
}

static void add(struct layer_index_writer *w, const struct tar_entry *e, const void *content)
{
    struct error err = { 0 };
    assert_ok(layer_index_writer_add(w, e, content, &err), &err);
}

static struct layer_index *end(const struct layer_bench *b, struct layer_index_writer *w)
{
    struct error err = { 0 };
    bool made = false;
    assert_ok(layer_index_writer_commit(w, ID, &made, &err), &err);
    layer_index_writer_free(w);
    assert_true(made);
    struct layer_index *x = layer_index_open(&b->store, ID);
    assert_non_null(x);
    return x;
}

static void assert_kind(const struct layer_index *x, const char *path, enum index_kind kind,
                        bool is_opaque)
{
    struct error err = { 0 };
    struct index_hit hit;
    assert_ok(layer_index_find(x, path, &hit, NULL, &err), &err);
    if (hit.kind != kind || hit.is_opaque != is_opaque)
        fail_msg("\"%s\": kind %d, opaque %d", path, (int)hit.kind, hit.is_opaque);
}

static const struct tar_xattr xattrs[] = {
    { "security.capability", "\1\0\0\2\0 \0\0\0\0\0\0\0\0\0\0\0\0\0", 20 },
    { "user.empty", "", 0 },
    { "user.test", "a\0b", 3 },
};
static const struct tar_entry all_types[] = {
    { .path = "dir", .type = TAR_DIR, .mode = 07777, .uid = 5, .gid = UINT32_MAX - 1 },
    { .path = "dir/a name\nwith \xc3\xa4", .type = TAR_FILE, .mode = 0640, .mtime_s = -5 },
    { .path = "dir/attributes",
      .type = TAR_FILE,
      .mtime_s = INT64_C(1) << 40,
      .mtime_ns = 999999999,
      .xattrs = xattrs,
      .xattr_count = COUNT(xattrs) },
    { .path = "dir/device", .type = TAR_CHAR, .dev_major = 5, .dev_minor = 1 << 20 },
    { .path = "dir/fifo", .type = TAR_FIFO, .mode = 0600 },
    { .path = "dir/link", .type = TAR_SYMLINK, .link = "/a/../b", .mode = 0777 },
};

static void assert_same_entry(const struct tar_entry *got, const struct tar_entry *want)
{
    assert_string_equal(got->path, want->path);
    assert_int_equal(got->type, want->type);
    assert_int_equal(got->mode, want->mode);
    assert_int_equal(got->uid, want->uid);
    assert_int_equal(got->gid, want->gid);
    assert_true(got->mtime_s == want->mtime_s);
    assert_int_equal(got->mtime_ns, want->mtime_ns);
    assert_int_equal(got->dev_major, want->dev_major);
    assert_int_equal(got->dev_minor, want->dev_minor);
    assert_string_equal(got->link ? got->link : "-", want->link ? want->link : "-");
    assert_int_equal(got->xattr_count, want->xattr_count);
    for (size_t i = 0; i < want->xattr_count; i++) {
        assert_string_equal(got->xattrs[i].name, want->xattrs[i].name);
        assert_int_equal(got->xattrs[i].len, want->xattrs[i].len);
        assert_memory_equal(got->xattrs[i].value, want->xattrs[i].value, want->xattrs[i].len);
    }
}

static void entries_come_back(void **state)
{
    struct layer_index_writer *w = begin(*state);
    for (size_t i = 0; i < COUNT(all_types); i++)
        add(w, &all_types[i], NULL);
    auto_(layer_index) struct layer_index *x = end(*state, w);
    for (size_t i = 0; i < COUNT(all_types); i++) {
        struct error err = { 0 };
        struct index_hit hit;
        auto_(fs_entry) struct fs_entry e = { .fd = -1 };
        assert_ok(layer_index_find(x, all_types[i].path, &hit, &e, &err), &err);
        assert_int_equal(hit.kind, INDEX_ENTRY);
        assert_same_entry(&e.tar, &all_types[i]);
        assert_int_equal(e.fd, -1);
    }
    assert_kind(x, "dir", INDEX_ENTRY, false);
    assert_kind(x, "dir/none", INDEX_NOTHING, false);
    assert_kind(x, "", INDEX_NOTHING, false);
}

static void attributes_that_do_not_travel_are_left_out(void **state)
{
    static const struct tar_xattr foreign[] = { { "trusted.a", "1", 1 },
                                                { "user.b", "2", 1 },
                                                { "user.overlay.opaque", "y", 1 } };
    struct error err = { 0 };
    struct index_hit hit;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    struct layer_index_writer *w = begin(*state);
    add(w, &(struct tar_entry){ .path = "a", .type = TAR_DIR, .xattrs = foreign, .xattr_count = 3 },
        NULL);
    auto_(layer_index) struct layer_index *x = end(*state, w);
    assert_ok(layer_index_find(x, "a", &hit, &e, &err), &err);
    assert_int_equal(e.tar.xattr_count, 1);
    assert_string_equal(e.tar.xattrs[0].name, "user.b");
}

static const struct kept_case {
    const char *path;
    size_t size;
    bool is_kept;
} kept_files[] = {
    { "etc/passwd", 7, true },        { "etc/passwd", 0, true },
    { "etc/passwd", KEPT_MAX, true }, { "etc/passwd", KEPT_MAX + 1, false },
    { "etc/group", 3, true },         { "passwd", 7, false },
    { "etc/passwd-", 7, false },      { "usr/etc/passwd", 7, false },
};

/* From the writer's caller and from a tar. */
static void kept_files_are_read_again(void **state)
{
    struct layer_bench *b = *state;
    auto_free char *text = xmalloc(KEPT_MAX + 2);
    memset(text, 'x', KEPT_MAX + 1);
    for (size_t i = 0; i < 2 * COUNT(kept_files); i++) {
        const struct kept_case *c = &kept_files[i / 2];
        struct error err = { 0 };
        struct index_hit hit;
        struct tar_entry e = { .path = c->path, .type = TAR_FILE, .mode = 0644, .size = c->size };
        auto_(fs_entry) struct fs_entry found = { .fd = -1 };
        auto_(layer_index) struct layer_index *x = NULL;
        auto_(strbuf) struct strbuf read = STRBUF_INIT;
        assert_int_equal(layer_index_keeps(&e), c->is_kept);
        if (i % 2) {
            struct memory_writer out = memory_writer_init();
            struct tar_writer tar = tar_writer_init(&out.base);
            bool made = false;
            assert_ok(tar_writer_entry(&tar, &e, &err), &err);
            if (c->size)
                assert_ok(tar_writer_content(&tar, text, c->size, &err), &err);
            assert_ok(tar_writer_finish(&tar, &err), &err);
            struct memory_reader in = memory_reader_init(out.data.buf, out.data.len, 1000);
            assert_ok(layer_index_make(&b->store, ID, &in.base, &made, &err), &err);
            assert_int_equal(in.pos, in.len);
            strbuf_release(&out.data);
            x = layer_index_open(&b->store, ID);
        } else {
            struct layer_index_writer *w = begin(b);
            add(w, &e, c->is_kept ? text : NULL);
            x = end(b, w);
        }
        assert_ok(layer_index_find(x, c->path, &hit, &found, &err), &err);
        assert_int_equal(found.fd >= 0, c->is_kept);
        if (!c->is_kept)
            continue;
        assert_int_equal(found.tar.size, c->size);
        assert_ok(fd_read_all(found.fd, KEPT_MAX, "kept", &read, &err), &err);
        assert_int_equal(read.len, c->size);
        assert_memory_equal(read.buf, text, c->size);
    }
}

static void a_tar_that_ends_early_has_no_index(void **state)
{
    struct layer_bench *b = *state;
    struct error err = { 0 };
    struct memory_writer out = memory_writer_init();
    struct tar_writer tar = tar_writer_init(&out.base);
    struct tar_entry e = { .path = "etc/passwd", .type = TAR_FILE, .size = 1000 };
    char text[1000] = { 0 };
    bool made = false;
    assert_ok(tar_writer_entry(&tar, &e, &err), &err);
    assert_ok(tar_writer_content(&tar, text, sizeof text, &err), &err);
    for (size_t len = 1; len < out.data.len; len += 50) {
        struct memory_reader in = memory_reader_init(out.data.buf, len, 0);
        if (layer_index_make(&b->store, ID, &in.base, &made, &err) == 0)
            fail_msg("%zu bytes of %zu are a tar", len, out.data.len);
        error_clear(&err);
        assert_null(layer_index_open(&b->store, ID));
    }
    strbuf_release(&out.data);
}

static void marks_and_what_they_imply(void **state)
{
    static const char *const paths[] = { "d/e/.wh.x", "o/p/.wh..wh..opq", ".wh.w", "w/below/f",
                                         "p/q" };
    struct layer_index_writer *w = begin(*state);
    struct error err = { 0 };
    for (size_t i = 0; i < COUNT(paths); i++)
        add(w, &(struct tar_entry){ .path = paths[i], .type = TAR_FILE }, NULL);
    assert_error(layer_index_writer_add(w, &(struct tar_entry){ .path = "a/.wh." }, NULL, &err),
                 &err, ERROR_CORRUPT, "names nothing");
    auto_(layer_index) struct layer_index *x = end(*state, w);
    assert_kind(x, "d", INDEX_IMPLIED, false);
    assert_kind(x, "d/e", INDEX_IMPLIED, false);
    assert_kind(x, "d/e/x", INDEX_WHITEOUT, false);
    assert_kind(x, "o", INDEX_IMPLIED, false);
    assert_kind(x, "o/p", INDEX_IMPLIED, true);
    assert_kind(x, "w", INDEX_IMPLIED, true);
    assert_kind(x, "w/below", INDEX_IMPLIED, false);
    assert_kind(x, "p", INDEX_IMPLIED, false);
    assert_true(layer_index_holds_below(x, ""));
    assert_true(layer_index_holds_below(x, "d"));
    assert_false(layer_index_holds_below(x, "d/e"));
    assert_true(layer_index_holds_below(x, "o"));
    assert_false(layer_index_holds_below(x, "o/p"));
    assert_false(layer_index_holds_below(x, "p/q"));
    assert_false(layer_index_holds_below(x, "w/b"));
}

static void an_empty_layer(void **state)
{
    auto_(layer_index) struct layer_index *x = end(*state, begin(*state));
    assert_kind(x, "a", INDEX_NOTHING, false);
    assert_kind(x, "", INDEX_NOTHING, false);
    assert_false(layer_index_holds_below(x, ""));
}

/* Pairs of equal hashes. */
static void paths_with_the_same_hash(void **state)
{
    static const char *const pairs[][2] = { { "8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ" },
                                            { "7mohtcOFVz", "c1E51sSEyx" } };
    struct layer_index_writer *w = begin(*state);
    assert_true(index_hash(pairs[0][0], 20) == index_hash(pairs[0][1], 20));
    assert_true(index_hash(pairs[1][0], 10) == index_hash(pairs[1][1], 10));
    auto_free char *below = xasprintf("%s/file", pairs[1][1]);
    add(w, &(struct tar_entry){ .path = pairs[0][0], .type = TAR_FILE, .mode = 01 }, NULL);
    add(w, &(struct tar_entry){ .path = pairs[1][0], .type = TAR_DIR, .mode = 02 }, NULL);
    auto_(layer_index) struct layer_index *x = end(*state, w);
    assert_kind(x, pairs[0][0], INDEX_ENTRY, false);
    assert_kind(x, pairs[0][1], INDEX_NOTHING, false);
    assert_kind(x, pairs[1][0], INDEX_ENTRY, false);
    assert_kind(x, pairs[1][1], INDEX_NOTHING, false);
}

static void a_hundred_thousand_entries(void **state)
{
    char path[64];
    struct layer_index_writer *w = begin(*state);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "d%zu/e%zu/f%zu", i % 1000, i % 10, i);
        add(w, &(struct tar_entry){ .path = path, .type = TAR_FILE, .mode = i & 07777 }, NULL);
    }
    auto_(layer_index) struct layer_index *x = end(*state, w);
    for (size_t i = 0; i < MANY; i += 7) {
        struct error err = { 0 };
        struct index_hit hit;
        auto_(fs_entry) struct fs_entry e = { .fd = -1 };
        snprintf(path, sizeof path, "d%zu/e%zu/f%zu", i % 1000, i % 10, i);
        assert_ok(layer_index_find(x, path, &hit, &e, &err), &err);
        assert_int_equal(hit.kind, INDEX_ENTRY);
        assert_int_equal(e.tar.mode, i & 07777);
    }
    for (size_t i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "d%zu", i);
        assert_kind(x, path, INDEX_IMPLIED, false);
    }
    assert_kind(x, "d5/e6", INDEX_NOTHING, false);
    assert_kind(x, "d5/e5", INDEX_IMPLIED, false);
}

static void write_index(const struct layer_bench *b, const char *bytes, size_t len)
{
    struct error err = { 0 };
    auto_close int fd = openat(b->store.fd, "indexes/" ID, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_ok(fd_write_all(fd, bytes, len, "index", &err), &err);
}

/* Every answer is fine, but no crash, and nothing that a caller could stumble over. */
static void ask_everything(const struct layer_bench *b)
{
    auto_(layer_index) struct layer_index *x = layer_index_open(&b->store, ID);
    for (size_t i = 0; x && i < COUNT(all_types); i++) {
        auto_(error) struct error err = { 0 };
        struct index_hit hit;
        auto_(fs_entry) struct fs_entry e = { .fd = -1 };
        layer_index_holds_below(x, all_types[i].path);
        if (layer_index_find(x, all_types[i].path, &hit, &e, &err) < 0) {
            assert_int_equal(err.kind, ERROR_CORRUPT);
        } else if (hit.kind == INDEX_ENTRY) {
            assert_string_equal(e.tar.path, all_types[i].path);
            assert_true(e.tar.type >= TAR_FILE && e.tar.type <= TAR_FIFO);
            assert_int_equal(e.tar.type == TAR_SYMLINK, e.tar.link != NULL);
        }
    }
}

static void damage_is_survived(void **state)
{
    const struct layer_bench *b = *state;
    struct random r = { 1 };
    struct stat st;
    char filler[256];
    struct layer_index_writer *w = begin(b);
    for (size_t i = 0; i < COUNT(all_types); i++)
        add(w, &all_types[i], NULL);
    add(w, &(struct tar_entry){ .path = "etc/passwd", .type = TAR_FILE, .size = 6 }, "root:x");
    /* More than a page, so that the end of the mapping is near for some lengths. */
    for (size_t i = 0; i < 12; i++) {
        snprintf(filler, sizeof filler, "f%zu/%0200zu", i, i);
        add(w, &(struct tar_entry){ .path = filler, .type = TAR_FILE }, NULL);
    }
    layer_index_close(end(b, w));
    auto_close int fd = openat(b->store.fd, "indexes/" ID, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    size_t size = (size_t)st.st_size;
    auto_free char *whole = xmalloc(size);
    auto_free char *bytes = xmalloc(size);
    assert_int_equal(fd_read_full(fd, whole, size), (ssize_t)size);
    assert_true(size > 4096);
    for (size_t len = 0; len < size; len++) {
        write_index(b, whole, len);
        ask_everything(b);
    }
    for (size_t i = 0; i < DAMAGES; i++) {
        memcpy(bytes, whole, size);
        for (size_t k = random_below(&r, 4) + 1; k; k--)
            bytes[random_below(&r, size)] =
                (char)(random_below(&r, 3) ? random_below(&r, 256) : 255);
        write_index(b, bytes, size);
        ask_everything(b);
    }
}

static void foreign_indexes_are_none(void **state)
{
    const struct layer_bench *b = *state;
    struct index_header h = { .magic = INDEX_MAGIC, .table_at = sizeof h };
    assert_null(layer_index_open(&b->store, "none"));
    snprintf(h.boot, sizeof h.boot, "%s", b->store.boot_id);
    write_index(b, (const char *)&h, sizeof h);
    layer_index_close(layer_index_open(&b->store, ID));
    h.magic[0] ^= 1;
    write_index(b, (const char *)&h, sizeof h);
    assert_null(layer_index_open(&b->store, ID));
    h.magic[0] ^= 1;
    h.boot[0] ^= 1;
    write_index(b, (const char *)&h, sizeof h);
    assert_null(layer_index_open(&b->store, ID));
    memset(h.boot, 'x', sizeof h.boot);
    write_index(b, (const char *)&h, sizeof h);
    assert_null(layer_index_open(&b->store, ID));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_come_back, layer_bench_setup, layer_bench_teardown),
        cmocka_unit_test_setup_teardown(attributes_that_do_not_travel_are_left_out,
                                        layer_bench_setup, layer_bench_teardown),
        cmocka_unit_test_setup_teardown(kept_files_are_read_again, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(a_tar_that_ends_early_has_no_index, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(marks_and_what_they_imply, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(an_empty_layer, layer_bench_setup, layer_bench_teardown),
        cmocka_unit_test_setup_teardown(paths_with_the_same_hash, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(a_hundred_thousand_entries, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(damage_is_survived, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(foreign_indexes_are_none, layer_bench_setup,
                                        layer_bench_teardown),
    };
    return cmocka_run_group_tests_name("layer_index", tests, NULL, NULL);
}
