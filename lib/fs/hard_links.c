/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/hard_links.h"

#include "lib/base/mem.h"

const char *hard_links_first(struct hard_links *links, const struct stat *st, const char *path)
{
    char key[48];
    if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
        return NULL;
    snprintf(key, sizeof key, "%lx:%lx", (unsigned long)st->st_dev, (unsigned long)st->st_ino);
    const char *first = map_find(&links->first_names, key);
    if (!first)
        map_set(&links->first_names, key, xstrdup(path));
    return first;
}

void hard_links_apply(struct hard_links *links, struct fs_entry *e)
{
    const char *first = hard_links_first(links, &e->st, e->tar.path);
    if (!first)
        return;
    e->tar.type = TAR_HARDLINK;
    e->tar.link = first;
    e->tar.size = 0;
    e->tar.xattr_count = 0;
}

void hard_links_release(struct hard_links *links)
{
    map_release(&links->first_names);
}
