/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/packer.h"

#include "lib/base/mem.h"
#include "lib/store/blob.h"

struct packer {
    struct writer base; /* asks for a cancellation, and passes on to: */
    const struct cancel *cancel;
    struct meter *meter;
    struct digest_writer plain;
    struct pack_writer *packed; /* NULL: no compression */
    struct blob_writer blob;
    bool wants_blob;
    enum media_type media_type;
};

static int packer_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct packer *p = (struct packer *)base;
    TRY(cancel_check(p->cancel, err));
    meter_add(p->meter, len);
    return writer_write(&p->plain.base, data, len, err);
}

int packer_open(const struct face_options *o, const struct packing *packing, bool wants_blob,
                struct packer **out, struct error *err)
{
    auto_(packer) struct packer *p = xcalloc(1, sizeof *p);
    const struct pack_encoder *encoder = packing_encoder(packing);
    struct writer *next = NULL;
    *p = (struct packer){ .base = { packer_write },
                          .cancel = o->cancel,
                          .blob.fd = -1,
                          .wants_blob = wants_blob,
                          .media_type = packing_media_type(packing) };
    if (wants_blob) {
        TRY(blob_writer_open(o->store, &p->blob, err));
        next = &p->blob.base;
    }
    if (wants_blob && encoder) {
        p->packed = pack_writer_open(encoder, packing->level, &p->blob.base, o->pool);
        next = pack_writer_base(p->packed);
    }
    p->plain = digest_writer_init(next);
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

int packer_finish(struct packer *p, struct layer_face *out, struct error *err)
{
    *out = (struct layer_face){ .tar_size = p->plain.size };
    digest_writer_finish(&p->plain, &out->diff_id);
    if (!p->wants_blob)
        return 0;
    if (p->packed)
        TRY(pack_writer_finish(p->packed, err));
    out->has_blob = true;
    out->blob.media_type = p->media_type;
    out->blob.size = p->blob.size;
    return blob_writer_commit(&p->blob, NULL, &out->blob.digest, err);
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    pack_writer_free(p->packed);
    blob_writer_release(&p->blob);
    digest_writer_release(&p->plain);
    free(p);
}
