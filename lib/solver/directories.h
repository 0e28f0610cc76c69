/* SPDX-License-Identifier: Apache-2.0 */
/* directories: the way to what COPY and WORKDIR write, as entries of a layer and as facts of
 * what lies below. */
#ifndef LIB_SOLVER_DIRECTORIES_H
#define LIB_SOLVER_DIRECTORIES_H

#include "lib/codec/digest.h"
#include "lib/layer/snapshotter.h"
#include "lib/solver/owner.h"

enum { NEW_DIRECTORY_MODE = 0755 };

/* Writes the directories that lead to `path` and `path` itself, as they are below, or new
 * ones: `mode`, `owner`, the time 0 (the epoch). What they are goes into `facts` too. Either of
 * `facts` and `to` may be NULL. Errors: USER if something on the way is no directory. */
int write_directories(struct lower *lower, const char *path, unsigned mode, struct owner owner,
                      struct hasher *facts, struct layer_writer *to, struct error *err) MUST_CHECK;
/* Errors: USER if a name on the way to `path`, or its own, would mean a deletion in a layer. */
int check_names(const char *path, struct error *err) MUST_CHECK;
/* All that an entry without content says. */
void hash_entry(struct hasher *h, const struct tar_entry *e);

#endif
