/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/directories.h"

#include "lib/base/mem.h"
#include "lib/fs/file_digest.h"
#include "lib/layer/whiteout.h"

void hash_entry(struct hasher *h, const struct tar_entry *e)
{
    hasher_add_text(h, e->path);
    hasher_add_u64(h, (uint64_t)e->type);
    hasher_add_u64(h, e->mode);
    hasher_add_u64(h, e->uid);
    hasher_add_u64(h, e->gid);
    hasher_add_u64(h, (uint64_t)e->mtime_s);
    hasher_add_u64(h, e->mtime_ns);
    hasher_add_text(h, e->link);
    hash_xattrs(h, e);
}

static int emit(const struct tar_entry *e, struct hasher *facts, struct layer_writer *to,
                struct error *err)
{
    if (facts)
        hash_entry(facts, e);
    return to ? to->ops->entry(to, e, -1, err) : 0;
}

static int write_one(struct lower *lower, const struct tar_entry *fresh, struct hasher *facts,
                     struct layer_writer *to, struct error *err)
{
    bool exists = false;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(lower_look(lower, fresh->path, &exists, &e, err));
    if (!exists)
        return emit(fresh, facts, to, err);
    if (e.tar.type != TAR_DIR)
        return error_set(err, ERROR_USER, ENOTDIR, "/%s", fresh->path);
    return emit(&e.tar, facts, to, err);
}

int write_directories(struct lower *lower, const char *path, unsigned mode, struct owner owner,
                      struct hasher *facts, struct layer_writer *to, struct error *err)
{
    for (const char *end = path; *end; end += *end == '/') {
        end += strcspn(end, "/");
        auto_free char *part = xstrndup(path, (size_t)(end - path));
        struct tar_entry fresh = {
            .path = part, .type = TAR_DIR, .mode = mode, .uid = owner.uid, .gid = owner.gid
        };
        TRY(write_one(lower, &fresh, facts, to, err));
    }
    return 0;
}

int check_names(const char *path, struct error *err)
{
    for (const char *name = path; name; name = strchr(name, '/')) {
        name += *name == '/';
        if (strncmp(name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0)
            return error_set(err, ERROR_USER, 0,
                             "%s cannot be part of an image: its name means a deletion", path);
    }
    return 0;
}
