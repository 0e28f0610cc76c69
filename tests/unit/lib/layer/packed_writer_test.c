/* SPDX-License-Identifier: Apache-2.0 */
/* A layer that is written as a blob has the bytes that it would have by way of a tree. */
#include "lib/layer/packed_writer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "lib/fs/file_digest.h"
#include "lib/layer/layer_index.h"
#include "lib/store/blob.h"
#include "tests/support/layer_bench.h"

enum { TREES = 25, EPOCH = 1500 };

static int make_files(const struct layer_bench *b, size_t seed)
{
    struct random r = { seed };
    char name[32];
    snprintf(name, sizeof name, "files%zu", seed);
    assert_int_equal(mkdirat(b->dir->fd, name, 0755), 0);
    int fd = openat(b->dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    random_files(&r, fd, 2);
    return fd;
}

/* Ends a writer; its layer's name. */
static struct layer_times commit(struct layer_writer *w, char id[static LAYER_ID_SIZE])
{
    struct error err = { 0 };
    struct written_layer written;
    assert_ok(w->ops->commit(w, "2020-01-01T00:00:00Z", &written, &err), &err);
    snprintf(id, LAYER_ID_SIZE, "%s", written.id);
    return written.times;
}

static void write_both(const struct layer_bench *b, const struct face_options *o, int files,
                       char tree[static LAYER_ID_SIZE], char packed[static LAYER_ID_SIZE])
{
    struct error err = { 0 };
    struct layer_writer *w = NULL;
    assert_ok(b->snapshotter->ops->layer_write(b->snapshotter, &w, &err), &err);
    assert_ok(layer_bench_write(files, w, &err), &err);
    assert_false(commit(w, tree).are_final);
    assert_ok(packed_writer_open(o, &w, &err), &err);
    assert_true(w->in_order);
    assert_ok(layer_bench_write(files, w, &err), &err);
    assert_true(commit(w, packed).are_final);
}

static void get_face(const struct face_options *o, const char *id, struct layer_face *out)
{
    struct error err = { 0 };
    bool found = false;
    assert_ok(layer_face_get(o, id, out, &found, &err), &err);
    assert_true(found);
}

static void assert_same_bytes(const struct layer_bench *b, const struct digest *x,
                              const struct digest *y, size_t seed)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf one = STRBUF_INIT;
    auto_(strbuf) struct strbuf two = STRBUF_INIT;
    assert_ok(blob_read(&b->store, x, SIZE_MAX / 2, &one, &err), &err);
    assert_ok(blob_read(&b->store, y, SIZE_MAX / 2, &two, &err), &err);
    size_t at = 0;
    while (at < one.len && at < two.len && one.buf[at] == two.buf[at])
        at++;
    if (one.len != two.len || at < one.len)
        fail_msg("seed %zu: they differ at %zu of %zu and %zu", seed, at, one.len, two.len);
}

static void check_files(const struct layer_bench *b, int files, struct face_options o, size_t seed)
{
    char tree[LAYER_ID_SIZE];
    char packed[LAYER_ID_SIZE];
    char diff_id[DIGEST_HEX_SIZE];
    struct layer_face by_tree;
    struct layer_face by_blob;
    bool pack = o.pack;
    write_both(b, &o, files, tree, packed);
    /* Plain first: the bytes tell where they differ. */
    o.pack = true;
    o.packing = (struct packing)PACKING_NONE;
    get_face(&o, tree, &by_tree);
    get_face(&o, packed, &by_blob);
    assert_same_bytes(b, &by_tree.blob.digest, &by_blob.blob.digest, seed);
    digest_hex(&by_tree.diff_id, diff_id);
    assert_string_equal(packed, diff_id);
    assert_true(digest_equal(&by_tree.diff_id, &by_blob.diff_id));
    assert_true(by_tree.tar_size == by_blob.tar_size);
    /* And as an export wants them. */
    o.packing = (struct packing)PACKING_DEFAULT;
    get_face(&o, tree, &by_tree);
    get_face(&o, packed, &by_blob);
    assert_true(digest_equal(&by_tree.blob.digest, &by_blob.blob.digest));
    assert_true(by_tree.blob.size == by_blob.blob.size);
    o.pack = pack;
}

static void random_trees_give_the_same_bytes(void **state)
{
    const struct layer_bench *b = *state;
    layer_bench_need_root();
    for (size_t seed = 0; seed < TREES; seed++) {
        auto_close int files = make_files(b, seed);
        struct face_options o = layer_bench_faces(b);
        check_files(b, files, o, seed);
        o.pack = true;
        check_files(b, files, o, seed);
        o.diff = (struct diff_options){ .has_epoch = true, .epoch_s = EPOCH };
        check_files(b, files, o, seed);
        o.pack = false;
        o.diff.epoch_s = 0;
        check_files(b, files, o, seed);
    }
}

/* One packed layer, entry by entry. */
struct writing {
    const struct layer_bench *bench;
    struct face_options options;
    struct layer_writer *w;
};

static struct writing begin(const struct layer_bench *b)
{
    return (struct writing){ .bench = b, .options = layer_bench_faces(b) };
}

static int put(struct writing *x, struct tar_entry e, const char *text, struct error *err)
{
    if (!x->w)
        TRY(packed_writer_open(&x->options, &x->w, err));
    auto_close int fd = -1;
    if (e.type == TAR_FILE) {
        fd = memfd_create("text", MFD_CLOEXEC);
        e.size = strlen(text);
        assert_int_equal(write(fd, text, e.size), (ssize_t)e.size);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    }
    return x->w->ops->entry(x->w, &e, fd, err);
}

static struct layer_times end(struct writing *x, char id[static LAYER_ID_SIZE])
{
    struct error err = { 0 };
    if (!x->w)
        assert_ok(packed_writer_open(&x->options, &x->w, &err), &err);
    return commit(take_ptr(x->w), id);
}

static const struct order_case {
    const char *first, *second; /* a slash behind it: a directory */
    bool fits;
} orders[] = {
    { "a", "b", true },     { "b", "a", false },       { "a", "a", false },
    { "a/", "a/", true },   { "a/", "a", false },      { "a", "a/", false },
    { "a/b", "a-b", true }, { "a-b", "a/b", false },   { "a/", "a/b", true },
    { "a/b", "a/", false }, { "a.", "a/x", false },    { "\x7f", "\xc3\xa4", true },
    { "B", "a", true },     { "a/b/c", "a/b-", true }, { "a/b-", "a/b/c", false },
};

static void the_order_is_that_of_a_walk(void **state)
{
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct error err = { 0 };
        struct writing x = begin(*state);
        const char *const paths[2] = { orders[i].first, orders[i].second };
        int rc = 0;
        for (size_t k = 0; k < 2; k++) {
            size_t len = strlen(paths[k]);
            bool is_dir = paths[k][len - 1] == '/';
            auto_free char *path = xstrndup(paths[k], len - is_dir);
            struct tar_entry e = { .path = path, .type = is_dir ? TAR_DIR : TAR_FILE };
            rc = put(&x, e, "text", &err);
        }
        if (orders[i].fits) {
            assert_ok(rc, &err);
        } else {
            assert_error(rc, &err, ERROR_UNSUPPORTED, "out of order");
        }
        assert_int_equal(packed_writer_is_disordered(x.w), !orders[i].fits);
        x.w->ops->discard(x.w);
    }
}

/* A directory that is restated at once is what it was last said to be. */
static void the_last_word_on_a_directory_counts(void **state)
{
    struct error err = { 0 };
    char once[LAYER_ID_SIZE];
    char twice[LAYER_ID_SIZE];
    const struct tar_xattr xattr = { "user.a", "b", 1 };
    const struct tar_entry plain = { .path = "d", .type = TAR_DIR, .mode = 0755 };
    const struct tar_entry last = {
        .path = "d", .type = TAR_DIR, .mode = 0700, .mtime_s = 7, .xattrs = &xattr, .xattr_count = 1
    };
    struct writing x = begin(*state);
    assert_ok(put(&x, plain, NULL, &err), &err);
    assert_ok(put(&x, last, NULL, &err), &err);
    assert_ok(put(&x, last, NULL, &err), &err);
    end(&x, twice);
    assert_ok(put(&x, last, NULL, &err), &err);
    end(&x, once);
    assert_string_equal(once, twice);
}

static const struct times_case {
    const char *what;
    struct tar_entry entry;
    bool has_epoch;
    int64_t epoch_s;
    int64_t newest_s;
    bool our_times, is_clamped;
} times[] = {
    { "older", { .path = "f", .mtime_s = 5 }, true, 10, 5, false, false },
    { "equal", { .path = "f", .mtime_s = 10 }, true, 10, 10, false, false },
    { "newer", { .path = "f", .mtime_s = 11 }, true, 10, 10, false, true },
    { "no epoch", { .path = "f", .mtime_s = 11 }, false, 0, 11, false, false },
    { "a user's file of 1970", { .path = "f" }, true, 10, 0, false, false },
    { "our file", { .path = "f", .mtime_ns = OUR_FILE_NS }, true, 10, 10, true, true },
    { "our file, no epoch", { .path = "f", .mtime_ns = OUR_FILE_NS }, false, 0, 0, true, false },
    { "our directory", { .path = "d", .type = TAR_DIR }, true, 10, 10, true, true },
    { "our directory at 0", { .path = "d", .type = TAR_DIR }, true, 0, 0, true, false },
    { "our directory, no epoch", { .path = "d", .type = TAR_DIR }, false, 0, 0, true, false },
    { "before 1970", { .path = "f", .mtime_s = -5 }, true, 10, -5, false, false },
};

static void times_are_told(void **state)
{
    const struct layer_bench *b = *state;
    for (size_t i = 0; i < COUNT(times); i++) {
        const struct times_case *c = &times[i];
        struct error err = { 0 };
        char id[LAYER_ID_SIZE];
        struct writing x = begin(b);
        x.options.diff = (struct diff_options){ c->has_epoch, c->epoch_s };
        assert_ok(put(&x, c->entry, "", &err), &err);
        struct layer_times about = end(&x, id);
        if (about.newest_s != c->newest_s || about.has_our_times != c->our_times ||
            about.is_clamped != c->is_clamped)
            fail_msg("%s: newest %lld, ours %d, clamped %d", c->what, (long long)about.newest_s,
                     about.has_our_times, about.is_clamped);
    }
}

static void an_empty_layer(void **state)
{
    const struct layer_bench *b = *state;
    char id[LAYER_ID_SIZE];
    struct packed_layer about;
    struct writing x = begin(b);
    struct layer_times empty = end(&x, id);
    assert_true(packed_layer_find(&b->store, id, &about));
    assert_int_equal(about.tar_size, 1024);
    assert_true(layer_times_fit(&empty, false, 0));
    assert_true(layer_times_fit(&empty, true, 5));
    assert_true(layer_times_fit(&empty, true, 0));
}

/* What is kept for --chown is what is in the tar. */
static void accounts_are_in_the_index(void **state)
{
    const struct layer_bench *b = *state;
    struct error err = { 0 };
    struct index_hit hit;
    char id[LAYER_ID_SIZE];
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    struct writing x = begin(b);
    assert_ok(put(&x, (struct tar_entry){ .path = "etc/passwd" }, "root:x:0:0\n", &err), &err);
    end(&x, id);
    auto_(layer_index) struct layer_index *index = layer_index_open(&b->store, id);
    assert_non_null(index);
    assert_ok(layer_index_find(index, "etc/passwd", &hit, &e, &err), &err);
    assert_ok(fd_read_all(e.fd, 100, "passwd", &text, &err), &err);
    assert_string_equal(text.buf, "root:x:0:0\n");
}

/* The digest is that of a read by itself, the bytes are those of a plain entry. */
static void a_shared_read(void **state)
{
    const struct layer_bench *b = *state;
    auto_close int files = make_files(b, 1000);
    static const size_t sizes[] = {
        0, 1, 100000, FILE_DIGEST_CHUNK, FILE_DIGEST_CHUNK + 1, 3 * FILE_DIGEST_CHUNK + 5
    };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct error err = { 0 };
        char ids[3][LAYER_ID_SIZE];
        struct digest digests[3];
        enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
        char room[1000];
        auto_free char *text = xmalloc(sizes[i] + 1);
        memset(text, 'y', sizes[i]);
        text[sizes[i]] = '\0';
        test_write_file(files, "file", text);
        for (size_t k = 0; k < 3; k++) {
            struct face_options o = layer_bench_faces(b);
            const struct file_digesting alone = { .pool = k ? b->pool : NULL };
            struct layer_writer *w = NULL;
            auto_(fs_entry) struct fs_entry e = { .fd = -1 };
            assert_ok(fs_entry_open(files, "file", "file", &e, &kind, &err), &err);
            assert_ok(packed_writer_open(&o, &w, &err), &err);
            struct layer_file f = {
                .e = &e, .wants_digest = true, .room = room, .room_size = sizeof room
            };
            if (k == 2 && w->ops->file_ahead(w, &f))
                close(take_fd(&e.fd));
            if (k) {
                assert_ok(w->ops->file(w, &f, &err), &err);
                digests[k] = f.digest;
            } else {
                assert_ok(w->ops->entry(w, &e.tar, e.fd, &err), &err);
                assert_int_equal(lseek(e.fd, 0, SEEK_SET), 0);
                assert_ok(file_digest(&alone, &e, &digests[k], &err), &err);
            }
            commit(w, ids[k]);
        }
        for (size_t k = 1; k < 3; k++) {
            assert_string_equal(ids[0], ids[k]);
            assert_true(digest_equal(&digests[0], &digests[k]));
        }
    }
}

static void nothing_is_left_of_what_is_discarded(void **state)
{
    const struct layer_bench *b = *state;
    struct error err = { 0 };
    auto_(strvec) struct strvec names = { 0 };
    struct writing x = begin(b);
    assert_ok(put(&x, (struct tar_entry){ .path = "a" }, "text", &err), &err);
    x.w->ops->discard(x.w);
    auto_close int indexes = openat(b->store.fd, "indexes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(dir_list(indexes, "indexes", &names, &err), &err);
    assert_ok(dir_list(b->store.blobs_fd, "blobs", &names, &err), &err);
    assert_int_equal(names.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_trees_give_the_same_bytes, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(the_order_is_that_of_a_walk, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(the_last_word_on_a_directory_counts, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(times_are_told, layer_bench_setup, layer_bench_teardown),
        cmocka_unit_test_setup_teardown(an_empty_layer, layer_bench_setup, layer_bench_teardown),
        cmocka_unit_test_setup_teardown(accounts_are_in_the_index, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(a_shared_read, layer_bench_setup, layer_bench_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_of_what_is_discarded, layer_bench_setup,
                                        layer_bench_teardown),
    };
    return cmocka_run_group_tests_name("packed_writer", tests, NULL, NULL);
}
