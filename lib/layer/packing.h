/* SPDX-License-Identifier: Apache-2.0 */
/* packing: how a layer's blob is compressed, and what that is called. */
#ifndef LIB_LAYER_PACKING_H
#define LIB_LAYER_PACKING_H

#include "lib/codec/pack.h"
#include "lib/oci/descriptor.h"

struct packing {
    enum compression compression;
    int level;  /* PACK_LEVEL_DEFAULT: what suits the content */
    bool force; /* layers of base images, too, if they are packed otherwise */
};
#define PACKING_DEFAULT                                                                            \
    {                                                                                              \
        COMPRESSION_GZIP, PACK_LEVEL_DEFAULT, false                                                \
    }
#define PACKING_NONE                                                                               \
    {                                                                                              \
        COMPRESSION_NONE, PACK_LEVEL_DEFAULT, false                                                \
    }

/* NULL: a layer is a plain tar. */
const struct pack_encoder *packing_encoder(const struct packing *p);
enum media_type packing_media_type(const struct packing *p);
/* All that the bytes of a blob depend on beside its tar. */
void packing_layout(const struct packing *p, char out[static PACK_LAYOUT_SIZE]);

#endif
