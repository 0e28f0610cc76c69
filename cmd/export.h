/* SPDX-License-Identifier: Apache-2.0 */
/* export: images on their way out of the store: outputs of a build, push, save. */
#ifndef CMD_EXPORT_H
#define CMD_EXPORT_H

#include "cmd/output.h"
#include "cmd/session.h"
#include "lib/exporter/image.h"
#include "lib/exporter/oci_layout.h"
#include "lib/store/image_store.h"

/* Writes a packed image to `output` (not local, not tar); `names` are full references. `solver` as
 * in push_image_record. */
int export_image(struct session *s, struct image_record *image, const struct strvec *names,
                 const struct output *output, const struct solver *solver,
                 struct error *err) MUST_CHECK;
/* Writes images and indexes, at least one, to an output that is a file or a layout. */
int export_layout(struct session *s, const struct layout_item *items, size_t count,
                  const struct output *output, struct error *err) MUST_CHECK;
/* Writes the merged files of `layers`, whose trees are there, to a local or tar output. Runs in the
 * builder; without a pool files are written one after the other. */
int export_rootfs(struct session *s, const struct solver_workers *workers,
                  const struct layer_list *layers, const struct output *output,
                  const struct diff_options *diff, struct error *err) MUST_CHECK;
/* Writes `text` as file `dest`, as an output is written. */
int export_text(struct session *s, const char *dest, const char *text,
                struct error *err) MUST_CHECK;
/* Who hears of layers while an image is being packed: `begin` is called here once the builder has
 * begun, `tell` there for each layer that it has packed. */
struct export_listener {
    void (*begin)(void *arg);
    image_blob_fn *tell;
    void *arg;
};
/* Makes a recorded image one that can leave: packed, in a builder if it has to be made, recorded
 * with a manifest, and on the disk. `listener` may be NULL. */
int export_make_packed(struct session *s, struct image_record *image,
                       const struct export_listener *listener, struct error *err) MUST_CHECK;
/* An image that was pushed, or looked up for FROM, may have left layers where its name says: they
 * are brought here. */
int export_fetch_missing(struct session *s, const struct image_record *image,
                         struct error *err) MUST_CHECK;
/* A recorded image by the name a person typed, or by the id (or its first digits). */
int export_find(struct session *s, const char *name, struct image_record *out,
                struct error *err) MUST_CHECK;
/* The same, made packed. */
int export_find_packed(struct session *s, const char *name, struct image_record *out,
                       struct error *err) MUST_CHECK;

/* A record's name as a person writes it, "<none>" without one; the caller frees it. */
char *export_short_name(const struct image_record *image);

#endif
