/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/packed_layer.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "lib/store/blob.h"
#include "lib/store/gc.h"
#include "lib/store/image_store.h"
#include "tests/support/test.h"

#define ID "00000000000000000000000000000000000000000000000000000000000000aa"

static int setup(void **state)
{
    struct error err = { 0 };
    struct store *store = xcalloc(1, sizeof *store);
    auto_free char *dir = test_tmpdir();
    auto_free char *path = xasprintf("%s/store", dir);
    assert_ok(store_open(store, path, &err), &err);
    assert_ok(store_lease(store, &err), &err);
    *state = store;
    return 0;
}

static int teardown(void **state)
{
    struct store *store = *state;
    char *dir = xstrndup(store->path, strlen(store->path) - strlen("/store"));
    store_close(store);
    free(store);
    test_tmpdir_remove(dir);
    return 0;
}

enum { NONE = -1000 };

static const struct fits_case {
    int64_t newest;
    bool our_times;
    int64_t clamped_to; /* NONE: it was not */
    int64_t epoch;      /* NONE: a build without */
    bool fits;
} cases[] = {
    /* What was not touched fits whatever would not touch it. */
    { 5, false, NONE, NONE, true },
    { 5, false, NONE, 5, true },
    { 5, false, NONE, 6, true },
    { 5, false, NONE, 4, false },
    { -5, false, NONE, 0, true },
    { INT64_MIN, false, NONE, 0, true },
    { INT64_MAX, false, NONE, NONE, true },
    { INT64_MAX, false, NONE, INT64_MAX, true },
    /* What we made follows the epoch. */
    { 5, true, NONE, NONE, true },
    { 5, true, NONE, 6, false },
    { 0, true, NONE, 0, false },
    /* What was set back fits that epoch alone. */
    { 5, false, 5, 5, true },
    { 5, false, 5, 4, false },
    { 5, false, 5, 6, false },
    { 5, false, 5, NONE, false },
    { 0, true, 0, 0, true },
    { 7, true, 7, 7, true },
    { 7, true, 7, 8, false },
    { 7, true, 7, NONE, false },
};

static struct packed_layer layer_of(const struct fits_case *c)
{
    return (struct packed_layer){ .newest_s = c->newest,
                                  .has_our_times = c->our_times,
                                  .is_clamped = c->clamped_to != NONE,
                                  .epoch_s = c->clamped_to != NONE ? c->clamped_to : 0,
                                  .layout = "tar-1",
                                  .tar_size = 5 };
}

/* As it was made, and as it is read again. */
static void fits_an_epoch_or_not(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct fits_case *c = &cases[i];
        bool has_epoch = c->epoch != NONE;
        struct packed_layer layer = layer_of(c);
        struct packed_layer found;
        assert_ok(blob_put(store, "blob", 4, &layer.blob, &err), &err);
        layer.blob_size = 4;
        assert_ok(packed_layer_put(store, ID, &layer, &err), &err);
        assert_true(packed_layer_find(store, ID, &found));
        if (packed_layer_fits(&layer, has_epoch, c->epoch) != c->fits ||
            packed_layer_fits(&found, has_epoch, c->epoch) != c->fits)
            fail_msg("case %zu: it should %sfit", i, c->fits ? "" : "not ");
        assert_true(found.newest_s == c->newest);
        assert_string_equal(found.layout, "tar-1");
        assert_int_equal(found.tar_size, 5);
    }
}

static void counts_only_while_its_blob_is_there(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    char hex[DIGEST_HEX_SIZE];
    struct packed_layer layer = layer_of(&cases[0]);
    struct packed_layer found;
    assert_false(packed_layer_find(store, ID, &found));
    assert_ok(blob_put(store, "blob", 4, &layer.blob, &err), &err);
    layer.blob_size = 5;
    assert_ok(packed_layer_put(store, ID, &layer, &err), &err);
    assert_false(packed_layer_find(store, ID, &found));
    layer.blob_size = 4;
    assert_ok(packed_layer_put(store, ID, &layer, &err), &err);
    assert_true(packed_layer_find(store, ID, &found));
    digest_hex(&layer.blob, hex);
    assert_int_equal(unlinkat(store->blobs_fd, hex, 0), 0);
    assert_false(packed_layer_find(store, ID, &found));
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
    struct gc_result result;
    struct packed_layer found;
    struct packed_layer layer = layer_of(&cases[0]);
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
    assert_ok(gc_run(store, &result, &err), &err);
    assert_true(packed_layer_find(store, ids[0], &found));
    assert_false(packed_layer_find(store, ids[1], &found));
    assert_int_equal(files_in(store, "indexes"), 1);
    assert_int_equal(result.blobs, 1);
    assert_int_equal(result.records, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fits_an_epoch_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_only_while_its_blob_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(prune_keeps_what_an_image_needs, setup, teardown),
    };
    return cmocka_run_group_tests_name("packed_layer", tests, NULL, NULL);
}
