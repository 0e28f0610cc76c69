/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/oci_layout.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/thread_pool.h"
#include "lib/oci/descriptor.h"
#include "lib/store/blob.h"
#include "tests/support/memory_stream.h"
#include "tests/support/store_fixture.h"
#include "tests/support/test.h"

static void a_raised_cancel_stops_the_export(void **state)
{
    struct error err = { 0 };
    struct cancel cancel;
    struct store store;
    struct image_record image = { .has_manifest = true, .manifest_type = (char *)"" };
    const struct layout_item item = { .image = &image };
    struct layout_export e = {
        .store = &store, .items = &item, .item_count = 1, .cancel = &cancel
    };
    char *path = test_tmpdir();
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_free char *store_path = xasprintf("%s/store", path);
    (void)state;
    assert_ok(store_open(&store, store_path, &err), &err);
    assert_ok(store_lease(&store, &err), &err);
    assert_ok(blob_put(&store, "{}", 2, &image.manifest, &err), &err);
    image.config = image.manifest;
    assert_ok(cancel_init(&cancel, &err), &err);
    cancel_raise(&cancel);
    assert_error(layout_write_dir(&e, dir, &err), &err, ERROR_CANCELLED, "interrupted");
    assert_int_equal(faccessat(dir, "index.json", F_OK, 0), -1);
    cancel_release(&cancel);
    store_close(&store);
    close(dir);
    test_tmpdir_remove(path);
}

enum { LAYERS = 4 };

/* An image, the second layer of which is there twice, on its way out. */
struct sample {
    struct image_record_layer layers[LAYERS];
    struct image_record image;
    struct layout_item item;
    struct layout_export e;
};

static void make_sample(const struct store *store, struct sample *x)
{
    static const char *const contents[LAYERS] = { "lowest", "twice", "", "twice" };
    struct error err = { 0 };
    *x = (struct sample){ .image = { .has_manifest = true,
                                     .manifest_type = (char *)"",
                                     .layers = x->layers,
                                     .layer_count = LAYERS },
                          .item.image = &x->image,
                          .e = { .store = store, .items = &x->item, .item_count = 1 } };
    for (size_t i = 0; i < LAYERS; i++)
        assert_ok(blob_put(store, contents[i], strlen(contents[i]), &x->layers[i].blob, &err),
                  &err);
    assert_ok(blob_put(store, "config", 6, &x->image.config, &err), &err);
    assert_ok(blob_put(store, "manifest", 8, &x->image.manifest, &err), &err);
}

static void a_tarball_may_be_begun_before_its_end_is_known(void **state)
{
    struct error err = { 0 };
    struct sample x;
    make_sample(*state, &x);
    struct memory_writer whole = memory_writer_init();
    assert_ok(layout_write_tar(&x.e, &whole.base, &err), &err);
    for (size_t begun = 0; begun <= LAYERS; begun++) {
        struct memory_writer out = memory_writer_init();
        auto_(layout_tar) struct layout_tar t = { .store = NULL };
        assert_ok(layout_tar_begin(&t, *state, &out.base, &err), &err);
        for (size_t i = 0; i < begun; i++)
            assert_ok(layout_tar_add(&t, &x.layers[i].blob, &err), &err);
        assert_true(layout_tar_begins(&t, &x.e));
        assert_ok(layout_tar_finish(&t, &x.e, &err), &err);
        assert_int_equal(out.data.len, whole.data.len);
        assert_memory_equal(out.data.buf, whole.data.buf, whole.data.len);
        strbuf_release(&out.data);
    }
    strbuf_release(&whole.data);
}

static void another_beginning_is_told(void **state)
{
    struct error err = { 0 };
    struct sample x;
    make_sample(*state, &x);
    struct memory_writer out = memory_writer_init();
    auto_(layout_tar) struct layout_tar t = { .store = NULL };
    assert_ok(layout_tar_begin(&t, *state, &out.base, &err), &err);
    assert_ok(layout_tar_add(&t, &x.layers[0].blob, &err), &err);
    assert_ok(layout_tar_add(&t, &x.layers[2].blob, &err), &err);
    assert_false(layout_tar_begins(&t, &x.e));
    x.image.layer_count = 1; /* then the configuration is to follow */
    assert_false(layout_tar_begins(&t, &x.e));
    const struct digest missing = { { 1 } };
    assert_error(layout_tar_add(&t, &missing, &err), &err, ERROR_NOT_FOUND, "0100");
    strbuf_release(&out.data);
}

enum { BUILDERS = 6, TIMES = 30 };

/* One of several builders: image after image is named, and the index refreshed. */
static void name_images(void *arg, size_t builder)
{
    const struct sample *x = arg;
    for (size_t i = 0; i < TIMES; i++) {
        struct error err = { 0 };
        struct image_record image = x->image;
        auto_free char *name = xasprintf("docker.io/library/img:%zu-%zu", builder, i);
        image.name = name;
        assert_ok(image_store_put(x->e.store, &image, &err), &err);
        assert_ok(layout_refresh_store(x->e.store, &err), &err);
    }
}

/* ... and written to one directory. */
static void write_images(void *arg, size_t builder)
{
    const struct sample *x = arg;
    auto_close int dir = openat(x->e.store->fd, "../layout", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < TIMES; i++) {
        struct error err = { 0 };
        struct layout_item item = x->item;
        struct layout_export e = x->e;
        auto_free char *name = xasprintf("docker.io/library/img:%zu-%zu", builder, i);
        item.names = (struct strvec){ &name, 1, 1 };
        e.items = &item;
        assert_ok(layout_write_dir(&e, dir, &err), &err);
    }
}

static size_t entries_of(int dir_fd, const char *path)
{
    struct error err = { 0 };
    auto_(index) struct index index = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    assert_ok(fd_read_file(dir_fd, path, OCI_DOCUMENT_MAX, &text, &err), &err);
    assert_ok(index_parse(text.buf, text.len, MEDIA_INDEX, &index, &err), &err);
    return index.count;
}

static void no_entry_is_lost_between_builders(void **state)
{
    const struct store *store = *state;
    struct sample x;
    make_sample(store, &x);
    x.image.created = (char *)"1970-01-01T00:00:00Z";
    x.image.manifest_type = (char *)media_type_print(MEDIA_MANIFEST);
    for (size_t i = 0; i < LAYERS; i++)
        x.layers[i].has_blob = true;
    x.layers[0].blob_size = strlen("lowest");
    x.layers[1].blob_size = x.layers[3].blob_size = strlen("twice");
    x.image.manifest_size = strlen("manifest");
    assert_int_equal(mkdirat(store->fd, "../layout", 0700), 0);
    struct thread_pool *pool = thread_pool_new(BUILDERS);
    parallel_for(pool, BUILDERS, BUILDERS, name_images, &x);
    parallel_for(pool, BUILDERS, BUILDERS, write_images, &x);
    thread_pool_free(pool);
    assert_int_equal(entries_of(store->fd, "index.json"), BUILDERS * TIMES);
    assert_int_equal(entries_of(store->fd, "../layout/index.json"), BUILDERS * TIMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tarball_may_be_begun_before_its_end_is_known,
                                        store_fixture_setup, store_fixture_teardown),
        cmocka_unit_test_setup_teardown(another_beginning_is_told, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(no_entry_is_lost_between_builders, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test(a_raised_cancel_stops_the_export),
    };
    return cmocka_run_group_tests_name("oci_layout", tests, NULL, NULL);
}
