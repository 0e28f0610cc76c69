/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_index: what a packed layer holds, made in one pass over its tar and kept as `indexes/<id>`,
 * so that questions about the layer need no tree. It has each entry's path, type and attributes,
 * and the bytes of etc/passwd and etc/group, which --chown asks for.
 *
 *     layer_index_writer_open -> layer_index_writer_add, for each entry in order ->
 * layer_index_writer_commit layer_index_open -> layer_index_find -> layer_index_close
 *
 * The file is a row of records with a table of (hash of the path, offset) behind it, mapped to be
 * read: a look-up touches a few pages, whatever the number of entries. It is a hint: one that is
 * missing, cut short or not durable is made anew.
 */
#ifndef LIB_LAYER_LAYER_INDEX_H
#define LIB_LAYER_LAYER_INDEX_H

#include "lib/fs/entry.h"
#include "lib/store/store.h"

struct layer_index_writer;

int layer_index_writer_open(const struct store *store, struct layer_index_writer **out,
                            struct error *err) MUST_CHECK;
/* Is the content of this entry kept? Then it is the caller's to give. */
bool layer_index_keeps(const struct tar_entry *e);
/* Whiteouts are told by their names. `content` has e->size bytes, or is NULL. Errors: CORRUPT. */
int layer_index_writer_add(struct layer_index_writer *w, const struct tar_entry *e,
                           const void *content, struct error *err) MUST_CHECK;
/* Gives the index its name; the writer is to be freed all the same. *out_made is false, and there
 * is no index, if the layer contradicts itself (a path is a directory and something else): what
 * such a layer says is what it unpacks to. */
int layer_index_writer_commit(struct layer_index_writer *w, const char *id, bool *out_made,
                              struct error *err) MUST_CHECK;
void layer_index_writer_free(struct layer_index_writer *w);
DEFINE_AUTO(layer_index_writer, struct layer_index_writer *, layer_index_writer_free(*value))

/* Makes the index of layer `id` from its plain tar `in`, read to its end. Errors: those of the
 * stream, CORRUPT. */
int layer_index_make(const struct store *store, const char *id, struct reader *in, bool *out_made,
                     struct error *err) MUST_CHECK;

struct layer_index;

/* NULL if there is none that can be used. */
struct layer_index *layer_index_open(const struct store *store, const char *id);
void layer_index_close(struct layer_index *x);
DEFINE_AUTO(layer_index, struct layer_index *, layer_index_close(*value))

enum index_kind {
    INDEX_NOTHING,
    INDEX_WHITEOUT,
    INDEX_ENTRY,
    INDEX_IMPLIED, /* a directory without an entry: its attributes are those of the layers below */
};
struct index_hit {
    enum index_kind kind;
    bool is_opaque; /* a directory that hides what those of lower layers hold, */
    bool is_fresh;  /* or themselves: it is another one */
};
/* What the layer says of `path`. *out (may be NULL) is filled for an ENTRY: as for struct lower, a
 * file has a descriptor only if its bytes are kept. Errors: CORRUPT, SYSTEM. */
int layer_index_find(const struct layer_index *x, const char *path, struct index_hit *out_hit,
                     struct fs_entry *out, struct error *err) MUST_CHECK;
/* Has the layer any entry below the directory `path`? */
bool layer_index_holds_below(const struct layer_index *x, const char *path);

#endif
