/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_location: INTERFACE to a place that builders share (a repository of a registry, a
 * directory, a bucket). It holds images by name, one for each step key; a name is written whole or
 * not at all, and nothing lists the names, so builders that write at the same time cannot lose each
 * other's.
 *
 * What a location gives is verified by digests like any image; what it says of keys is believed:
 * who may write there decides what the builds of its readers hold.
 */
#ifndef LIB_CACHE_CACHE_LOCATION_H
#define LIB_CACHE_CACHE_LOCATION_H

#include "lib/base/thread_pool.h"
#include "lib/oci/descriptor.h"
#include "lib/oci/reference.h"
#include "lib/registry/image_source.h"
#include "lib/registry/registry.h"
#include "lib/s3/bucket.h"
#include "lib/store/store.h"

struct cache_location;

struct cache_location_ops {
    /* Reads the image `name`; NULL is the image that the location itself names, if it does. One
     * that is not there is no error: *out_found is false. The caller releases *out, before the
     * location. Any thread. */
    int (*load)(struct cache_location *location, const char *name, const struct platform *platform,
                struct image_source *out, bool *out_found, struct error *err);
    /* Writes the image `name`. Its configuration is in the store, and so are its layers, but for
     * those that the location has. Any thread. */
    int (*save)(struct cache_location *location, const char *name, const struct manifest *manifest,
                const struct strbuf *text, struct thread_pool *pool, unsigned vertex,
                struct error *err);
    /* The builder that writes is about to be forked off: what is the user's alone (credentials) is
     * read now. What goes wrong is met again. NULL: there is nothing to read. */
    void (*prepare)(struct cache_location *location);
    void (*free)(struct cache_location *location);
};

struct cache_location {
    const struct cache_location_ops *ops;
    char *name; /* a reference, a path or an address, for people; equal names are the same place */
};

/* Tags NAME-<key> of the repository of `ref`; NAME is its tag, "cache" if it has none. Two clients,
 * as what is written may still be when the build has failed. Both are borrowed, `ref` is not. */
struct cache_location *location_registry_new(struct registry_client *reading,
                                             struct registry_client *writing,
                                             const struct reference *ref);
/* blobs/ and entries/<key> in the directory `path` (absolute), which is made when something is
 * written, as `umask` allows. */
struct cache_location *location_directory_new(const char *path, mode_t umask,
                                              const struct store *store);

/* Of a bucket: all is copied, but for what the bucket's options borrow. */
struct location_s3_options {
    const char *title;                          /* the location's name, for people */
    const struct s3_options *reading, *writing; /* as with a registry */
    const char *blob_prefix;                    /* objects PREFIXsha256:HEX */
    const struct strvec *entry_prefixes; /* objects PREFIX-<key>: written under each of them, and
                                          * read under the first that has it */
    size_t width;                        /* parts of a blob that are sent at a time; 0: a few */
};
struct cache_location *location_s3_new(const struct location_s3_options *options);

void cache_location_free(struct cache_location *location);

#endif
