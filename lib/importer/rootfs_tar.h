/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs_tar: a file system in a tar, packed or not, becomes an image of one layer: the tar as it
 * is, to the byte. That it is a tar, with paths and owners that a layer may have, is checked while
 * it passes; whatever else is in it is looked at when it is unpacked, as with any layer.
 */
#ifndef LIB_IMPORTER_ROOTFS_TAR_H
#define LIB_IMPORTER_ROOTFS_TAR_H

#include "lib/base/cancel.h"
#include "lib/base/stream.h"
#include "lib/oci/image_config.h"
#include "lib/store/image_store.h"

struct rootfs_import {
    const struct store *store;         /* with a lease */
    const struct cancel *cancel;       /* or NULL */
    const struct image_config *config; /* of the image, but for layers and history */
    const char *name;                  /* full reference; NULL: it is recorded under its id */
    const char *comment;               /* of the history */
};

/* Reads `in` to its end. The caller releases *out. Errors: CORRUPT, those of `in` and of the store.
 */
int rootfs_import(const struct rootfs_import *r, struct reader *in, struct image_record *out,
                  struct error *err) MUST_CHECK;

#endif
