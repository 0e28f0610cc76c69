/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push: an image of the client's store to a registry: blobs first (those that are there already are
 * not sent, those that another repository of the host has are mounted), then the manifest under
 * every tag, so that a name never stands for an image with parts missing.
 */
#ifndef LIB_REGISTRY_PUSH_H
#define LIB_REGISTRY_PUSH_H

#include "lib/base/thread_pool.h"
#include "lib/oci/blob_provider.h"
#include "lib/oci/descriptor.h"
#include "lib/oci/reference.h"
#include "lib/registry/registry.h"

/* A repository that may have a blob, so that it need not be sent again. */
struct push_mount {
    char *host, *repository; /* the caller's */
    struct digest blob;
};

struct push_image {
    const struct manifest *manifest;
    struct blob_provider *provider; /* of blobs that must be sent; NULL: they are in the store */
    const char *text;               /* the manifest as it is sent: the digest is of these bytes */
    size_t len;
    const struct reference *targets; /* any hosts and repositories; without a tag: by digest */
    size_t target_count;
    const struct push_mount *mounts; /* any hosts; the first that suits a blob is tried */
    size_t mount_count;
};

/* Blobs go side by side on `pool` (NULL: one after the other). Bytes are reported to progress
 * vertex `vertex`. Errors: NETWORK, REMOTE, NOT_FOUND or CORRUPT (a blob of the store),
 * CANCELLED. */
int registry_push(struct registry_client *client, const struct push_image *image,
                  struct thread_pool *pool, unsigned vertex, struct error *err) MUST_CHECK;

/* Reads what a push to `target` takes from the user's files and credential helpers: before a fork,
 * after which they may be out of reach. Errors: USER, NETWORK; the push meets them again. */
int registry_push_prepare(struct registry_client *client, const struct reference *target,
                          struct error *err) MUST_CHECK;

/* One blob of the client's store, ahead of the image that will have it: registry_push finds it
 * there. The tag of `target` does not matter. Errors: the same. */
int registry_push_blob(struct registry_client *client, const struct reference *target,
                       const struct descriptor *blob, unsigned vertex,
                       struct error *err) MUST_CHECK;

/* One document (an index whose manifests were pushed) under the tag of `target`, or under its own
 * digest if there is none. */
int registry_push_document(struct registry_client *client, const struct reference *target,
                           enum media_type type, const char *text, size_t len,
                           struct error *err) MUST_CHECK;

#endif
