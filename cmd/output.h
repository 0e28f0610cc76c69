/* SPDX-License-Identifier: Apache-2.0 */
/* output: the values of -o/--output, buildx's grammar: "PATH", "-", or CSV
 * "type=oci,dest=FILE,...". */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include "lib/base/error.h"
#include "lib/base/strvec.h"
#include "lib/layer/face.h"

enum output_type {
    OUTPUT_OCI,      /* the hybrid tarball; type=docker is the same */
    OUTPUT_OCI_DIR,  /* an image layout */
    OUTPUT_LOCAL,    /* the files of the image */
    OUTPUT_TAR,      /* ... as a tar */
    OUTPUT_IMAGE,    /* the store, where it is anyway */
    OUTPUT_REGISTRY, /* push */
    OUTPUT_LOAD,     /* docker or podman on this host */
    OUTPUT_CACHE,    /* nothing */
};

struct output {
    enum output_type type;
    char *dest;                /* "-" is standard output; of OUTPUT_LOAD, which it is */
    bool by_digest;            /* push, but leave tags alone */
    char *name;                /* comma-separated references in place of -t, or NULL */
    struct strvec annotations; /* "manifest:KEY=VALUE", as --annotation has them */
    struct packing packing;
    struct archive_ahead *ahead; /* has begun to write it; the command's, NULL: nobody has */
};

/* --compression, --compression-level (either may be NULL): how outputs are packed that do not say
 * so themselves. Errors: USAGE. */
int output_read_packing(const char *compression, const char *level, bool force, struct packing *out,
                        struct error *err) MUST_CHECK;
/* Errors: USAGE. The caller releases *out. */
int output_parse(const char *text, const struct packing *packing, struct output *out,
                 struct error *err) MUST_CHECK;
void output_release(struct output *o);

static inline bool output_needs_blobs(const struct output *o)
{
    return o->type == OUTPUT_OCI || o->type == OUTPUT_OCI_DIR || o->type == OUTPUT_REGISTRY ||
           o->type == OUTPUT_LOAD;
}
static inline bool output_needs_trees(const struct output *o)
{
    return o->type == OUTPUT_LOCAL || o->type == OUTPUT_TAR;
}

#endif
