/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put_image: an image from outside, whose layers are blobs of the store by now, becomes one of the
 * store's.
 *
 * A layer that is not compressed is its own diff_id, and is recorded as one of a build is: packed
 * when it leaves. An image with such a layer has no manifest until then.
 */
#ifndef LIB_IMPORTER_PUT_IMAGE_H
#define LIB_IMPORTER_PUT_IMAGE_H

#include "lib/registry/image_source.h"

/* `name` is a full reference; NULL: it is recorded under its id. A manifest that is to be kept is
 * in the store, and described by source->descriptor (size 0: there is none). The caller releases
 * *out. Errors: CORRUPT (a plain layer that the configuration does not know), those of the store.
 */
int put_image(const struct store *store, const struct image_source *source, const char *name,
              struct image_record *out, struct error *err) MUST_CHECK;

#endif
