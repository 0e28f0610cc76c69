/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/layer_blob.h"

#include "lib/base/mem.h"
#include "lib/base/read_ahead.h"
#include "lib/codec/decompress.h"
#include "lib/solver/solver_internal.h"
#include "lib/store/blob.h"

/* file -> decompressor -> check of the diff_id -> read_ahead */
struct layer_blob {
    int fd;
    struct fd_reader file;
    struct decompressor *plain;
    struct checked_reader {
        struct reader base;
        struct reader *in;
        struct hasher *hasher;
        struct digest expected;
        const struct cancel *cancel;
    } checked;
    struct read_ahead *ahead;
};

static int check_diff_id(struct checked_reader *r, struct error *err)
{
    struct digest actual;
    char want[DIGEST_TEXT_SIZE];
    char got[DIGEST_TEXT_SIZE];
    hasher_finish(r->hasher, &actual);
    if (digest_equal(&actual, &r->expected))
        return 0;
    digest_print(&r->expected, want);
    digest_print(&actual, got);
    return error_set(err, ERROR_CORRUPT, 0,
                     "a layer unpacks to %s, but the image's configuration says %s", got, want);
}

static ssize_t checked_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct checked_reader *r = (struct checked_reader *)base;
    TRY(cancel_check(r->cancel, err));
    ssize_t n = r->in->read(r->in, buf, cap, err);
    if (n > 0)
        hasher_add(r->hasher, buf, (size_t)n);
    return n == 0 ? check_diff_id(r, err) : n;
}

/* Opens the blob of layer `id`; *out_diff_id is what it unpacks to. */
static int open_blob(const struct solver *s, const char *id, unsigned progress, int *out_fd,
                     struct digest *out_diff_id, struct error *err)
{
    const struct store *store = s->options.store;
    const struct resolved_image *image = NULL;
    const struct image_layer *layer = graph_find_layer(s->options.graph, id, &image);
    struct packed_layer packed;
    if (layer && layer->blob.size) {
        *out_diff_id = layer->diff_id;
        if (image->provider && !blob_exists(store, &layer->blob.digest, layer->blob.size))
            TRY(image->provider->fetch(image->provider, &layer->blob, progress, err));
        return blob_open(store, &layer->blob.digest, out_fd, NULL, err);
    }
    if (packed_layer_find(store, id, &packed) && digest_parse_hex(id, out_diff_id))
        return blob_open(store, &packed.blob, out_fd, NULL, err);
    return error_set(err, ERROR_NOT_FOUND, 0, "layer %s is not in the store", id);
}

int layer_blob_open(const struct solver *s, const char *id, unsigned progress,
                    struct layer_blob **out, struct error *err)
{
    struct digest diff_id;
    auto_close int fd = -1;
    TRY(open_blob(s, id, progress, &fd, &diff_id, err));

    struct layer_blob *b = xcalloc(1, sizeof *b);
    b->fd = take_fd(&fd);
    b->file = fd_reader_init(b->fd, "a layer");
    b->plain = decompressor_open(&b->file.base, "layer");
    b->checked = (struct checked_reader){ .base = { checked_read },
                                          .in = decompressor_base(b->plain),
                                          .hasher = hasher_new(),
                                          .expected = diff_id,
                                          .cancel = s->options.cancel };
    b->ahead = read_ahead_open(&b->checked.base, s->workers.pool);
    *out = b;
    return 0;
}

struct reader *layer_blob_base(struct layer_blob *blob)
{
    return read_ahead_base(blob->ahead);
}

void layer_blob_free(struct layer_blob *blob)
{
    if (!blob)
        return;
    read_ahead_free(blob->ahead);
    hasher_free(blob->checked.hasher);
    decompressor_free(blob->plain);
    close(blob->fd);
    free(blob);
}
