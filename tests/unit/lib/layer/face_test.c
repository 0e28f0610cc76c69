/* SPDX-License-Identifier: Apache-2.0 */
/* The blob face: made once, from a tree or from a packed layer. That both give the same is in
 * packed_writer_test.c. */
#include "lib/layer/face.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/layer/packed_writer.h"
#include "lib/store/blob.h"
#include "tests/support/layer_bench.h"

/* A packed layer with one file. */
static void make_packed(const struct layer_bench *b, const char *text,
                        char id[static LAYER_ID_SIZE])
{
    struct error err = { 0 };
    struct layer_writer *w = NULL;
    struct face_options o = layer_bench_faces(b);
    struct tar_entry e = { .path = "file", .type = TAR_FILE, .mode = 0644, .size = strlen(text) };
    test_write_file(b->dir->fd, "source", text);
    auto_close int fd = openat(b->dir->fd, "source", O_RDONLY | O_CLOEXEC);
    assert_ok(packed_writer_open(&o, &w, &err), &err);
    assert_ok(w->ops->entry(w, &e, fd, &err), &err);
    struct written_layer written;
    assert_ok(w->ops->commit(w, "", &written, &err), &err);
    snprintf(id, LAYER_ID_SIZE, "%s", written.id);
}

static void the_diff_id_is_known_without_a_snapshotter(void **state)
{
    const struct layer_bench *b = *state;
    struct error err = { 0 };
    struct face_options o = layer_bench_faces(b);
    struct layer_face face;
    char id[LAYER_ID_SIZE];
    char hex[DIGEST_HEX_SIZE];
    bool found = false;
    make_packed(b, "text", id);
    o.snapshotter = NULL;
    assert_ok(layer_face_get(&o, id, &face, &found, &err), &err);
    assert_true(found);
    digest_hex(&face.diff_id, hex);
    assert_string_equal(hex, id);
    assert_int_equal(face.tar_size, 2048);
    o.pack = true;
    assert_ok(layer_face_get(&o, id, &face, &found, &err), &err);
    assert_false(found);
    assert_ok(layer_face_get(&o, "none", &face, &found, &err), &err);
    assert_false(found);
}

/* Asked again, nothing is read. */
static void packing_is_done_once(void **state)
{
    const struct layer_bench *b = *state;
    struct error err = { 0 };
    struct face_options o = layer_bench_faces(b);
    struct layer_face first;
    struct layer_face second;
    char id[LAYER_ID_SIZE];
    bool found = false;
    make_packed(b, "text", id);
    o.pack = true;
    assert_ok(layer_face_get(&o, id, &first, &found, &err), &err);
    assert_true(found && first.has_blob);
    assert_int_equal(first.blob.media_type, MEDIA_LAYER_GZIP);
    o.snapshotter = NULL;
    assert_ok(layer_face_get(&o, id, &second, &found, &err), &err);
    assert_true(found && second.has_blob);
    assert_true(digest_equal(&first.blob.digest, &second.blob.digest));
    o.packing = (struct packing)PACKING_NONE;
    assert_ok(layer_face_get(&o, id, &second, &found, &err), &err);
    assert_true(found && second.has_blob);
    assert_true(digest_equal(&second.blob.digest, &second.diff_id));
}

static void a_damaged_blob_is_not_packed(void **state)
{
    const struct layer_bench *b = *state;
    struct error err = { 0 };
    struct face_options o = layer_bench_faces(b);
    struct layer_face face;
    char id[LAYER_ID_SIZE];
    bool found = false;
    make_packed(b, "text", id);
    o.pack = true;
    assert_int_equal(fchmodat(b->store.blobs_fd, id, 0600, 0), 0);
    auto_close int fd = openat(b->store.blobs_fd, id, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "T", 1, 512), 1);
    assert_error(layer_face_get(&o, id, &face, &found, &err), &err, ERROR_CORRUPT, "layer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_diff_id_is_known_without_a_snapshotter,
                                        layer_bench_setup, layer_bench_teardown),
        cmocka_unit_test_setup_teardown(packing_is_done_once, layer_bench_setup,
                                        layer_bench_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_blob_is_not_packed, layer_bench_setup,
                                        layer_bench_teardown),
    };
    return cmocka_run_group_tests_name("face", tests, NULL, NULL);
}
