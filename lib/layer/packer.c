/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/packer.h"

#include "lib/base/mem.h"
#include "lib/store/blob.h"
#include "lib/store/block_index.h"

/* A tar comes in small pieces, each of which would be a write to the blob. */
enum { GATHERED = 128 * 1024 };

struct packer {
    struct writer base; /* asks for a cancellation, and passes on to: */
    struct writer *next;
    const struct cancel *cancel;
    struct meter *meter;
    unsigned char *gathered; /* of a blob that is the plain tar; else NULL */
    size_t gathered_len;
    struct digest_writer plain; /* of any other */
    struct pack_writer *packed; /* NULL: no compression */
    struct block_index *blocks; /* of what was packed before; likewise */
    struct blob_writer blob;
    bool wants_blob;
    enum media_type media_type;
};

static int flush(struct packer *p, struct error *err)
{
    size_t len = p->gathered_len;
    p->gathered_len = 0;
    return len ? writer_write(p->next, p->gathered, len, err) : 0;
}

static int packer_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct packer *p = (struct packer *)base;
    TRY(cancel_check(p->cancel, err));
    meter_add(p->meter, len);
    if (!p->gathered)
        return writer_write(p->next, data, len, err);
    if (p->gathered_len + len > GATHERED)
        TRY(flush(p, err));
    if (len > GATHERED)
        return writer_write(p->next, data, len, err);
    memcpy(p->gathered + p->gathered_len, data, len);
    p->gathered_len += len;
    return 0;
}

int packer_open(const struct face_options *o, const struct packing *packing, bool wants_blob,
                struct packer **out, struct error *err)
{
    auto_(packer) struct packer *p = xcalloc(1, sizeof *p);
    const struct pack_encoder *encoder = packing_encoder(packing);
    *p = (struct packer){ .base = { packer_write },
                          .cancel = o->cancel,
                          .blob.fd = -1,
                          .wants_blob = wants_blob,
                          .media_type = packing_media_type(packing) };
    if (wants_blob)
        TRY(blob_writer_open(o->store, &p->blob, err));
    if (wants_blob && encoder) {
        char layout[PACK_LAYOUT_SIZE];
        packing_layout(packing, layout);
        p->blocks = block_index_open(o->store, layout);
        p->packed = pack_writer_open(encoder, packing->level, &p->blob.base, o->pool,
                                     block_index_base(p->blocks));
    }
    if (wants_blob && !encoder) {
        p->gathered = xmalloc(GATHERED);
        p->next = &p->blob.base;
    } else {
        p->plain = digest_writer_init(p->packed ? pack_writer_base(p->packed) : NULL);
        p->next = &p->plain.base;
    }
    *out = take_ptr(p);
    return 0;
}

struct writer *packer_base(struct packer *p)
{
    return &p->base;
}

void packer_count(struct packer *p, struct meter *meter)
{
    p->meter = meter;
}

/* The blob is the tar: one digest for both. */
static int finish_plain(struct packer *p, struct layer_face *out, struct error *err)
{
    TRY(flush(p, err));
    out->tar_size = out->blob.size = p->blob.size;
    TRY(blob_writer_commit(&p->blob, NULL, &out->blob.digest, err));
    out->diff_id = out->blob.digest;
    return 0;
}

static int finish_other(struct packer *p, struct layer_face *out, struct error *err)
{
    out->tar_size = p->plain.size;
    digest_writer_finish(&p->plain, &out->diff_id);
    if (!p->wants_blob)
        return 0;
    TRY(pack_writer_finish(p->packed, err));
    out->blob.size = p->blob.size;
    TRY(blob_writer_commit(&p->blob, NULL, &out->blob.digest, err));
    block_index_put(p->blocks, &out->blob.digest);
    return 0;
}

int packer_finish(struct packer *p, struct layer_face *out, struct error *err)
{
    *out = (struct layer_face){ .has_blob = p->wants_blob };
    if (p->wants_blob)
        out->blob.media_type = p->media_type;
    return p->gathered ? finish_plain(p, out, err) : finish_other(p, out, err);
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    pack_writer_free(p->packed);
    block_index_close(p->blocks);
    free(p->gathered);
    blob_writer_release(&p->blob);
    digest_writer_release(&p->plain);
    free(p);
}
