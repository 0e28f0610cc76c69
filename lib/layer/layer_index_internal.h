/* SPDX-License-Identifier: Apache-2.0 */
/* layer_index_internal: the bytes of an index, in the order of this host. */
#ifndef LIB_LAYER_LAYER_INDEX_INTERNAL_H
#define LIB_LAYER_LAYER_INDEX_INTERNAL_H

#include <stdint.h>
#include <string.h>

#include "lib/store/store.h"

#define INDEX_MAGIC "mlbidx3"

struct index_header {
    char magic[8];
    char boot[BOOT_ID_SIZE + 3];
    uint64_t at_ns;    /* of that boot, see store_is_durable */
    uint64_t table_at; /* offset of the table: `count` slots to the end of the file */
    uint64_t count;
};

/* Sorted by hash, then by place: of several records for one path, later ones stand behind. */
struct index_slot {
    uint64_t hash, at;
};

enum { RECORD_ENTRY, RECORD_WHITEOUT, RECORD_OPAQUE, RECORD_IMPLIED };

/* Then, each with a terminating NUL: the path, the link, for each attribute a struct index_xattr
 * with name and value, and `content_len` bytes. */
struct index_record {
    uint8_t kind, type;
    uint8_t has_content;
    uint8_t unused;
    uint32_t mode, uid, gid;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint32_t path_len, link_len;
    uint32_t xattr_count, content_len;
    uint32_t dev_major, dev_minor;
};
struct index_xattr {
    uint32_t name_len, value_len;
};

/* FNV-1a: a collision costs a comparison. */
static inline uint64_t index_hash(const char *path, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)path[i]) * UINT64_C(0x100000001b3);
    return h;
}

#endif
