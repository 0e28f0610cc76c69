/* SPDX-License-Identifier: Apache-2.0 */
/* ADD of an archive: its entries below the destination. What stands in an entry's place is
 * replaced, except that directories merge. */
#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/codec/decompress.h"
#include "lib/fs/resolve.h"
#include "lib/solver/unpack_internal.h"

enum { ENTRIES_MAX = 10 * 1000 * 1000 };
#define UNPACKED_MAX (UINT64_C(64) << 30)

static void unpack_release(struct unpack *u)
{
    tar_reader_free(u->tar);
    unpack_forget_parent(u);
}
DEFINE_AUTO(unpack, struct unpack, unpack_release(value))

static ssize_t read_content(struct reader *r, void *buf, size_t cap, struct error *err)
{
    struct unpack *u = (struct unpack *)r;
    TRY(cancel_check(u->pass->copy->cancel, err));
    return tar_reader_content(u->tar, buf, cap, err);
}

static int check_size(struct unpack *u, const struct tar_entry *e, struct error *err)
{
    u->entries++;
    u->bytes += e->size < UNPACKED_MAX ? e->size : UNPACKED_MAX;
    if (u->entries <= ENTRIES_MAX && u->bytes <= UNPACKED_MAX)
        return 0;
    error_set(err, ERROR_USER, 0, "%s unpacks to more than 64 GiB or 10 million files", u->name);
    return error_hint(err, "ADD --unpack=false copies it as it is");
}

static int write_placed(struct unpack *u, struct tar_entry *e, struct error *err)
{
    const struct copy *c = u->pass->copy;
    struct layer_writer *to = u->pass->to;
    if (c->has_owner) {
        e->uid = c->owner.uid;
        e->gid = c->owner.gid;
    }
    return e->type == TAR_FILE ? to->ops->entry_stream(to, e, &u->content, err)
                               : to->ops->entry(to, e, -1, err);
}

static int write_entry(struct unpack *u, const struct tar_entry *from, struct error *err)
{
    struct tar_entry e = *from;
    auto_free char *path = NULL;
    auto_free char *link = NULL;
    TRY(cancel_check(u->pass->copy->cancel, err));
    TRY(check_size(u, from, err));
    if (e.type == TAR_CHAR || e.type == TAR_BLOCK) {
        u->devices++;
        return 0;
    }
    if (!*e.path) {
        /* The destination itself; the root directory's attributes are no part of a layer. */
        if (e.type != TAR_DIR || !*u->pass->copy->dest)
            return 0;
        path = xstrdup(u->pass->copy->dest);
    } else {
        TRY(unpack_place(u, e.path, &path, err));
        TRY(copy_check_name(path, err));
    }
    if (e.type == TAR_HARDLINK) {
        TRY(unpack_place(u, e.link, &link, err));
        e.link = link;
        /* The link may take the place of what is on the way to the file. */
        unpack_forget_parent(u);
    }
    e.path = path;
    return write_placed(u, &e, err);
}

static int write_all(struct unpack *u, int fd, struct error *err)
{
    struct fd_reader file = fd_reader_init(fd, u->name);
    auto_(decompressor) struct decompressor *plain = decompressor_open_any(&file.base, u->name);
    const struct tar_entry *e = NULL;
    TRY(tar_reader_open(decompressor_base(plain), u->name, &u->tar, err));
    for (;;) {
        TRY(tar_reader_next(u->tar, &e, err));
        if (!e)
            return reader_drain(decompressor_base(plain), err);
        TRY(write_entry(u, e, err));
    }
}

static void warn_of_devices(const struct unpack *u)
{
    if (!u->devices)
        return;
    auto_free char *text = xasprintf("%s: %u device node%s left out: a build without root cannot "
                                     "make any, and a container gets its own",
                                     u->name, u->devices, u->devices == 1 ? " was" : "s were");
    progress_warning(u->pass->copy->progress, text);
}

/* Opens `item` if it is a regular file whose plain bytes begin with the header of a tar entry. */
static int open_archive(const struct pass *p, const struct selected *item, int *out_fd,
                        struct error *err)
{
    struct stat st;
    unsigned char head[TAR_BLOCK_SIZE];
    auto_(error) struct error ignored = { 0 };
    *out_fd = -1;
    auto_close int fd =
        beneath_open(p->from->root_fd, item->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    struct fd_reader file = fd_reader_init(fd, item->path);
    auto_(decompressor) struct decompressor *plain = decompressor_open_any(&file.base, item->path);
    if (reader_read_full(decompressor_base(plain), head, sizeof head, item->path, &ignored) < 0 ||
        !tar_is_header(head))
        return 0;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "read %s", item->path);
    *out_fd = take_fd(&fd);
    return 0;
}

int copy_archive(struct pass *p, const struct selected *item, bool *out_is_archive,
                 struct error *err)
{
    bool meets_lower = false;
    auto_close int fd = -1;
    auto_(unpack) struct unpack u = { .content = { read_content }, .pass = p, .name = item->path };
    TRY(open_archive(p, item, &fd, err));
    *out_is_archive = fd >= 0;
    if (fd < 0)
        return 0;
    if (p->dest == COPY_DEST_OTHER)
        return copy_conflict(p->copy->dest, true, err);
    p->dest = COPY_DEST_DIR;
    TRY(pass_write_way(p, true, NEW_DIRECTORY_MODE, err));
    if (p->copy->dest_exists)
        TRY(lower_may_hold(p->copy->lower, p->copy->dest, &meets_lower, err));
    p->facts_missing = p->facts_missing || meets_lower;
    hasher_add_u64(p->facts, meets_lower);
    if (!p->to)
        return 0;
    p->to->keeps_types = false;
    int rc = write_all(&u, fd, err);
    p->to->keeps_types = true;
    if (rc < 0 && err->kind == ERROR_CORRUPT)
        return error_hint(err, "COPY, or ADD --unpack=false, copies the archive as it is");
    TRY(rc);
    warn_of_devices(&u);
    return 0;
}
