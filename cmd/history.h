/* SPDX-License-Identifier: Apache-2.0 */
/* history: which entry of an image's history made which of its layers. */
#ifndef CMD_HISTORY_H
#define CMD_HISTORY_H

#include "lib/oci/image_config.h"
#include "lib/store/image_store.h"

struct history_line {
    const struct history *entry;            /* NULL: nobody wrote down what made the layer */
    const struct image_record_layer *layer; /* NULL: it made none */
};

/* The oldest first; an array that the caller frees and that borrows from both. The configuration
 * may be anybody's: entries that claim more layers than there are made none. */
struct history_line *history_match(const struct image_config *config,
                                   const struct image_record *image, size_t *out_count);

#endif
