/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/oci_layout.h"

#include <fcntl.h>

#include "lib/base/mem.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tarball_may_be_begun_before_its_end_is_known,
                                        store_fixture_setup, store_fixture_teardown),
        cmocka_unit_test_setup_teardown(another_beginning_is_told, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test(a_raised_cancel_stops_the_export),
    };
    return cmocka_run_group_tests_name("oci_layout", tests, NULL, NULL);
}
