/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout: an OCI image layout (a directory with oci-layout, index.json and blobs/) as the source of
 * an image, as --build-context name=oci-layout://DIR:tag names it. Its files may be anybody's, so
 * every one is checked against its digest on the way.
 */
#ifndef LIB_REGISTRY_LAYOUT_H
#define LIB_REGISTRY_LAYOUT_H

#include "lib/oci/platform.h"
#include "lib/registry/image_source.h"
#include "lib/store/store.h"

/* `spec` is DIR[:tag][@sha256:...]. Without a tag: "latest" if the layout names several images. The
 * provider copies into `store`, which is borrowed (NULL: no blob is fetched). The caller releases
 * *out. Errors: USER, NOT_FOUND, CORRUPT, UNSUPPORTED, SYSTEM, REMOTE (no such platform). */
int layout_open(const char *spec, const struct platform *platform, const struct store *store,
                struct image_source *out, struct error *err) MUST_CHECK;

/* The image whose manifest is the file `manifest` of the directory `path`, and whose blobs are in
 * blobs/ there; nothing names it. That there is no such file is no error: *out_found is false. */
int layout_find(const char *path, const char *manifest, const struct platform *platform,
                const struct store *store, struct image_source *out, bool *out_found,
                struct error *err) MUST_CHECK;

#endif
