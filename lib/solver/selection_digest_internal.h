/* SPDX-License-Identifier: Apache-2.0 */
/* selection_digest_internal: what goes into the digest of a selection, whoever found it out. */
#ifndef LIB_SOLVER_SELECTION_DIGEST_INTERNAL_H
#define LIB_SOLVER_SELECTION_DIGEST_INTERNAL_H

#include "lib/fs/entry.h"
#include "lib/fs/stat_index.h"
#include "lib/solver/selection_digest.h"

enum facts_kind {
    FACTS_NONE,  /* a socket: that it is there */
    FACTS_FILE,  /* digest: attributes and bytes */
    FACTS_LINK,  /* first: the name under which the file came before */
    FACTS_OTHER, /* digest: all but owner and mode */
};
struct facts {
    enum facts_kind kind;
    struct digest digest;
    const char *first; /* borrowed */
};

/* `e` NULL: a socket. */
void facts_of_other(struct facts *f, const struct fs_entry *e);
/* Adds an entry of an item to its digest. `path` is relative to the item. */
void facts_add(struct hasher *h, const struct file_source *from, const char *path,
               const struct stat *st, const struct facts *f);

void item_begin(struct hasher *h, const struct selected *item);
/* The digest of all, from those of the items. */
void items_finish(const struct digest *digests, size_t count, struct digest *out);
/* The order in which a stat index has them; the caller frees it. */
size_t *items_by_path(const struct selection *s) __attribute__((returns_nonnull));
/* `path` of the item as a path of the source; the caller frees it. */
char *selected_path(const struct selected *item, const char *path) __attribute__((returns_nonnull));

/* The stat index of this selection, NULL if it has none: one for each context and set of sources.
 */
struct stat_index *context_index_open(const struct selection_digesting *o);

#endif
