/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive: image archives on their way into the store: what docker save, podman save, skopeo copy
 * (oci-archive:, docker-archive:), buildah push and mlbuild itself write. By what is in it, one is
 *
 *     index.json       an OCI image layout; it wins in a hybrid, since it has the manifests
 *     manifest.json    docker's: configurations and layers, plain or packed, by their paths
 *
 * One pass whatever the order of the members, so that it may come through a pipe: each file becomes
 * a blob while it is read, and only when all have passed is anything looked up. The archive may be
 * anybody's: its paths are keys in memory and name nothing of ours; a blob has the digest that it
 * is called by, a layer the diff_id that the configuration says, or there is no image. (Packed
 * layers of a layout are like those of a registry: their diff_ids are checked when they are
 * unpacked.) A name with a digest is that of the image with this digest, never another's.
 *
 * Layers that are not compressed are recorded as those of a build are: they are packed when they
 * leave the store. The others, and the manifest with them, stay bit for bit.
 */
#ifndef LIB_IMPORTER_ARCHIVE_H
#define LIB_IMPORTER_ARCHIVE_H

#include "lib/base/cancel.h"
#include "lib/base/stream.h"
#include "lib/base/strvec.h"
#include "lib/oci/platform.h"
#include "lib/store/store.h"

struct archive_options {
    const struct store *store;       /* with a lease */
    const struct cancel *cancel;     /* or NULL */
    const struct platform *platform; /* of several that an image is there for, this one */
};

/* Reads `in`, packed or not, to its end and records its images. Their names, as the store has them,
 * are pushed to *out_names. Errors: CORRUPT, UNSUPPORTED, REMOTE (no such platform), those of `in`
 * and of the store. */
int archive_load(const struct archive_options *options, struct reader *in, struct strvec *out_names,
                 struct error *err) MUST_CHECK;

#endif
