/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci_layout: packed images with manifests, or an index of several, leave the store as an OCI image
 * layout: a directory, one tarball, or the index of the store itself. A tarball of images is a
 * hybrid: with `manifest.json` beside, so that docker load, podman load, skopeo (oci-archive:,
 * docker-archive:) and ctr read it (spec 6.7).
 *
 * The same images and names give the same bytes. Several may write to one directory, or refresh one
 * store, at the same time: no entry is lost.
 */
#ifndef LIB_EXPORTER_OCI_LAYOUT_H
#define LIB_EXPORTER_OCI_LAYOUT_H

#include "lib/base/cancel.h"
#include "lib/base/strvec.h"
#include "lib/codec/tar.h"
#include "lib/oci/descriptor.h"
#include "lib/store/image_store.h"

/* An index, whose text is in the store, and the blobs of all that it lists. */
struct layout_index {
    struct descriptor descriptor;
    const struct digest *blobs;
    size_t blob_count;
};

struct layout_item {
    const struct image_record *image; /* packed, has_manifest; or NULL: */
    const struct layout_index *index;
    struct strvec names; /* full references it is known by; may be empty */
};

struct layout_export {
    const struct store *store;
    const struct layout_item *items; /* borrowed */
    size_t item_count;
    struct meter *meter;         /* of what is copied into a directory; may be NULL */
    const struct cancel *cancel; /* asked while that is copied; may be NULL */
};

/* Writes the tarball to `out`. */
int layout_write_tar(const struct layout_export *e, struct writer *out,
                     struct error *err) MUST_CHECK;

/* The same, blob by blob, for who has the lowest layers of its one image before the rest:
 *
 *     layout_tar_begin -> layout_tar_add, from the lowest layer -> layout_tar_finish
 */
struct layout_tar {
    struct tar_writer tar;
    const struct store *store;
    struct digest_list written;
};
/* `store` and `out` are borrowed. The caller releases *t. */
int layout_tar_begin(struct layout_tar *t, const struct store *store, struct writer *out,
                     struct error *err) MUST_CHECK;
/* A blob that was added before is left out, as it has to be. */
int layout_tar_add(struct layout_tar *t, const struct digest *blob, struct error *err) MUST_CHECK;
/* Does the tarball of `e` begin with what was written? */
bool layout_tar_begins(const struct layout_tar *t, const struct layout_export *e);
/* Writes the rest of it, which begins so. */
int layout_tar_finish(struct layout_tar *t, const struct layout_export *e,
                      struct error *err) MUST_CHECK;
void layout_tar_release(struct layout_tar *t);
DEFINE_AUTO(layout_tar, struct layout_tar, layout_tar_release(value))

/* Writes into the directory `dir_fd`; blobs that are there already are not written again. Other
 * images of an existing layout stay; one of the same name is replaced. */
int layout_write_dir(const struct layout_export *e, int dir_fd, struct error *err) MUST_CHECK;

/* Makes the store's own index.json list exactly the images whose blobs are all there. */
int layout_refresh_store(const struct store *store, struct error *err) MUST_CHECK;

#endif
