/* SPDX-License-Identifier: Apache-2.0 */
/* archive_internal: an archive that has been read; for its two kinds, archive_oci.c and
 * archive_docker.c. */
#ifndef LIB_IMPORTER_ARCHIVE_INTERNAL_H
#define LIB_IMPORTER_ARCHIVE_INTERNAL_H

#include "lib/base/map.h"
#include "lib/base/strbuf.h"
#include "lib/importer/archive.h"
#include "lib/registry/image_source.h"

/* A file of the archive, or a link to one. */
struct archive_member {
    struct digest digest; /* of the blob that it became */
    uint64_t size;
    char *target; /* of a link: the path that it leads to; else NULL */
};

struct archive {
    const struct archive_options *options;
    struct map members;          /* path -> struct archive_member */
    size_t names_size;           /* of members, also of those that came twice */
    struct strbuf index, docker; /* index.json, manifest.json; empty if there is none */
    struct strvec *names;        /* of the images that were recorded */
};

/* The file at `path`, links followed. Errors: CORRUPT if the archive has none. */
int archive_find(const struct archive *a, const char *path, const struct archive_member **out,
                 struct error *err) MUST_CHECK;

/* The full form of a name that the archive gives to the image of `manifest` (NULL: it has none);
 * the caller frees *out. Errors: USER (no name), CORRUPT if it says a digest that the image has
 * not. */
int archive_read_name(const char *text, const struct digest *manifest, char **out,
                      struct error *err) MUST_CHECK;

/* Records an image whose layers are blobs of the store; `name` NULL: it is called by its id. With
 * a descriptor of the manifest (size not 0) that is kept if it can be. */
int archive_put_image(const struct archive *a, const struct image_source *source, const char *name,
                      struct error *err) MUST_CHECK;

int archive_load_oci(const struct archive *a, struct error *err) MUST_CHECK;
int archive_load_docker(const struct archive *a, struct error *err) MUST_CHECK;

#endif
