/* SPDX-License-Identifier: Apache-2.0 */
/* The tar stream of a base layer that is in the store, or on its way, or not what it should be. */
#include "lib/solver/layer_blob.h"

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>

#include "lib/base/mem.h"
#include "lib/codec/pack.h"
#include "lib/solver/solver_internal.h"
#include "lib/store/blob.h"
#include "tests/support/memory_stream.h"
#include "tests/support/test.h"

enum { PLAIN_LEN = 3 * 1000 * 1000 };
#define LAYER_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What becomes of the transfer. */
enum fate { FATE_WELL, FATE_FAILS, FATE_STUCK, FATE_ANOTHER };

struct provider {
    struct blob_provider base;
    const struct store *store;
    struct strbuf packed;
    enum fate fate;
    atomic_int opened, fetched, closed;
};

struct stream {
    struct blob_stream base;
    struct provider *provider;
    size_t done;
    atomic_bool is_interrupted;
};

struct bench {
    char *path;
    struct store store;
    struct graph graph;
    struct image_layer layer;
    struct resolved_image image;
    struct provider provider;
    struct cancel cancel;
    struct thread_pool *pool;
    struct solver *solver;
    struct strbuf plain;
};

static int put(struct provider *p, struct error *err)
{
    struct digest digest;
    return blob_put(p->store, p->packed.buf, p->packed.len, &digest, err);
}

static int provider_fetch(struct blob_provider *base, const struct descriptor *blob,
                          unsigned vertex, struct error *err)
{
    struct provider *p = (struct provider *)base;
    (void)blob;
    (void)vertex;
    atomic_fetch_add(&p->fetched, 1);
    return put(p, err);
}

static ssize_t stream_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    enum { PIECE = 70000 };
    struct stream *s = (struct stream *)base;
    struct provider *p = s->provider;
    size_t left = p->packed.len - s->done;
    size_t n = left < PIECE ? left : PIECE;
    n = n < cap ? n : cap;
    if (left < p->packed.len / 2 && p->fate == FATE_FAILS)
        return error_set(err, ERROR_NETWORK, 0, "the line went dead");
    while (left < p->packed.len / 2 && p->fate == FATE_STUCK) {
        if (atomic_load(&s->is_interrupted))
            return error_set(err, ERROR_CANCELLED, 0, "interrupted");
        poll(NULL, 0, 1);
    }
    memcpy(buf, p->packed.buf + s->done, n);
    if (p->fate == FATE_ANOTHER && s->done == 0)
        ((char *)buf)[n / 2] ^= 1;
    s->done += n;
    return n == 0 && put(p, err) < 0 ? -1 : (ssize_t)n;
}

static void stream_interrupt(struct blob_stream *base)
{
    atomic_store(&((struct stream *)base)->is_interrupted, true);
}

static void stream_close(struct blob_stream *base)
{
    struct stream *s = (struct stream *)base;
    atomic_fetch_add(&s->provider->closed, 1);
    free(s);
}

static int provider_open(struct blob_provider *base, const struct descriptor *blob,
                         struct thread_pool *pool, unsigned vertex, struct blob_stream **out,
                         struct error *err)
{
    struct provider *p = (struct provider *)base;
    struct stream *s = xcalloc(1, sizeof *s);
    (void)blob;
    (void)vertex;
    (void)err;
    assert_non_null(pool);
    s->base = (struct blob_stream){ { stream_read }, stream_interrupt, stream_close };
    s->provider = p;
    atomic_fetch_add(&p->opened, 1);
    *out = &s->base;
    return 0;
}

static void pack(struct bench *b)
{
    struct error err = { 0 };
    struct memory_writer end = memory_writer_init();
    auto_(pack_writer) struct pack_writer *w =
        pack_writer_open(&pack_gzip, 1, &end.base, NULL, NULL);
    uint32_t x = 3;
    for (size_t i = 0; i < PLAIN_LEN; i++) {
        x = x * 1664525U + 1013904223U;
        strbuf_addch(&b->plain, (char)(i % 5 ? x >> 28 : x >> 24));
    }
    assert_ok(writer_write(pack_writer_base(w), b->plain.buf, b->plain.len, &err), &err);
    assert_ok(pack_writer_finish(w, &err), &err);
    b->provider.packed = end.data;
}

static int setup(void **state)
{
    struct error err = { 0 };
    struct bench *b = xcalloc(1, sizeof *b);
    b->path = test_tmpdir();
    b->plain = (struct strbuf)STRBUF_INIT;
    assert_ok(store_open(&b->store, b->path, &err), &err);
    assert_ok(cancel_init(&b->cancel, &err), &err);
    b->provider.base = (struct blob_provider){ .fetch = provider_fetch, .open = provider_open };
    b->provider.store = &b->store;
    pack(b);
    snprintf(b->layer.id, sizeof b->layer.id, "%s", LAYER_ID);
    digest_of(b->plain.buf, b->plain.len, &b->layer.diff_id);
    b->layer.blob.size = b->provider.packed.len;
    digest_of(b->provider.packed.buf, b->provider.packed.len, &b->layer.blob.digest);
    b->image = (struct resolved_image){
        .name = "base", .layers = &b->layer, .layer_count = 1, .provider = &b->provider.base
    };
    struct vertex v = { .kind = OP_IMAGE, .name = "FROM base", .image = { &b->image } };
    graph_add(&b->graph, &v);
    b->solver = solver_new(
        &(struct solver_options){ .graph = &b->graph, .store = &b->store, .cancel = &b->cancel });
    b->pool = b->solver->workers.pool = thread_pool_new(3);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    assert_int_equal(atomic_load(&b->provider.opened), atomic_load(&b->provider.closed));
    solver_free(b->solver);
    thread_pool_free(b->pool);
    graph_release(&b->graph);
    cancel_release(&b->cancel);
    store_close(&b->store);
    strbuf_release(&b->plain);
    strbuf_release(&b->provider.packed);
    test_tmpdir_remove(b->path);
    free(b);
    return 0;
}

static int read_layer(struct bench *b, enum layer_blob_source source, bool *out_is_live,
                      struct error *err)
{
    auto_(strbuf) struct strbuf got = STRBUF_INIT;
    auto_(layer_blob) struct layer_blob *blob = NULL;
    TRY(layer_blob_open(b->solver, LAYER_ID, source, 1, &blob, err));
    *out_is_live = layer_blob_is_live(blob);
    TRY(test_read_all(layer_blob_base(blob), 50000, &got, err));
    assert_int_equal(got.len, b->plain.len);
    assert_memory_equal(got.buf, b->plain.buf, got.len);
    return 0;
}

static void it_comes_live_and_then_from_the_store(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    for (int again = 0; again < 2; again++) {
        bool is_live = false;
        assert_ok(read_layer(b, LAYER_BLOB_ANY, &is_live, &err), &err);
        assert_int_equal(is_live, !again);
        assert_true(blob_exists(&b->store, &b->layer.blob.digest, b->layer.blob.size));
    }
    assert_int_equal(atomic_load(&b->provider.opened), 1);
    assert_int_equal(atomic_load(&b->provider.fetched), 0);
}

static void it_can_be_fetched_first(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool is_live = true;
    assert_ok(read_layer(b, LAYER_BLOB_FETCHED, &is_live, &err), &err);
    assert_false(is_live);
    assert_int_equal(atomic_load(&b->provider.opened), 0);
}

static void an_error_of_the_transfer_is_the_readers(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool is_live = false;
    b->provider.fate = FATE_FAILS;
    assert_error(read_layer(b, LAYER_BLOB_ANY, &is_live, &err), &err, ERROR_NETWORK,
                 "the line went dead");
    b->provider.fate = FATE_ANOTHER;
    assert_error(read_layer(b, LAYER_BLOB_ANY, &is_live, &err), &err, ERROR_CORRUPT, "layer");
    assert_true(is_live);
}

static void it_must_unpack_to_what_the_image_says(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool is_live = false;
    b->layer.diff_id.bytes[0] ^= 1;
    assert_error(read_layer(b, LAYER_BLOB_ANY, &is_live, &err), &err, ERROR_CORRUPT,
                 "but the image's configuration says");
    assert_error(read_layer(b, LAYER_BLOB_FETCHED, &is_live, &err), &err, ERROR_CORRUPT,
                 "but the image's configuration says");
}

/* Whether the transfer hangs or not; what was read is not the store's then. */
static void it_may_be_left_at_any_time(void **state)
{
    struct bench *b = *state;
    for (size_t wanted = 0; wanted < PLAIN_LEN / 2; wanted += 200000) {
        struct error err = { 0 };
        auto_free char *buf = xmalloc(wanted + 1);
        auto_(layer_blob) struct layer_blob *blob = NULL;
        b->provider.fate = FATE_STUCK;
        assert_ok(layer_blob_open(b->solver, LAYER_ID, LAYER_BLOB_ANY, 1, &blob, &err), &err);
        if (wanted < PLAIN_LEN / 3)
            assert_ok(reader_read_full(layer_blob_base(blob), buf, wanted, "layer", &err), &err);
    }
    assert_false(blob_exists(&b->store, &b->layer.blob.digest, 0));
}

static void a_cancelled_build_reads_no_more(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool is_live = false;
    cancel_raise(&b->cancel);
    assert_error(read_layer(b, LAYER_BLOB_ANY, &is_live, &err), &err, ERROR_CANCELLED, "");
}

static void a_layer_without_blob_is_not_found(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool is_live = false;
    b->layer.blob.size = 0;
    assert_error(read_layer(b, LAYER_BLOB_ANY, &is_live, &err), &err, ERROR_NOT_FOUND,
                 "is not in the store");
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(it_comes_live_and_then_from_the_store),
        BENCH_TEST(it_can_be_fetched_first),
        BENCH_TEST(an_error_of_the_transfer_is_the_readers),
        BENCH_TEST(it_must_unpack_to_what_the_image_says),
        BENCH_TEST(it_may_be_left_at_any_time),
        BENCH_TEST(a_cancelled_build_reads_no_more),
        BENCH_TEST(a_layer_without_blob_is_not_found),
    };
    return cmocka_run_group_tests_name("layer_blob", tests, NULL, NULL);
}
