/* SPDX-License-Identifier: Apache-2.0 */
/* whiteout: what a tar entry's name says beyond itself (OCI image-spec, layer.md "Whiteouts"). */
#ifndef LIB_LAYER_WHITEOUT_H
#define LIB_LAYER_WHITEOUT_H

#include "lib/base/error.h"

enum whiteout {
    WHITEOUT_NONE,   /* an entry like any other */
    WHITEOUT_NAME,   /* hides `target` of lower layers */
    WHITEOUT_OPAQUE, /* hides all that lower layers have in the directory `target` */
    WHITEOUT_META,   /* bookkeeping of aufs: nothing */
};

#define WHITEOUT_PREFIX      ".wh."
#define WHITEOUT_OPAQUE_NAME ".wh..wh..opq"

/* `path` is that of a tar entry. *out_target (NULL for NONE and META) is the caller's to free.
 * Errors: CORRUPT for a whiteout of nothing. */
int whiteout_parse(const char *path, enum whiteout *out, char **out_target,
                   struct error *err) MUST_CHECK;

#endif
