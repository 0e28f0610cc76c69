/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/packing.h"

#include <stdio.h>

static const struct {
    enum media_type media_type;
    const struct pack_encoder *encoder;
} formats[] = { [COMPRESSION_NONE] = { MEDIA_LAYER, NULL },
                [COMPRESSION_GZIP] = { MEDIA_LAYER_GZIP, &pack_gzip },
                [COMPRESSION_ZSTD] = { MEDIA_LAYER_ZSTD, &pack_zstd } };

const struct pack_encoder *packing_encoder(const struct packing *p)
{
    return formats[p->compression].encoder;
}

enum media_type packing_media_type(const struct packing *p)
{
    return formats[p->compression].media_type;
}

void packing_layout(const struct packing *p, char out[static PACK_LAYOUT_SIZE])
{
    snprintf(out, PACK_LAYOUT_SIZE, "tar-1");
    if (packing_encoder(p))
        packing_encoder(p)->layout(p->level, out);
}
