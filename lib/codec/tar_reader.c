/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

enum { CHUNK = 256 * 1024, PATH_BYTES_MAX = 32 * 1024, COMPONENT_MAX = 255, XATTRS_MAX = 1024 };

bool tar_is_header(const unsigned char block[static TAR_BLOCK_SIZE])
{
    enum { CHECKSUM_AT = 148, CHECKSUM_LEN = 8 };
    int64_t sum = 0;
    int64_t signed_sum = 0; /* as some old programs computed it */
    uint64_t stored = 0;
    for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
        bool own = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LEN;
        sum += own ? ' ' : block[i];
        signed_sum += own ? ' ' : (signed char)block[i];
    }
    struct str text = { (const char *)block + CHECKSUM_AT, CHECKSUM_LEN };
    text.len = strnlen(text.ptr, text.len);
    return str_to_u64(str_trim(text, " "), 8, INT32_MAX, &stored) &&
           ((int64_t)stored == sum || (int64_t)stored == signed_sum);
}

struct tar_reader {
    struct archive *archive;
    struct reader *in;
    char *name;            /* for messages */
    struct error in_error; /* why `in` failed, kept while libarchive unwinds */
    char *path, *link;
    struct tar_entry entry;
    struct tar_xattr *xattrs;
    size_t xattr_cap;
    unsigned char buffer[CHUNK];
    /* content: what libarchive's current block still holds, and how far we are */
    const char *block;
    size_t block_len;
    int64_t block_offset, offset;
};

static la_ssize_t feed(struct archive *a, void *arg, const void **out)
{
    struct tar_reader *r = arg;
    ssize_t n = r->in->read(r->in, r->buffer, sizeof r->buffer, &r->in_error);
    if (n < 0)
        archive_set_error(a, EIO, "%s", r->in_error.message ? r->in_error.message : "read");
    *out = r->buffer;
    return n;
}

static int archive_failed(struct tar_reader *r, struct error *err)
{
    if (error_is_set(&r->in_error)) {
        error_move(err, &r->in_error);
        return -1;
    }
    const char *why = archive_error_string(r->archive);
    return error_set(err, ERROR_CORRUPT, 0, "%s: %s", r->name, why ? why : "not a tar archive");
}

int tar_reader_open(struct reader *in, const char *name, struct tar_reader **out, struct error *err)
{
    auto_(tar_reader) struct tar_reader *r = xcalloc(1, sizeof *r);
    r->in = in;
    r->name = xstrdup(name);
    r->archive = archive_read_new();
    if (!r->archive)
        abort();
    if (archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(r->archive) != ARCHIVE_OK ||
        archive_read_open(r->archive, r, NULL, feed, NULL) != ARCHIVE_OK)
        return archive_failed(r, err);
    *out = take_ptr(r);
    return 0;
}

void tar_reader_free(struct tar_reader *r)
{
    if (!r)
        return;
    archive_read_free(r->archive);
    error_clear(&r->in_error);
    free(r->name);
    free(r->path);
    free(r->link);
    free(r->xattrs);
    free(r);
}

/* Cleans `raw` lexically; *out is the caller's. */
static int clean_path(const struct tar_reader *r, const char *raw, char **out, struct error *err)
{
    if (!raw || !*raw)
        return error_set(err, ERROR_CORRUPT, 0, "%s: an entry without a name", r->name);
    if (strlen(raw) > PATH_BYTES_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "%s: a path of %zu bytes", r->name, strlen(raw));
    struct str rest = str_of(raw);
    while (rest.len) {
        struct str part = str_cut(&rest, '/');
        if (str_equal(part, STR("..")))
            return error_set(err, ERROR_CORRUPT, 0, "%s: entry %s climbs out of the layer", r->name,
                             raw);
        if (part.len > COMPONENT_MAX)
            return error_set(err, ERROR_CORRUPT, 0, "%s: a name of %zu bytes in %.64s...", r->name,
                             part.len, raw);
    }
    auto_free char *cleaned = path_clean(raw);
    const char *relative = cleaned[0] == '/' ? cleaned + 1 : cleaned;
    *out = xstrdup(strcmp(relative, ".") == 0 ? "" : relative);
    return 0;
}

static bool map_type(mode_t type, enum tar_type *out)
{
    switch (type) {
    case S_IFREG: *out = TAR_FILE; return true;
    case S_IFDIR: *out = TAR_DIR; return true;
    case S_IFLNK: *out = TAR_SYMLINK; return true;
    case S_IFCHR: *out = TAR_CHAR; return true;
    case S_IFBLK: *out = TAR_BLOCK; return true;
    case S_IFIFO: *out = TAR_FIFO; return true;
    default: return false;
    }
}

static int read_xattrs(struct tar_reader *r, struct archive_entry *a, struct error *err)
{
    const char *name = NULL;
    const void *value = NULL;
    size_t len = 0;
    r->entry.xattr_count = 0;
    archive_entry_xattr_reset(a);
    while (archive_entry_xattr_next(a, &name, &value, &len) == ARCHIVE_OK) {
        if (r->entry.xattr_count == XATTRS_MAX)
            return error_set(err, ERROR_CORRUPT, 0, "%s: more than %d extended attributes on %s",
                             r->name, XATTRS_MAX, r->entry.path);
        GROW(r->xattrs, r->entry.xattr_count, r->xattr_cap);
        r->xattrs[r->entry.xattr_count++] = (struct tar_xattr){ name, value, len };
    }
    r->entry.xattrs = r->xattrs;
    return 0;
}

static int read_ids(struct tar_reader *r, struct archive_entry *a, struct error *err)
{
    int64_t uid = archive_entry_uid(a);
    int64_t gid = archive_entry_gid(a);
    if (uid < 0 || uid > 4294967294 || gid < 0 || gid > 4294967294)
        return error_set(err, ERROR_CORRUPT, 0, "%s: %s has owner %lld:%lld", r->name, r->path,
                         (long long)uid, (long long)gid);
    r->entry.uid = (uint32_t)uid;
    r->entry.gid = (uint32_t)gid;
    return 0;
}

static int read_link(struct tar_reader *r, struct archive_entry *a, struct error *err)
{
    const char *hard = archive_entry_hardlink(a);
    free(take_ptr(r->link));
    if (hard) {
        r->entry.type = TAR_HARDLINK;
        TRY(clean_path(r, hard, &r->link, err));
    } else if (r->entry.type == TAR_SYMLINK) {
        const char *target = archive_entry_symlink(a);
        if (!target || !*target || strlen(target) > 4095)
            return error_set(err, ERROR_CORRUPT, 0, "%s: symbolic link %s has no valid target",
                             r->name, r->path);
        r->link = xstrdup(target);
    }
    r->entry.link = r->link;
    return 0;
}

static int translate(struct tar_reader *r, struct archive_entry *a, struct error *err)
{
    free(take_ptr(r->path));
    TRY(clean_path(r, archive_entry_pathname(a), &r->path, err));
    r->entry.path = r->path;
    r->entry.mode = archive_entry_mode(a) & 07777;
    r->entry.mtime_s = archive_entry_mtime(a);
    r->entry.mtime_ns = (uint32_t)archive_entry_mtime_nsec(a) % 1000000000U;
    r->entry.dev_major = (uint32_t)major(archive_entry_rdev(a));
    r->entry.dev_minor = (uint32_t)minor(archive_entry_rdev(a));
    TRY(read_ids(r, a, err));
    TRY(read_link(r, a, err));
    int64_t size = archive_entry_size(a);
    if (size < 0)
        return error_set(err, ERROR_CORRUPT, 0, "%s: %s has a negative size", r->name, r->path);
    r->entry.size = r->entry.type == TAR_FILE ? (uint64_t)size : 0;
    return read_xattrs(r, a, err);
}

/* Most warnings are about names in the locale's charset, which we do not use. But an extended
 * header that lies about its lengths must not be passed over: another reader would see another
 * path. */
static bool is_tolerable(const struct tar_reader *r, int rc)
{
    const char *why = archive_error_string(r->archive);
    return rc == ARCHIVE_WARN && !(why && strstr(why, "pax extended attribute"));
}

int tar_reader_next(struct tar_reader *r, const struct tar_entry **out, struct error *err)
{
    struct archive_entry *a = NULL;
    *out = NULL;
    int rc = archive_read_next_header(r->archive, &a);
    if (rc == ARCHIVE_EOF)
        return 0;
    if (rc != ARCHIVE_OK && !is_tolerable(r, rc))
        return archive_failed(r, err);
    r->entry = (struct tar_entry){ 0 };
    if (!map_type(archive_entry_filetype(a), &r->entry.type) && !archive_entry_hardlink(a))
        return error_set(err, ERROR_CORRUPT, 0, "%s: an entry that is neither file nor link",
                         r->name);
    TRY(translate(r, a, err));
    r->block_len = 0;
    r->block_offset = r->offset = 0;
    *out = &r->entry;
    return 0;
}

ssize_t tar_reader_content(struct tar_reader *r, void *buf, size_t cap, struct error *err)
{
    if ((uint64_t)r->offset >= r->entry.size)
        return 0;
    while (r->block_len == 0) {
        const void *block = NULL;
        int rc = archive_read_data_block(r->archive, &block, &r->block_len, &r->block_offset);
        if (rc == ARCHIVE_EOF) {
            r->block_offset = (int64_t)r->entry.size;
            break;
        }
        if (rc != ARCHIVE_OK)
            return archive_failed(r, err);
        r->block = block;
    }
    size_t n = 0;
    /* A sparse map may lead beyond the size; that is the end all the same. */
    uint64_t left = r->entry.size - (uint64_t)r->offset;
    cap = left < cap ? (size_t)left : cap;
    if (r->offset < r->block_offset) {
        uint64_t hole = (uint64_t)(r->block_offset - r->offset);
        n = hole < cap ? (size_t)hole : cap;
        memset(buf, 0, n);
    } else {
        n = r->block_len < cap ? r->block_len : cap;
        memcpy(buf, r->block, n);
        r->block += n;
        r->block_len -= n;
        r->block_offset += (int64_t)n;
    }
    r->offset += (int64_t)n;
    return (ssize_t)n;
}
