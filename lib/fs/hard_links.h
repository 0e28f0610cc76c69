/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hard_links: which names of a walk are one file. The first name in walk order is the file, the
 * others are links to it. Only files with several names take memory.
 *
 *     struct hard_links links = HARD_LINKS_INIT;
 *     const char *first = hard_links_first(&links, &st, path);     NULL: `path` is the first
 *     hard_links_release(&links);
 */
#ifndef LIB_FS_HARD_LINKS_H
#define LIB_FS_HARD_LINKS_H

#include <sys/stat.h>

#include "lib/base/map.h"
#include "lib/fs/entry.h"

struct hard_links {
    struct map first_names; /* "dev:ino" -> path; owned */
};
#define HARD_LINKS_INIT                                                                            \
    {                                                                                              \
        .first_names.free_value = free                                                             \
    }

/* The name under which this file came before, borrowed; else remembers `path` and returns NULL. */
const char *hard_links_first(struct hard_links *links, const struct stat *st, const char *path);
/* Makes `e` a TAR_HARDLINK without content or attributes if its file came before. */
void hard_links_apply(struct hard_links *links, struct fs_entry *e);
void hard_links_release(struct hard_links *links);

#endif
