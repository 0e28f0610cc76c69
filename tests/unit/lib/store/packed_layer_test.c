/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/packed_layer.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "lib/store/blob.h"
#include "lib/store/gc.h"
#include "lib/store/image_store.h"
#include "tests/support/store_fixture.h"
#include "tests/support/test.h"

#define ID "00000000000000000000000000000000000000000000000000000000000000aa"

static void counts_only_while_its_blob_is_there(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    char hex[DIGEST_HEX_SIZE];
    struct packed_layer layer = { .layout = "tar-1", .tar_size = 5 };
    struct packed_layer found;
    assert_false(packed_layer_find(store, ID, &found));
    assert_ok(blob_put(store, "blob", 4, &layer.blob, &err), &err);
    layer.blob_size = 5;
    assert_ok(packed_layer_put(store, ID, &layer, &err), &err);
    assert_false(packed_layer_find(store, ID, &found));
    layer.blob_size = 4;
    assert_ok(packed_layer_put(store, ID, &layer, &err), &err);
    assert_true(packed_layer_find(store, ID, &found));
    assert_string_equal(found.layout, "tar-1");
    assert_int_equal(found.tar_size, 5);
    digest_hex(&layer.blob, hex);
    assert_int_equal(unlinkat(store->blobs_fd, hex, 0), 0);
    assert_false(packed_layer_find(store, ID, &found));
}

static void what_an_image_needs_survives_being_made_again(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct packed_layer layer = { .layout = "tar-1", .tar_size = 5, .blob_size = 4 };
    assert_ok(blob_put(store, "blob", 4, &layer.blob, &err), &err);
    assert_ok(packed_layer_put(store, ID, &layer, &err), &err);
    assert_ok(store_sync(store, &err), &err);
    assert_ok(packed_layer_put(store, ID, &layer, &err), &err);
    memset(store->boot_id, 'f', sizeof store->boot_id - 1);
    assert_true(packed_layer_find(store, ID, &layer));
}

static size_t files_in(const struct store *store, const char *folder)
{
    struct error err = { 0 };
    auto_(strvec) struct strvec names = { 0 };
    auto_close int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(dir_list(fd, folder, &names, &err), &err);
    return names.count;
}

/* Of two layers, each with blob and index, an image needs the first. */
static void prune_keeps_what_an_image_needs(void **state)
{
    static const char *const ids[] = {
        ID, "00000000000000000000000000000000000000000000000000000000000000bb"
    };
    struct store *store = *state;
    struct error err = { 0 };
    const struct gc_policy everything = { 0 };
    struct gc_result result;
    struct packed_layer found;
    struct packed_layer layer = { .layout = "tar-1", .tar_size = 5 };
    struct image_record_layer needed = { 0 };
    struct image_record image = { .name = (char *)"docker.io/library/a:latest",
                                  .created = (char *)"2020-01-01T00:00:00Z",
                                  .layers = &needed,
                                  .layer_count = 1 };
    for (size_t i = 0; i < COUNT(ids); i++) {
        auto_free char *index = xasprintf("indexes/%s", ids[i]);
        assert_ok(blob_put(store, ids[i], 64, &layer.blob, &err), &err);
        layer.blob_size = 64;
        assert_ok(packed_layer_put(store, ids[i], &layer, &err), &err);
        test_write_file(store->fd, index, "index");
    }
    assert_ok(blob_put(store, "{}", 2, &image.config, &err), &err);
    snprintf(needed.id, sizeof needed.id, "%s", ids[0]);
    assert_ok(image_store_put(store, &image, &err), &err);
    assert_ok(gc_run(store, &everything, &result, &err), &err);
    assert_true(packed_layer_find(store, ids[0], &found));
    assert_false(packed_layer_find(store, ids[1], &found));
    assert_int_equal(files_in(store, "indexes"), 1);
    assert_int_equal(result.blobs, 1);
    assert_int_equal(result.records, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_only_while_its_blob_is_there, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_an_image_needs_survives_being_made_again,
                                        store_fixture_setup, store_fixture_teardown),
        cmocka_unit_test_setup_teardown(prune_keeps_what_an_image_needs, store_fixture_setup,
                                        store_fixture_teardown),
    };
    return cmocka_run_group_tests_name("packed_layer", tests, NULL, NULL);
}
