/* SPDX-License-Identifier: Apache-2.0 */
/* cache_table: what an image says of the steps that made it, for a shared cache. */
#ifndef LIB_EXPORTER_CACHE_TABLE_H
#define LIB_EXPORTER_CACHE_TABLE_H

#include "lib/cache/shared_entry.h"
#include "lib/exporter/image.h"

/* Adds the entry of a step, all of whose layers are in `image`, by id. */
void cache_table_add(struct shared_table *t, const struct image_request *request,
                     const struct shared_step *step, const struct image_record *image);
/* Adds those of all steps of the image that was asked for (type=inline). */
void cache_table_add_all(struct shared_table *t, const struct image_request *request,
                         const struct image_record *image);

#endif
