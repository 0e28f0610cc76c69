/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/descriptor.h"

#include <string.h>

enum role { ROLE_OTHER, ROLE_MANIFEST, ROLE_INDEX, ROLE_LAYER };

static const struct row {
    const char *name;
    enum role role;
    enum compression compression;
} rows[] = {
    [MEDIA_UNKNOWN] = { "application/octet-stream", ROLE_OTHER, COMPRESSION_NONE },
    [MEDIA_MANIFEST] = { "application/vnd.oci.image.manifest.v1+json", ROLE_MANIFEST,
                         COMPRESSION_NONE },
    [MEDIA_INDEX] = { "application/vnd.oci.image.index.v1+json", ROLE_INDEX, COMPRESSION_NONE },
    [MEDIA_CONFIG] = { "application/vnd.oci.image.config.v1+json", ROLE_OTHER, COMPRESSION_NONE },
    [MEDIA_LAYER] = { "application/vnd.oci.image.layer.v1.tar", ROLE_LAYER, COMPRESSION_NONE },
    [MEDIA_LAYER_GZIP] = { "application/vnd.oci.image.layer.v1.tar+gzip", ROLE_LAYER,
                           COMPRESSION_GZIP },
    [MEDIA_LAYER_ZSTD] = { "application/vnd.oci.image.layer.v1.tar+zstd", ROLE_LAYER,
                           COMPRESSION_ZSTD },
    [MEDIA_DOCKER_MANIFEST] = { "application/vnd.docker.distribution.manifest.v2+json",
                                ROLE_MANIFEST, COMPRESSION_NONE },
    [MEDIA_DOCKER_INDEX] = { "application/vnd.docker.distribution.manifest.list.v2+json",
                             ROLE_INDEX, COMPRESSION_NONE },
    [MEDIA_DOCKER_CONFIG] = { "application/vnd.docker.container.image.v1+json", ROLE_OTHER,
                              COMPRESSION_NONE },
    [MEDIA_DOCKER_LAYER] = { "application/vnd.docker.image.rootfs.diff.tar", ROLE_LAYER,
                             COMPRESSION_NONE },
    [MEDIA_DOCKER_LAYER_GZIP] = { "application/vnd.docker.image.rootfs.diff.tar.gzip", ROLE_LAYER,
                                  COMPRESSION_GZIP },
    [MEDIA_DOCKER_LAYER_ZSTD] = { "application/vnd.docker.image.rootfs.diff.tar.zstd", ROLE_LAYER,
                                  COMPRESSION_ZSTD },
};

enum media_type media_type_parse(const char *name)
{
    for (size_t i = MEDIA_UNKNOWN + 1; i < COUNT(rows); i++)
        if (strcmp(name, rows[i].name) == 0)
            return (enum media_type)i;
    return MEDIA_UNKNOWN;
}

const char *media_type_print(enum media_type type)
{
    return rows[type].name;
}

bool media_type_is_layer(enum media_type type, enum compression *out)
{
    if (rows[type].role != ROLE_LAYER)
        return false;
    if (out)
        *out = rows[type].compression;
    return true;
}

bool media_type_is_manifest(enum media_type type)
{
    return rows[type].role == ROLE_MANIFEST;
}

bool media_type_is_index(enum media_type type)
{
    return rows[type].role == ROLE_INDEX;
}
