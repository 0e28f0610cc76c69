/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/layer_blob.h"

#include "lib/base/mem.h"
#include "lib/base/read_ahead.h"
#include "lib/codec/decompress.h"
#include "lib/solver/solver_internal.h"
#include "lib/store/blob.h"

/* file, or what is being fetched -> decompressor -> check of the diff_id -> read_ahead */
struct layer_blob {
    int fd;
    struct fd_reader file;
    struct blob_stream *stream; /* NULL: the file */
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

/* What an image of others says of the layer: from the store, else as it comes. */
static int open_of_image(struct layer_blob *b, const struct solver *s,
                         const struct image_layer *layer, const struct resolved_image *image,
                         enum layer_blob_source source, unsigned progress, struct error *err)
{
    const struct store *store = s->options.store;
    struct blob_provider *provider = image->provider;
    b->checked.expected = layer->diff_id;
    if (source == LAYER_BLOB_FETCHED && provider)
        TRY(provider->fetch(provider, &layer->blob, progress, err));
    if (!provider || blob_exists(store, &layer->blob.digest, layer->blob.size))
        return blob_open(store, &layer->blob.digest, &b->fd, NULL, err);
    return provider->open(provider, &layer->blob, s->workers.pool, progress, &b->stream, err);
}

/* Opens the packed bytes of layer `id`, and says what they unpack to. */
static int open_packed(struct layer_blob *b, const struct solver *s, const char *id,
                       enum layer_blob_source source, unsigned progress, struct error *err)
{
    const struct resolved_image *image = NULL;
    const struct image_layer *layer = solver_find_layer(s, id, &image);
    struct packed_layer packed;
    if (layer && layer->blob.size)
        return open_of_image(b, s, layer, image, source, progress, err);
    if (packed_layer_find(s->options.store, id, &packed) &&
        digest_parse_hex(id, &b->checked.expected))
        return blob_open(s->options.store, &packed.blob, &b->fd, NULL, err);
    return error_set(err, ERROR_NOT_FOUND, 0, "layer %s is not in the store", id);
}

int layer_blob_open(const struct solver *s, const char *id, enum layer_blob_source source,
                    unsigned progress, struct layer_blob **out, struct error *err)
{
    auto_(layer_blob) struct layer_blob *b = xcalloc(1, sizeof *b);
    b->fd = -1;
    TRY(open_packed(b, s, id, source, progress, err));
    b->file = fd_reader_init(b->fd, "a layer");
    b->plain = decompressor_open(b->stream ? &b->stream->base : &b->file.base, "layer");
    b->checked.base.read = checked_read;
    b->checked.in = decompressor_base(b->plain);
    b->checked.hasher = hasher_new();
    b->checked.cancel = s->options.cancel;
    b->ahead = read_ahead_open(&b->checked.base, s->workers.pool);
    *out = take_ptr(b);
    return 0;
}

bool layer_blob_is_live(const struct layer_blob *blob)
{
    return blob->stream != NULL;
}

struct reader *layer_blob_base(struct layer_blob *blob)
{
    return read_ahead_base(blob->ahead);
}

void layer_blob_free(struct layer_blob *blob)
{
    if (!blob)
        return;
    if (blob->stream)
        blob->stream->interrupt(blob->stream);
    read_ahead_free(blob->ahead);
    hasher_free(blob->checked.hasher);
    decompressor_free(blob->plain);
    if (blob->stream)
        blob->stream->close(blob->stream);
    if (blob->fd >= 0)
        close(blob->fd);
    free(blob);
}
