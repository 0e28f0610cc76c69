/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path_walk: a path followed through a tree, component by component, links and all, as a process
 * that was chrooted there would follow it. Only the bookkeeping: nothing here looks at a tree, the
 * caller says what is there.
 *
 *     path_walk_begin -> { path_walk_next -> path_walk_up | path_walk_into | path_walk_link }
 *                     -> path_walk_release
 *
 * Nothing leads out of the root: ".." there stays there, and an absolute link begins there.
 */
#ifndef LIB_BASE_PATH_WALK_H
#define LIB_BASE_PATH_WALK_H

#include <limits.h>
#include <stdbool.h>

#include "lib/base/cleanup.h"
#include "lib/base/strbuf.h"

struct path_walk {
    struct strbuf done; /* relative to the root: no links, no "..", no "."; "" is the root */
    char *left; /* what is still to follow; behind a component it is "" or begins with a slash */
    int links;
};

void path_walk_begin(struct path_walk *w, const char *path);
void path_walk_release(struct path_walk *w);
DEFINE_AUTO(path_walk, struct path_walk, path_walk_release(value))

/* Takes the next component off what is left: 1, 0 at the end, -1 with errno (ENAMETOOLONG). */
int path_walk_next(struct path_walk *w, char name[static NAME_MAX + 1]);
/* Only slashes, or nothing, are left. */
bool path_walk_is_last(const struct path_walk *w);

void path_walk_up(struct path_walk *w);
void path_walk_into(struct path_walk *w, const char *name);
/* The component just taken is a link in `done`. -1 with errno ELOOP after 40, as in Linux. */
int path_walk_link(struct path_walk *w, const char *target);
/* Begins at the root again, with all of the path still to follow; links stay counted. For a caller
 * who learns something on the way that no longer holds after a link or "..". */
void path_walk_restart(struct path_walk *w);

#endif
