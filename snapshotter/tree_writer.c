/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/tree_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "lib/base/fd.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/entry.h"
#include "lib/fs/file_digest.h"
#include "lib/fs/resolve.h"
#include "snapshotter/marks.h"

enum { DEFAULT_DIR_MODE = 0755, CHUNK = 256 * 1024 };

/* Times of directories are set last: every entry made inside would change them. */
struct dir_time {
    char *path;
    struct timespec mtime;
};

struct tree_writer {
    int tree_fd, below_fd;
    const struct cancel *cancel;
    char *parent_path; /* the directory that was used last, and its descriptor */
    int parent_fd;
    struct dir_time *times;
    size_t time_count, time_cap;
    char *buffer; /* CHUNK bytes, for streams */
    bool lacked;
    bool keeps_types;
    bool has_root;
    unsigned root_mode;
    uint32_t root_uid, root_gid;
};

struct tree_writer *tree_writer_open(int tree_fd, int below_fd, const struct cancel *cancel)
{
    struct tree_writer *w = xcalloc(1, sizeof *w);
    *w = (struct tree_writer){
        .tree_fd = tree_fd, .below_fd = below_fd, .cancel = cancel, .parent_fd = -1
    };
    return w;
}

void tree_writer_keep_types(struct tree_writer *w, bool keep)
{
    w->keeps_types = keep;
}

bool tree_writer_lacked(const struct tree_writer *w)
{
    return w->lacked;
}

static void forget_parent(struct tree_writer *w)
{
    if (w->parent_fd >= 0)
        close(take_fd(&w->parent_fd));
    free(take_ptr(w->parent_path));
}

void tree_writer_free(struct tree_writer *w)
{
    if (!w)
        return;
    forget_parent(w);
    for (size_t i = 0; i < w->time_count; i++)
        free(w->times[i].path);
    free(w->times);
    free(w->buffer);
    free(w);
}

static int failed(struct error *err, const char *what, const char *path)
{
    return error_set(err, ERROR_SYSTEM, errno, "%s %s", what, path);
}

static int chown_failed(struct error *err, const struct tar_entry *e)
{
    if (errno != EINVAL)
        return failed(err, "set the owner of", e->path);
    error_set(err, ERROR_HOST, 0, "%s belongs to %u:%u, which your sub-ids do not reach", e->path,
              e->uid, e->gid);
    return error_hint(err, "mlbuild doctor shows what ids you have, and how to get more");
}

static void remember_time(struct tree_writer *w, const struct tar_entry *e)
{
    GROW(w->times, w->time_count, w->time_cap);
    w->times[w->time_count++] =
        (struct dir_time){ xstrdup(e->path),
                           { .tv_sec = e->mtime_s, .tv_nsec = (long)e->mtime_ns } };
}

/* `fd` is open for more than O_PATH, or `path` names it through /proc. */
static int set_xattrs(int fd, const char *proc, const struct tar_entry *e, struct error *err)
{
    for (size_t i = 0; i < e->xattr_count; i++) {
        const struct tar_xattr *x = &e->xattrs[i];
        if (!xattr_travels(x->name))
            continue;
        int rc = proc ? setxattr(proc, x->name, x->value, x->len, 0)
                      : fsetxattr(fd, x->name, x->value, x->len, 0);
        /* A capability that is none, or an attribute that this type of file cannot have. */
        bool tolerable = errno == EINVAL || errno == EPERM || errno == ENOTSUP;
        if (rc < 0 && !(tolerable && errno != ENOSPC))
            return error_set(err, ERROR_SYSTEM, errno == ENOSPC ? E2BIG : errno,
                             "set attribute %s of %s", x->name, e->path);
    }
    return 0;
}

/* Owner first: chown clears the setuid bits and file capabilities. What is right already is left
 * alone, which costs a file system much less: most files are root's, as they were made. */
static int set_attributes(int fd, const struct tar_entry *e, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return failed(err, "look at", e->path);
    bool chowned = st.st_uid != e->uid || st.st_gid != e->gid;
    if (chowned && fchown(fd, e->uid, e->gid) < 0)
        return chown_failed(err, e);
    if ((chowned || (st.st_mode & 07777) != (e->mode & 07777)) && fchmod(fd, e->mode & 07777) < 0)
        return failed(err, "set the mode of", e->path);
    return set_xattrs(fd, NULL, e, err);
}

/* Attributes of an implied directory, from what lies below, unless the layer hides that. */
static int inherit_directory(struct tree_writer *w, int fd, const char *path, bool hidden,
                             struct error *err)
{
    w->lacked |= w->below_fd < 0;
    auto_close int below =
        w->below_fd < 0 || hidden ? -1 : beneath_open(w->below_fd, path, O_RDONLY | O_DIRECTORY, 0);
    /* The time 0 as that of all that we make; root's, whatever the group of the directory above. */
    auto_(fs_entry) struct fs_entry e = { .fd = -1, .tar = { path, .mode = DEFAULT_DIR_MODE } };
    if (below >= 0)
        TRY(fs_entry_of_dir(below, path, &e, err));
    TRY(set_attributes(fd, &e.tar, err));
    remember_time(w, &e.tar);
    return 0;
}

/* `fd` is the O_PATH descriptor of a directory. */
static bool is_opaque(int fd)
{
    char value[8];
    char proc[32];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    return getxattr(proc, MARK_OPAQUE, value, sizeof value) == 1 && value[0] == 'y';
}

static int set_overlay_mark(int fd, const char *name, const char *value, const char *path,
                            struct error *err)
{
    if (fsetxattr(fd, name, value, strlen(value), 0) < 0)
        return failed(err, "mark", path);
    return 0;
}

/* Something that is no directory gives way to one, which then hides lower ones as it did. */
static int replace_by_directory(const struct tree_writer *w, int dir_fd, const char *name,
                                const char *path, struct error *err)
{
    if (w->keeps_types) {
        error_set(err, ERROR_USER, 0, "cannot copy to non-directory: /%s", path);
        return error_hint(err, "a source before this one has put something else there");
    }
    if (unlinkat(dir_fd, name, 0) < 0)
        return failed(err, "replace", path);
    return mkdirat(dir_fd, name, DEFAULT_DIR_MODE) < 0 ? failed(err, "create directory", path) : 0;
}

/* Makes or finds directory `name`. */
static int make_directory(const struct tree_writer *w, int dir_fd, const char *name,
                          const char *path, int *out_fd, bool *out_made, struct error *err)
{
    struct stat st;
    bool opaque = false;
    *out_made = mkdirat(dir_fd, name, DEFAULT_DIR_MODE) == 0;
    if (!*out_made && errno != EEXIST)
        return failed(err, "create directory", path);
    if (!*out_made && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISDIR(st.st_mode)) {
        TRY(replace_by_directory(w, dir_fd, name, path, err));
        *out_made = opaque = true;
    }
    *out_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out_fd < 0)
        return failed(err, "open directory", path);
    return opaque ? set_overlay_mark(*out_fd, MARK_OPAQUE, "y", path, err) : 0;
}

/* Opens the directory `path` (len bytes of it), making what is missing on the way. */
static int open_parent(struct tree_writer *w, const char *path, size_t len, struct error *err)
{
    if (w->parent_path && strlen(w->parent_path) == len && memcmp(w->parent_path, path, len) == 0)
        return 0;
    auto_free char *wanted = xstrndup(path, len);
    forget_parent(w);
    auto_close int fd = beneath_open(w->tree_fd, wanted, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        bool hidden = directory_is_opaque(w->tree_fd);
        fd = openat(w->tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct str rest = { wanted, len };
        while (fd >= 0 && rest.len) {
            char name[NAME_MAX + 1];
            int next = -1;
            bool made = false;
            struct str part = str_cut(&rest, '/');
            snprintf(name, sizeof name, "%.*s", (int)part.len, part.ptr);
            auto_free char *sofar = xstrndup(wanted, (size_t)(part.ptr + part.len - wanted));
            TRY(make_directory(w, fd, name, sofar, &next, &made, err));
            close(fd);
            fd = next;
            hidden = hidden || directory_is_opaque(fd);
            if (made)
                TRY(inherit_directory(w, fd, sofar, hidden, err));
        }
    }
    if (fd < 0)
        return failed(err, "open directory", wanted);
    w->parent_fd = take_fd(&fd);
    w->parent_path = take_ptr(wanted);
    return 0;
}

/* Splits `path`, opens its parent and returns the last component. */
static int locate(struct tree_writer *w, const char *path, const char **out_name, struct error *err)
{
    *out_name = path_base(path);
    return open_parent(w, path, path_dir_len(path), err);
}

/* Makes way for a non-directory. */
static int clear_way(struct tree_writer *w, const char *name, const char *path, struct error *err)
{
    struct stat st;
    if (fstatat(w->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (w->keeps_types && S_ISDIR(st.st_mode)) {
        error_set(err, ERROR_USER, 0, "cannot replace to directory /%s with file", path);
        return error_hint(err, "a source before this one has made that directory");
    }
    return dir_remove(w->parent_fd, name, err);
}

static int write_root(struct tree_writer *w, const struct tar_entry *e, struct error *err)
{
    if (e->type != TAR_DIR)
        return error_set(err, ERROR_CORRUPT, 0, "the root of a layer is not a directory");
    w->has_root = true;
    w->root_mode = e->mode & 07777;
    w->root_uid = e->uid;
    w->root_gid = e->gid;
    TRY(set_attributes(w->tree_fd, e, err));
    remember_time(w, e);
    return 0;
}

static int write_directory(struct tree_writer *w, const struct tar_entry *e, const char *name,
                           struct error *err)
{
    bool made = false;
    auto_close int fd = -1;
    TRY(make_directory(w, w->parent_fd, name, e->path, &fd, &made, err));
    TRY(set_attributes(fd, e, err));
    remember_time(w, e);
    return 0;
}

static int write_stream(struct tree_writer *w, int fd, const struct tar_entry *e, struct reader *in,
                        struct error *err)
{
    if (!w->buffer)
        w->buffer = xmalloc(CHUNK);
    for (uint64_t left = e->size; left;) {
        size_t want = left < CHUNK ? (size_t)left : CHUNK;
        TRY(reader_read_full(in, w->buffer, want, e->path, err));
        TRY(fd_write_all(fd, w->buffer, want, e->path, err));
        left -= want;
    }
    return 0;
}

/* Attributes follow the content: writing would clear the setuid bits and capabilities. */
static int finish_file(int fd, const struct tar_entry *e, struct error *err)
{
    TRY(set_attributes(fd, e, err));
    struct timespec mtime = { .tv_sec = e->mtime_s, .tv_nsec = (long)e->mtime_ns };
    struct timespec times[2] = { mtime, mtime };
    return futimens(fd, times) < 0 ? failed(err, "set the time of", e->path) : 0;
}

static int take_bytes(void *arg, const void *data, size_t len, struct error *err)
{
    return fd_write_all(*(const int *)arg, data, len, "a file of a layer", err);
}

/* Copies a file and digests it in one read. */
static int copy_digested(const struct tree_writer *w, struct layer_file *f, int fd,
                         struct error *err)
{
    const struct file_digesting reading = {
        .pool = f->pool, .cancel = w->cancel, .use = take_bytes, .use_arg = &fd
    };
    return file_digest(&reading, f->e, &f->digest, err);
}

static int fill_file(struct tree_writer *w, int fd, const struct tar_entry *e,
                     const struct tree_content *content, struct error *err)
{
    if (content->digested)
        TRY(copy_digested(w, content->digested, fd, err));
    else if (e->size && content->fd >= 0)
        TRY(fd_copy(content->fd, fd, e->size, e->path, w->cancel, err));
    else if (e->size)
        TRY(write_stream(w, fd, e, content->stream, err));
    return finish_file(fd, e, err);
}

static int finish_symlink(const struct tree_writer *w, const struct tar_entry *e, const char *name,
                          struct error *err)
{
    struct timespec times[2] = { { .tv_sec = e->mtime_s, .tv_nsec = (long)e->mtime_ns },
                                 { .tv_sec = e->mtime_s, .tv_nsec = (long)e->mtime_ns } };
    if (fchownat(w->parent_fd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return chown_failed(err, e);
    if (utimensat(w->parent_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(err, "set the time of", e->path);
    return 0;
}

/* A link to a path that only lower layers have gets a copy of that file into this layer. */
static int copy_up(struct tree_writer *w, const char *path, struct error *err)
{
    const char *name = NULL;
    auto_close int below = beneath_open_parent(w->below_fd, path, &name);
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    if (below < 0)
        return error_set(err, ERROR_NOT_FOUND, errno, "%s", path);
    TRY(fs_entry_open(below, name, path, &e, &kind, err));
    return tree_writer_entry(w, &e.tar, &(struct tree_content){ .fd = e.fd }, err);
}

static bool find_entry(int dir_fd, const char *name, struct stat *st)
{
    return dir_fd >= 0 && fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The header of a link speaks of the file that it links to. What is so already is left alone: chown
 * would clear the file's capabilities. */
static int set_link_attributes(const struct tree_writer *w, const struct tar_entry *e,
                               const char *name, const struct stat *st, struct error *err)
{
    bool chowned = st->st_uid != e->uid || st->st_gid != e->gid;
    if (chowned && fchownat(w->parent_fd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return chown_failed(err, e);
    if (S_ISLNK(st->st_mode) || (!chowned && (st->st_mode & 07777) == (e->mode & 07777)))
        return 0;
    return fchmodat(w->parent_fd, name, e->mode & 07777, 0) < 0
               ? failed(err, "set the mode of", e->path)
               : 0;
}

static int write_hardlink(struct tree_writer *w, const struct tar_entry *e, struct error *err)
{
    struct stat st;
    const char *name = NULL;
    const char *target = NULL;
    auto_close int dir = beneath_open_parent(w->tree_fd, e->link, &target);
    bool found = find_entry(dir, target, &st);
    if (!found && w->below_fd >= 0) {
        if (copy_up(w, e->link, err) < 0 && err->kind != ERROR_NOT_FOUND)
            return -1;
        error_clear(err);
        auto_close int again = beneath_open_parent(w->tree_fd, e->link, &target);
        if (dir >= 0)
            close(dir);
        dir = take_fd(&again);
        found = find_entry(dir, target, &st);
    }
    if (!found || is_whiteout(&st)) {
        w->lacked |= w->below_fd < 0;
        return error_set(err, ERROR_CORRUPT, 0, "hard link %s to %s, which does not exist", e->path,
                         e->link);
    }
    if (S_ISDIR(st.st_mode))
        return error_set(err, ERROR_CORRUPT, 0, "hard link %s to the directory %s", e->path,
                         e->link);
    if (strcmp(e->path, e->link) == 0)
        return 0;
    TRY(locate(w, e->path, &name, err));
    int rc = linkat(dir, target, w->parent_fd, name, 0);
    if (rc < 0 && errno == EEXIST) {
        TRY(clear_way(w, name, e->path, err));
        rc = linkat(dir, target, w->parent_fd, name, 0);
    }
    if (rc < 0)
        return failed(err, "create hard link", e->path);
    return set_link_attributes(w, e, name, &st, err);
}

static int finish_node(const struct tree_writer *w, const struct tar_entry *e, const char *name,
                       struct error *err)
{
    struct timespec times[2] = { { .tv_sec = e->mtime_s, .tv_nsec = (long)e->mtime_ns },
                                 { .tv_sec = e->mtime_s, .tv_nsec = (long)e->mtime_ns } };
    if (fchownat(w->parent_fd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return chown_failed(err, e);
    if (fchmodat(w->parent_fd, name, e->mode & 07777, 0) < 0)
        return failed(err, "set the mode of", e->path);
    return utimensat(w->parent_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0
               ? failed(err, "set the time of", e->path)
               : 0;
}

/* Of a new file, until its attributes are set: as near to them as is safe, which often is all. */
static mode_t first_mode(const struct tar_entry *e)
{
    return e->mode & 0777;
}

/* Makes what is neither a directory nor a hard link, where nothing is; of a file *out_fd. -1 with
 * errno set. */
static int make_empty(const struct tree_writer *w, const struct tar_entry *e, const char *name,
                      int *out_fd)
{
    mode_t type = e->type == TAR_FIFO ? S_IFIFO : e->type == TAR_CHAR ? S_IFCHR : S_IFBLK;
    dev_t device = e->type == TAR_FIFO ? 0 : makedev(e->dev_major, e->dev_minor);
    if (e->type == TAR_SYMLINK)
        return symlinkat(e->link, w->parent_fd, name);
    if (e->type != TAR_FILE)
        return mknodat(w->parent_fd, name, type | 0600, device);
    *out_fd = openat(w->parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     first_mode(e));
    return *out_fd < 0 ? -1 : 0;
}

static int write_other(struct tree_writer *w, const struct tar_entry *e, const char *name,
                       const struct tree_content *content, struct error *err)
{
    auto_close int fd = -1;
    int rc = make_empty(w, e, name, &fd);
    if (rc < 0 && errno == EEXIST) {
        TRY(clear_way(w, name, e->path, err));
        rc = make_empty(w, e, name, &fd);
    }
    bool is_device = e->type == TAR_CHAR || e->type == TAR_BLOCK;
    if (rc < 0 && errno == EPERM && is_device)
        return 0;
    if (rc < 0)
        return failed(err, "create", e->path);
    if (e->type == TAR_FILE)
        return fill_file(w, fd, e, content, err);
    return e->type == TAR_SYMLINK ? finish_symlink(w, e, name, err) : finish_node(w, e, name, err);
}

int tree_writer_entry(struct tree_writer *w, const struct tar_entry *e,
                      const struct tree_content *content, struct error *err)
{
    const char *name = NULL;
    if (*e->path == '\0')
        return write_root(w, e, err);
    if (e->type == TAR_HARDLINK)
        return write_hardlink(w, e, err);
    if (e->type == TAR_CHAR && e->dev_major == 0 && e->dev_minor == 0)
        return error_set(err, ERROR_CORRUPT, 0, "%s is a character device 0:0", e->path);
    TRY(locate(w, e->path, &name, err));
    return e->type == TAR_DIR ? write_directory(w, e, name, err)
                              : write_other(w, e, name, content, err);
}

bool tree_writer_file_ahead(const struct tree_writer *w, struct layer_file *f)
{
    const struct tar_entry *e = &f->e->tar;
    auto_(error) struct error ignored = { 0 };
    auto_close int fd =
        beneath_open(w->tree_fd, e->path, O_WRONLY | O_CREAT | O_EXCL, first_mode(e));
    if (fd < 0)
        return false;
    int rc = f->wants_digest ? copy_digested(w, f, fd, &ignored)
                             : fd_copy(f->e->fd, fd, e->size, e->path, w->cancel, &ignored);
    return rc == 0 && finish_file(fd, e, &ignored) == 0;
}

int tree_writer_look(const struct tree_writer *w, const char *path, enum layer_look *out,
                     char **out_target, struct error *err)
{
    struct stat st;
    char target[PATH_MAX];
    *out = LAYER_LOOK_NOTHING;
    auto_close int fd = beneath_open(w->tree_fd, path, O_PATH | O_NOFOLLOW, 0);
    bool missing = fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
    if (missing)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return failed(err, "look for", path);
    *out = LAYER_LOOK_OTHER;
    if (S_ISDIR(st.st_mode)) {
        *out = is_opaque(fd) ? LAYER_LOOK_OPAQUE : LAYER_LOOK_DIR;
    } else if (S_ISLNK(st.st_mode)) {
        ssize_t len = readlinkat(fd, "", target, sizeof target);
        if (len < 0)
            return failed(err, "read link", path);
        *out = LAYER_LOOK_LINK;
        *out_target = xstrndup(target, (size_t)len);
    }
    return 0;
}

int tree_writer_opaque(struct tree_writer *w, const char *path, struct error *err)
{
    TRY(open_parent(w, path, strlen(path), err));
    return set_overlay_mark(w->parent_fd, MARK_OPAQUE, "y", path, err);
}

int tree_writer_whiteout(struct tree_writer *w, const char *path, struct error *err)
{
    struct stat st;
    const char *name = NULL;
    TRY(locate(w, path, &name, err));
    if (fstatat(w->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        /* An entry of this very layer stays; a directory of it hides what lies below. */
        if (!S_ISDIR(st.st_mode))
            return 0;
        auto_close int fd =
            openat(w->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return failed(err, "open directory", path);
        return set_overlay_mark(fd, MARK_OPAQUE, "y", path, err);
    }
    if (mknodat(w->parent_fd, name, S_IFCHR, 0) < 0)
        return failed(err, "create the whiteout of", path);
    return set_overlay_mark(w->parent_fd, MARK_ORIGIN, "", path, err);
}

int tree_writer_finish(struct tree_writer *w, struct layer_info *info, struct error *err)
{
    /* In order: of two entries for one directory the later one counts. */
    for (size_t i = 0; i < w->time_count; i++) {
        const struct dir_time *t = &w->times[i];
        struct timespec times[2] = { t->mtime, t->mtime };
        auto_close int fd = beneath_open(w->tree_fd, t->path, O_RDONLY | O_DIRECTORY, 0);
        /* Gone: a later entry replaced the directory. */
        if (fd >= 0 && futimens(fd, times) < 0)
            return failed(err, "set the time of", t->path);
    }
    info->has_root = w->has_root;
    info->root_mode = w->root_mode;
    info->root_uid = w->root_uid;
    info->root_gid = w->root_gid;
    return 0;
}
