/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/tree_usage.h"

#include "lib/fs/hard_links.h"
#include "lib/fs/walk.h"

struct counting {
    struct hard_links links;
    struct tree_usage usage;
};

static int count(void *arg, const struct walk_item *item, struct error *err)
{
    struct counting *c = arg;
    (void)err;
    if (hard_links_first(&c->links, &item->st, item->path))
        return 0;
    c->usage.bytes += stat_disk_bytes(&item->st);
    c->usage.inodes++;
    return 0;
}

int tree_usage(int dir_fd, struct tree_usage *out, struct error *err)
{
    struct stat st;
    struct counting c = { .links = HARD_LINKS_INIT };
    struct walk_visitor visitor = { .visit = count, .arg = &c };
    if (fstat(dir_fd, &st) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "stat a directory");
    int rc = walk_tree(dir_fd, "", NULL, &visitor, err);
    hard_links_release(&c.links);
    *out = (struct tree_usage){ c.usage.bytes + stat_disk_bytes(&st), c.usage.inodes + 1 };
    return rc;
}
