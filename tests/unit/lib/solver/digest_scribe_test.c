/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told of files while they are copied knows the digest that a walk would find. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/layer/packed_writer.h"
#include "lib/solver/copy.h"
#include "tests/support/copy_bench.h"
#include "tests/support/layer_bench.h"

enum { TREES = 20 };

static int make_context(const struct layer_bench *b, size_t number)
{
    char name[32];
    snprintf(name, sizeof name, "context%zu", number);
    assert_int_equal(mkdirat(b->dir->fd, name, 0755), 0);
    return openat(b->dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void make_socket(int dir_fd, const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
}

static void forget_indexes(const struct store *store)
{
    struct error err = { 0 };
    auto_(strvec) struct strvec names = { 0 };
    auto_close int fd = openat(store->fd, "contexts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(dir_list(fd, "contexts", &names, &err), &err);
    for (size_t i = 0; i < names.count; i++)
        assert_int_equal(unlinkat(fd, names.items[i], 0), 0);
}

enum written_as { AS_BLOB, AS_TREE };

static struct layer_writer *open_writer(const struct layer_bench *b, enum written_as as,
                                        const struct face_options *faces)
{
    struct error err = { 0 };
    struct layer_writer *w = NULL;
    assert_ok(as == AS_BLOB ? packed_writer_open(faces, &w, &err)
                            : b->snapshotter->ops->layer_write(b->snapshotter, &w, &err),
              &err);
    return w;
}

static void commit(struct layer_writer *w, const struct face_options *faces,
                   struct digest *out_diff_id)
{
    struct error err = { 0 };
    struct written_layer written;
    bool found = false;
    struct layer_face face;
    assert_ok(w->ops->commit(w, "", &written, &err), &err);
    assert_ok(layer_face_get(faces, written.id, &face, &found, &err), &err);
    assert_true(found);
    *out_diff_id = face.diff_id;
}

/* A way to copy. */
struct copying {
    const struct layer_bench *bench;
    enum written_as as;
    const struct op_copy *op;
    const struct selection_digesting *from;
    struct digest diff_id; /* of what was written */
};

/* Copies, and tells `scribe`. False: the files came in an order that is not for a blob. */
static bool copy_for(struct copying *x, struct digest_scribe *scribe)
{
    const struct layer_bench *b = x->bench;
    struct error err = { 0 };
    struct digest facts;
    struct face_options faces = layer_bench_faces(b);
    struct layer_writer *w = open_writer(b, x->as, &faces);
    auto_close int empty = openat(b->dir->fd, "empty", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_(lower) struct lower *lower = lower_of_directory_take(fcntl(empty, F_DUPFD_CLOEXEC, 0));
    struct copy_input inputs[2] = {
        [1] = { .from = *x->from->from, .selection = x->from->selection, .scribe = scribe }
    };
    auto_(copy) struct copy c = { .op = x->op, .inputs = inputs, .lower = lower, .pool = b->pool };
    assert_ok(copy_open(&c, &err), &err);
    int rc = copy_write(&c, w, &facts, &err);
    if (rc < 0 && x->as == AS_BLOB && packed_writer_is_disordered(w)) {
        w->ops->discard(w);
        error_clear(&err);
        return false;
    }
    assert_ok(rc, &err);
    commit(w, &faces, &x->diff_id);
    return true;
}

static bool digest_by_scribe(const struct layer_bench *b, const struct op_copy *op,
                             const struct selection_digesting *o, struct digest *out)
{
    struct copying x = { b, AS_BLOB, op, o, { { 0 } } };
    auto_(digest_scribe) struct digest_scribe *scribe = digest_scribe_open(o);
    return copy_for(&x, scribe) && digest_scribe_finish(scribe, out);
}

/* What checks sees that nothing changed since a walk has looked, and when something may have.
 * False: some file has a time at which the index does not know it. */
static bool check(const struct layer_bench *b, const struct op_copy *op,
                  const struct selection_digesting *o, const struct digest *expected)
{
    /* Files of the context become root's. */
    enum written_as last = geteuid() == 0 ? AS_TREE : AS_BLOB;
    struct copying ways[2] = { { b, AS_BLOB, op, o, { { 0 } } }, { b, last, op, o, { { 0 } } } };
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct digest found;
        auto_(digest_scribe) struct digest_scribe *scribe = digest_scribe_open_check(o);
        if (!scribe)
            return true;
        assert_true(copy_for(&ways[i], scribe));
        if (!digest_scribe_finish(scribe, &found))
            return false;
        assert_true(digest_equal(&found, expected));
    }
    assert_true(digest_equal(&ways[0].diff_id, &ways[1].diff_id));
    forget_indexes(&b->store);
    struct digest now;
    auto_(digest_scribe) struct digest_scribe *scribe = digest_scribe_open_check(o);
    assert_true(copy_for(&ways[1], scribe));
    /* Else there is no file in it. */
    if (digest_scribe_finish(scribe, &now))
        assert_true(digest_equal(&now, expected));
    return true;
}

/* Files are older than the walk that comes now, by the clock that stamps them. */
static void settle(void)
{
    const struct timespec pause = { .tv_nsec = 30 * 1000 * 1000 };
    nanosleep(&pause, NULL);
}

/* By the scribe, by a walk that knows what the scribe has left, by one that knows nothing, by one
 * thread, and by a walk that knows what a walk has left. */
static bool compare(const struct layer_bench *b, int context_fd, const struct op_copy *op,
                    const struct pattern_list *exclude, const char *what, bool in_order)
{
    struct error err = { 0 };
    struct digest digests[5];
    auto_(selection) struct selection selection = { 0 };
    const struct file_source from = { .name = "the context",
                                      .root_fd = context_fd,
                                      .is_context = true,
                                      .exclude = exclude,
                                      .path = "/context" };
    struct selection_digesting o = {
        .from = &from, .selection = &selection, .store = &b->store, .pool = b->pool
    };
    assert_ok(selection_find(&from, op, 1, &selection, &err), &err);
    forget_indexes(&b->store);
    assert_false(selection_is_known(&o));
    if (digest_by_scribe(b, op, &o, &digests[0]) != in_order)
        fail_msg("%s: %sin order", what, in_order ? "not " : "");
    if (!in_order)
        return true;
    assert_true(selection_is_known(&o));
    assert_ok(selection_digest(&o, &digests[1], &err), &err);
    forget_indexes(&b->store);
    o.pool = NULL;
    assert_ok(selection_digest(&o, &digests[2], &err), &err);
    forget_indexes(&b->store);
    o.pool = b->pool;
    assert_ok(selection_digest(&o, &digests[3], &err), &err);
    assert_ok(selection_digest(&o, &digests[4], &err), &err);
    for (size_t i = 1; i < COUNT(digests); i++) {
        if (!digest_equal(&digests[i], &digests[0]))
            fail_msg("%s: the digest of way %zu is another one", what, i);
    }
    return check(b, op, &o, &digests[0]);
}

#define FILES                                                                                      \
    "d 0750 dir\nf 0640 dir/a one\nh dir/b dir/a\nd 0700 dir/sub\nh dir/sub/c dir/a\nl dir/l a\n"  \
    "h dir/m dir/l\np dir/p\nh dir/q dir/p\nf 0600 x text\nf 0600 y text\nh z x\nl link x\np "     \
    "fifo\n"

#define FROM(place)                                                                                \
    {                                                                                              \
        .input = 1, .path = (place)                                                                \
    }

static const struct scribe_case {
    const char *name;
    struct copy_source sources[4];
    const char *exclude[3]; /* --exclude */
    const char *ignore;     /* of the context */
    bool is_disordered;
} cases[] = {
    { .name = "a file", .sources = { FROM("x") } },
    { .name = "files", .sources = { FROM("x"), FROM("y") } },
    { .name = "files, backwards", .sources = { FROM("y"), FROM("x") } },
    { .name = "two names of a file", .sources = { FROM("x"), FROM("z") } },
    { .name = "a pattern", .sources = { FROM("[xyz]") } },
    { .name = "a link", .sources = { FROM("link") } },
    { .name = "the same file twice", .sources = { FROM("x"), FROM("x") }, .is_disordered = true },
    { .name = "a directory", .sources = { FROM("dir") } },
    { .name = "all", .sources = { FROM(".") } },
    { .name = "all but some", .sources = { FROM(".") }, .exclude = { "dir/a", "y" } },
    { .name = "all but what is ignored", .sources = { FROM(".") }, .ignore = "dir/sub" },
    { .name = "a first name is left out", .sources = { FROM("dir") }, .exclude = { "a" } },
    { .name = "a fifo in a directory", .sources = { FROM("dir") }, .ignore = "dir/l" },
};

static void lists_and_directories(void **state)
{
    const struct layer_bench *b = *state;
    auto_close int context = make_context(b, 0);
    assert_int_equal(mkdirat(b->dir->fd, "empty", 0755), 0);
    tree_make(context, FILES);
    make_socket(context, "dir/socket");
    assert_int_equal(linkat(context, "dir/socket", context, "dir/socket2", 0), 0);
    settle();
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct scribe_case *c = &cases[i];
        struct error err = { 0 };
        struct op_copy op = { .sources = c->sources, .dest = "/to/", .exclude = c->exclude };
        const char *const ignored[] = { c->ignore, NULL };
        auto_(pattern_list) struct pattern_list exclude = { 0 };
        while (c->sources[op.source_count].path)
            op.source_count++;
        assert_ok(pattern_list_from(ignored, ".dockerignore", &exclude, &err), &err);
        assert_true(compare(b, context, &op, &exclude, c->name, !c->is_disordered));
    }
}

static void random_contexts(void **state)
{
    const struct layer_bench *b = *state;
    const struct copy_source all = FROM(".");
    const struct op_copy op = { .sources = &all, .source_count = 1, .dest = "/to" };
    size_t known = 0;
    layer_bench_need_root();
    assert_int_equal(mkdirat(b->dir->fd, "empty", 0755), 0);
    for (size_t seed = 0; seed < TREES; seed++) {
        struct random r = { seed };
        auto_close int context = make_context(b, seed);
        random_files(&r, context, 2);
        settle();
        auto_free char *what = xasprintf("seed %zu", seed);
        known += compare(b, context, &op, NULL, what, true);
    }
    assert_int_not_equal(known, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_and_directories, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(random_contexts, layer_bench_setup, layer_bench_teardown),
    };
    return cmocka_run_group_tests_name("digest_scribe", tests, NULL, NULL);
}
