/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inventory: what the store holds, by what can be removed at once: for du (cmd/usage.c) and gc.h.
 *
 * An item is a layer that no image needs with its blobs (one packed as several outputs wanted it),
 * or a layer or blob that an image needs, or a blob of its own. Records, indexes of packed layers
 * and of contexts are hints: they cost little, and go with what they are about.
 *
 * Only files are read; nothing is thereby used (use.h).
 */
#ifndef LIB_STORE_INVENTORY_H
#define LIB_STORE_INVENTORY_H

#include "lib/base/map.h"
#include "lib/codec/digest.h"
#include "lib/store/store.h"

enum inventory_kind { INVENTORY_LAYER, INVENTORY_BLOB };

struct inventory_item {
    enum inventory_kind kind;
    char name[DIGEST_HEX_SIZE]; /* id or hex digits */
    bool has_tree;
    bool is_measured;       /* the tree is in what follows: */
    uint64_t bytes, inodes; /* on disk */
    int64_t used_s;         /* when it was last used */
    size_t images;          /* that need it */
    bool is_swept;          /* gc's: it goes */
};

struct inventory_blob {
    struct inventory_item *item; /* with which it goes */
    uint64_t bytes;
    int64_t used_s;
};

struct inventory_record {
    char key[DIGEST_HEX_SIZE];
    struct inventory_item *layer; /* it is about this one, else NULL */
    struct digest blob;           /* that it names */
    bool has_blob;
    bool is_packed; /* the layer is that blob (packed_layer.h) */
    int64_t used_s;
};

struct inventory {
    struct map layers; /* id -> struct inventory_item *, owned; some have neither tree nor blob */
    struct map blobs;  /* hex digits -> struct inventory_blob *, owned */
    struct map alone;  /* hex digits -> struct inventory_item *, owned: blobs of their own */
    struct inventory_record *records;
    size_t record_count, record_cap;
    uint64_t record_bytes;
};

int inventory_read(const struct store *store, struct inventory *out, struct error *err) MUST_CHECK;
void inventory_release(struct inventory *inv);
DEFINE_AUTO(inventory, struct inventory, inventory_release(value))

/* Measures the trees that nobody has measured before; those of images only with `all`. What one
 * takes is written down in it, as it does not change. The caller is root of the build's namespace.
 */
void inventory_measure(const struct store *store, struct inventory *inv, bool all);

typedef void inventory_fn(void *arg, struct inventory_item *item);
/* Calls `fn` for each item that there is something of. */
void inventory_each(const struct inventory *inv, inventory_fn *fn, void *arg);

#endif
