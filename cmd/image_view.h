/* SPDX-License-Identifier: Apache-2.0 */
/* image_view: the files of an image of the store, for those who want to look and run nothing. */
#ifndef CMD_IMAGE_VIEW_H
#define CMD_IMAGE_VIEW_H

#include "cmd/session.h"
#include "lib/store/image_store.h"

typedef int image_view_fn(struct session *s, struct snapshotter *snapshotter,
                          const struct layer_list *layers, void *arg, struct error *err);

/* Calls `fn` in a builder (see builder.h), where all layers of `image` have trees. */
int image_view(struct session *s, const struct image_record *image, image_view_fn *fn, void *arg,
               struct error *err) MUST_CHECK;

#endif
