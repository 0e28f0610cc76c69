/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_image: where FROM's images come from: named contexts, then the store, then the registry
 * (`--pull` asks the registry first). Implements lib/graph/image_resolver.h.
 *
 * An image that was resolved from a registry is recorded in the store by its full name (one for
 * another platform than this host's by name and digest), and not asked for again; its blobs come
 * when somebody needs them.
 */
#ifndef CMD_BASE_IMAGE_H
#define CMD_BASE_IMAGE_H

#include "cmd/session.h"
#include "lib/graph/image_resolver.h"
#include "lib/store/image_store.h"

enum pull_policy {
    PULL_MISSING, /* what the store has is taken */
    PULL_ALWAYS,  /* the registry is asked first */
    PULL_NEVER,   /* the registry is not asked */
};

struct base_images;

/* `named` are the values of --build-context, "name=value". Errors: USAGE. */
int base_images_open(struct session *s, const struct strvec *named, enum pull_policy pull,
                     struct base_images **out, struct error *err) MUST_CHECK;
struct image_resolver *base_images_resolver(struct base_images *b);
/* The named contexts that are directories, or are fetched as such: name -> path or address. */
const struct map *base_images_directories(const struct base_images *b);
void base_images_close(struct base_images *b);
DEFINE_AUTO(base_images, struct base_images *, base_images_close(*value))

/* An image that is recorded already, by its record; *out is owned by `b`. */
int base_images_recorded(struct base_images *b, const struct image_record *record,
                         const struct resolved_image **out, struct error *err) MUST_CHECK;

/* Pulls `ref` for `platform` into the store: its documents, its record, all its layers. */
int base_image_pull(struct session *s, const char *ref, const struct platform *platform,
                    struct error *err) MUST_CHECK;

#endif
