/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selection_digest: the digest of the files of a selection (design.md 4): path, type, mode, ids,
 * extended attributes, bytes, hard-link groups; never times, never what --exclude leaves out.
 *
 * Two ways to it. selection_digest walks and reads, on all cores; what a context's stat index knows
 * is not read again. digest_scribe takes the same facts from somebody who reads the files anyway:
 *
 *     digest_scribe_open -> for each selected item: _item, then _file or _other for it, or for what
 *     is below it in the order of a walk -> digest_scribe_finish -> digest_scribe_free
 */
#ifndef LIB_SOLVER_SELECTION_DIGEST_H
#define LIB_SOLVER_SELECTION_DIGEST_H

#include "lib/base/progress.h"
#include "lib/base/thread_pool.h"
#include "lib/codec/digest.h"
#include "lib/fs/entry.h"
#include "lib/solver/selection.h"
#include "lib/store/store.h"

struct selection_digesting {
    const struct file_source *from;
    const struct selection *selection;
    const struct store *store; /* keeps the stat index of a context */
    struct thread_pool *pool;  /* NULL: all in the caller's thread */
    const struct cancel *cancel;
    struct meter *meter; /* of what is read; may be NULL */
};

int selection_digest(const struct selection_digesting *o, struct digest *out,
                     struct error *err) MUST_CHECK;
/* Looks at all files and reads none: how many bytes they are, and that the caller may read them (a
 * builder, as root of its namespace, could read more). Errors: as those of selection_digest. */
int selection_survey(const struct selection_digesting *o, uint64_t *out_bytes,
                     struct error *err) MUST_CHECK;
/* Was this selection of this context digested before? If not, all of it would have to be read. */
bool selection_is_known(const struct selection_digesting *o);

struct digest_scribe;

/* `o` is borrowed, with all in it. */
struct digest_scribe *digest_scribe_open(const struct selection_digesting *o);
/* One that only checks, and has no use for digests: for files it takes those of the stat index, by
 * the stat data of what was copied. NULL: not for this selection. */
struct digest_scribe *digest_scribe_open_check(const struct selection_digesting *o);
/* Does it have to be told what is in files? NULL is allowed. */
bool digest_scribe_wants(const struct digest_scribe *s);
/* `item` is o->selection->items[index]; each is begun once, in any order. Without --parents alone.
 */
void digest_scribe_item(struct digest_scribe *s, size_t index);
/* `path` is relative to the item ("" is the item itself), `digest` that of file_digest.h, if it is
 * wanted. */
void digest_scribe_file(struct digest_scribe *s, const char *path, const struct stat *st,
                        const struct digest *digest);
/* Anything but a regular file; `e` NULL: a socket. */
void digest_scribe_other(struct digest_scribe *s, const char *path, const struct stat *st,
                         const struct fs_entry *e);
/* Is it a second name of a file that this item has? Then that is written down, and there is no
 * content to be told. */
bool digest_scribe_link(struct digest_scribe *s, const char *path, const struct stat *st);
/* The digest that selection_digest would give; the stat index is kept. False: it is not known, only
 * of one that checks. */
bool digest_scribe_finish(struct digest_scribe *s, struct digest *out);
void digest_scribe_free(struct digest_scribe *s);
DEFINE_AUTO(digest_scribe, struct digest_scribe *, digest_scribe_free(*value))

#endif
