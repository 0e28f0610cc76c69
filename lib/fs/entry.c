/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strvec.h"

#define OVERLAY_PREFIX "user.overlay."
#define OVERLAY_ESCAPE "user.overlay.overlay."

enum { XATTR_LIST_SIZE = 65536, RETRIES_MAX = 8 };

bool xattr_travels(const char *name)
{
    if (strcmp(name, "security.capability") == 0)
        return true;
    /* A name with '=' could not be told from its value in a tar's extended header. */
    return str_starts_with(name, "user.") && !str_starts_with(name, OVERLAY_PREFIX) &&
           !strchr(name, '=');
}

/* Symbolic links and special files are reached through their O_PATH descriptor's name. */
struct xattr_source {
    int fd;
    char path[32];
};

static ssize_t list_names(const struct xattr_source *s, char *buf, size_t cap)
{
    return s->path[0] ? listxattr(s->path, buf, cap) : flistxattr(s->fd, buf, cap);
}

static ssize_t get_value(const struct xattr_source *s, const char *name, void *buf, size_t cap)
{
    return s->path[0] ? getxattr(s->path, name, buf, cap) : fgetxattr(s->fd, name, buf, cap);
}

/* An attribute may grow between the two calls. */
static int read_value(const struct xattr_source *s, const char *name, void **out, size_t *out_len)
{
    for (int i = 0; i < RETRIES_MAX; i++) {
        ssize_t size = get_value(s, name, NULL, 0);
        if (size < 0)
            return -1;
        auto_free void *value = xmalloc((size_t)size);
        ssize_t len = get_value(s, name, value, (size_t)size);
        if (len >= 0) {
            *out = take_ptr(value);
            *out_len = (size_t)len;
            return 0;
        }
        if (errno != ERANGE)
            return -1;
    }
    return -1;
}

/* A file capability that belongs to a user namespace (linux/capability.h: revision 3) says which to
 * those outside of it. In an image it is one like any other, whoever looks. */
static void forget_namespace(const char *name, unsigned char *value, size_t *len)
{
    enum { REVISION = 3, PLAIN_SIZE = 20, WITH_ROOT_SIZE = 24 };
    if (strcmp(name, "security.capability") != 0 || *len != WITH_ROOT_SIZE || value[REVISION] != 3)
        return;
    value[REVISION] = 2;
    *len = PLAIN_SIZE;
}

static void sorted_names(const char *list, size_t len, struct strvec *out)
{
    for (const char *p = list; p < list + len; p += strlen(p) + 1) {
        if (xattr_travels(p) || str_starts_with(p, OVERLAY_ESCAPE))
            strvec_push(out, p);
    }
    strvec_sort(out);
}

static int read_xattrs(struct fs_entry *e, const struct xattr_source *s, struct error *err)
{
    char small[1024];
    auto_free char *large = NULL;
    char *list = small;
    ssize_t len = list_names(s, small, sizeof small);
    if (len < 0 && errno == ERANGE) {
        list = large = xmalloc(XATTR_LIST_SIZE);
        len = list_names(s, large, XATTR_LIST_SIZE);
    }
    if (len < 0 && errno != ENOTSUP && errno != EPERM && errno != EACCES && errno != ELOOP)
        return error_set(err, ERROR_SYSTEM, errno, "list the extended attributes of %s",
                         e->tar.path);
    if (len <= 0)
        return 0;

    auto_(strvec) struct strvec names = { 0 };
    sorted_names(list, (size_t)len, &names);
    e->xattrs = xcalloc(names.count, sizeof *e->xattrs);
    e->tar.xattrs = e->xattrs;
    for (size_t i = 0; i < names.count; i++) {
        void *value = NULL;
        size_t value_len = 0;
        if (read_value(s, names.items[i], &value, &value_len) < 0) {
            if (errno == ENODATA)
                continue;
            return error_set(err, ERROR_SYSTEM, errno, "read attribute %s of %s", names.items[i],
                             e->tar.path);
        }
        const char *name = names.items[i];
        forget_namespace(name, value, &value_len);
        char *own = str_starts_with(name, OVERLAY_ESCAPE)
                        ? xasprintf(OVERLAY_PREFIX "%s", name + strlen(OVERLAY_ESCAPE))
                        : xstrdup(name);
        e->xattrs[e->xattr_count++] = (struct tar_xattr){ own, value, value_len };
        e->tar.xattr_count = e->xattr_count;
    }
    return 0;
}

static enum fs_entry_kind classify(struct fs_entry *e)
{
    switch (e->st.st_mode & S_IFMT) {
    case S_IFREG: e->tar.type = TAR_FILE; break;
    case S_IFDIR: e->tar.type = TAR_DIR; break;
    case S_IFLNK: e->tar.type = TAR_SYMLINK; break;
    case S_IFCHR:
        e->tar.type = TAR_CHAR;
        if (e->st.st_rdev == 0)
            return FS_ENTRY_WHITEOUT;
        break;
    case S_IFBLK: e->tar.type = TAR_BLOCK; break;
    case S_IFIFO: e->tar.type = TAR_FIFO; break;
    default: return FS_ENTRY_SOCKET;
    }
    return FS_ENTRY_ORDINARY;
}

static void describe(struct fs_entry *e)
{
    e->tar.mode = e->st.st_mode & 07777;
    e->tar.uid = e->st.st_uid;
    e->tar.gid = e->st.st_gid;
    e->tar.mtime_s = e->st.st_mtim.tv_sec;
    e->tar.mtime_ns = (uint32_t)e->st.st_mtim.tv_nsec;
    e->tar.size = e->tar.type == TAR_FILE ? (uint64_t)e->st.st_size : 0;
    e->tar.dev_major = (uint32_t)major(e->st.st_rdev);
    e->tar.dev_minor = (uint32_t)minor(e->st.st_rdev);
    if (e->tar.type != TAR_CHAR && e->tar.type != TAR_BLOCK)
        e->tar.dev_major = e->tar.dev_minor = 0;
}

static int read_link(struct fs_entry *e, struct error *err)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(e->fd, "", target, sizeof target);
    if (len < 0)
        return error_set(err, ERROR_SYSTEM, errno, "read link %s", e->tar.path);
    e->link = xstrndup(target, (size_t)len);
    e->tar.link = e->link;
    return 0;
}

static int open_to_read(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* A regular file is opened for reading and must still be the one that was looked at. */
static int open_content(struct fs_entry *e, int dir_fd, const char *name, struct error *err)
{
    struct stat st;
    auto_close int fd = open_to_read(dir_fd, name);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set(err, ERROR_SYSTEM, errno, "open %s", e->tar.path);
        return errno == EACCES
                   ? error_hint(err, "make it readable, or leave it out by .dockerignore")
                   : -1;
    }
    if (st.st_ino != e->st.st_ino || st.st_dev != e->st.st_dev)
        return error_set(err, ERROR_USER, 0, "%s changed while it was read", e->tar.path);
    close(e->fd);
    e->fd = take_fd(&fd);
    e->st = st;
    return 0;
}

int fs_entry_open(int dir_fd, const char *name, const char *path, struct fs_entry *out,
                  enum fs_entry_kind *out_kind, struct error *err)
{
    auto_(fs_entry) struct fs_entry e = { .tar.path = path, .fd = -1 };
    e.fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (e.fd < 0)
        return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, errno, "open %s",
                         path);
    if (fstat(e.fd, &e.st) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "stat %s", path);
    *out_kind = classify(&e);
    if (*out_kind == FS_ENTRY_ORDINARY) {
        struct xattr_source source = { .fd = e.fd };
        if (e.tar.type == TAR_FILE)
            TRY(open_content(&e, dir_fd, name, err));
        else
            snprintf(source.path, sizeof source.path, "/proc/self/fd/%d", e.fd);
        source.fd = e.fd;
        describe(&e);
        if (e.tar.type == TAR_SYMLINK)
            TRY(read_link(&e, err));
        else
            TRY(read_xattrs(&e, &source, err));
    }
    *out = e;
    e = (struct fs_entry){ .fd = -1 };
    return 0;
}

int fs_entry_of_item(const struct walk_item *item, const char *path, struct fs_entry *out,
                     enum fs_entry_kind *out_kind, struct error *err)
{
    auto_(fs_entry) struct fs_entry e = { .tar.path = path, .fd = -1 };
    if (S_ISREG(item->st.st_mode))
        e.fd = open_to_read(item->dir_fd, item->name);
    /* Anything else, and all that is odd: the long way tells what it is. */
    if (e.fd < 0 || fstat(e.fd, &e.st) < 0 || !S_ISREG(e.st.st_mode))
        return fs_entry_open(item->dir_fd, item->name, path, out, out_kind, err);
    *out_kind = classify(&e);
    describe(&e);
    TRY(read_xattrs(&e, &(struct xattr_source){ .fd = e.fd }, err));
    *out = e;
    e = (struct fs_entry){ .fd = -1 };
    return 0;
}

int fs_entry_of_dir(int fd, const char *path, struct fs_entry *out, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    return fs_entry_open(fd, ".", path, out, &kind, err);
}

void fs_entry_release(struct fs_entry *e)
{
    for (size_t i = 0; i < e->xattr_count; i++) {
        free((void *)e->xattrs[i].name);
        free((void *)e->xattrs[i].value);
    }
    free(e->xattrs);
    free(e->link);
    if (e->fd >= 0)
        close(e->fd);
    *e = (struct fs_entry){ .fd = -1 };
}
