/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/context/fetch.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "frontend/context/download.h"
#include "frontend/context/git_checkout.h"
#include "frontend/context/unpack.h"
#include "lib/base/fd.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/codec/base64.h"
#include "lib/codec/digest.h"
#include "lib/fs/resolve.h"
#include "lib/net/url.h"
#include "lib/store/blob.h"

enum { HEAD_SIZE = 512, FILE_MODE = 0600 };
#define SINGLE_FILE "context"

/* One thing that was fetched. */
struct fetched {
    char *path; /* of the context: the directory, or the repository's subdirectory */
    char *file; /* what to copy of it: a file's name or "." */
};

struct fetcher {
    struct source_fetcher base;
    struct fetch_options options;
    struct map items; /* context name -> struct fetched */
    unsigned next;    /* of the directories in the scratch space */
};

static void fetched_free(void *value)
{
    struct fetched *item = value;
    free(item->path);
    free(item->file);
    free(item);
}

static bool is_http(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

bool fetch_is_remote(const char *text)
{
    return is_http(text) || git_url_is(text, true);
}

const char *fetcher_path(const struct fetcher *f, const char *context)
{
    const struct fetched *item = map_find(&f->items, context);
    return item ? item->path : NULL;
}

/* A new, empty directory; *out_fd and *out_path are the caller's. */
static int make_directory(struct fetcher *f, char **out_path, int *out_fd, struct error *err)
{
    auto_free char *name = xasprintf("context-%u", f->next++);
    const struct store *store = f->options.store;
    if (mkdirat(store->scratch_fd, name, 0755) < 0 ||
        fchmodat(store->scratch_fd, name, 0755, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "make a directory for a context");
    *out_fd = openat(store->scratch_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open the directory for a context");
    *out_path = xasprintf("%s/tmp/%s/%s", store->path, store->lease, name);
    return 0;
}

static void keep(struct fetcher *f, const char *name, const char *path, const char *file)
{
    struct fetched *item = xcalloc(1, sizeof *item);
    item->path = xstrdup(path);
    item->file = xstrdup(file);
    map_set(&f->items, name, item);
}

/* git's servers take a token as the password of a user that none of them looks at. */
static char *token_header(const char *kind, const char *token)
{
    auto_(strbuf) struct strbuf encoded = STRBUF_INIT;
    if (strcmp(kind, "GIT") != 0)
        return xasprintf("Bearer %s", token);
    auto_free char *plain = xasprintf("x-access-token:%s", token);
    base64_encode(plain, strlen(plain), &encoded);
    return xasprintf("basic %s", encoded.buf);
}

/* A secret as the value of an Authorization header; the caller frees it. */
static char *authorization(const struct fetcher *f, const char *kind, const char *host)
{
    const struct fetch_options *o = &f->options;
    for (size_t i = 0; o->secret && i < 4; i++) {
        bool with_host = i < 2;
        const char *what = i % 2 == 0 ? "HEADER" : "TOKEN";
        const char *dot = strcmp(kind, "GIT") == 0 ? "." : "_";
        auto_free char *id =
            xasprintf("%s_AUTH_%s%s%s", kind, what, with_host ? dot : "", with_host ? host : "");
        const char *secret = o->secret(o->secret_arg, id);
        /* A file ends in a newline, a header must not. */
        auto_free char *value =
            xstrndup(secret ? secret : "", strcspn(secret ? secret : "", "\r\n"));
        if (*value)
            return i % 2 == 0 ? take_ptr(value) : token_header(kind, value);
    }
    return NULL;
}

/* Whose secrets an address may have: what stands before an "@" is a user's name, not a host's. */
static char *host_of(const char *address)
{
    const char *scheme = strstr(address, "://");
    const char *host = scheme ? scheme + 3 : address;
    size_t len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', len);
    if (at) {
        len -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    size_t name = *host == '[' ? strcspn(host, "]/?#") + 1 : strcspn(host, ":");
    return xstrndup(host, name < len ? name : len);
}

static int get(struct fetcher *f, const char *address, const char *checksum, struct downloaded *out,
               struct error *err)
{
    struct digest expected;
    const struct fetch_options *o = &f->options;
    auto_free char *url = xstrndup(address, strcspn(address, "#"));
    auto_free char *safe = xstrndup(url, strcspn(url, "?"));
    auto_free char *host = host_of(url);
    auto_free char *header = authorization(f, "HTTP", host);
    struct download_options options = { .store = o->store,
                                        .http = o->http,
                                        .progress = o->progress,
                                        .cancel = o->cancel,
                                        .expected = checksum ? &expected : NULL,
                                        .authorization = header };
    if (checksum && !digest_parse(checksum, &expected))
        return error_set(err, ERROR_USER, 0, "invalid checksum %s: it is sha256: and 64 hex digits",
                         checksum);
    unsigned v = progress_start(o->progress, safe);
    int rc = download(url, &options, v, out, err);
    return progress_end_with(o->progress, v, rc, err);
}

/* The blob as an ordinary file of the context. */
static int place(struct fetcher *f, const struct downloaded *file, int dir_fd, const char *name,
                 struct error *err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
                                 { .tv_sec = (time_t)file->modified_s } };
    auto_close int in = -1;
    TRY(blob_open(f->options.store, &file->digest, &in, NULL, err));
    auto_close int out = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (out < 0)
        return error_set(err, ERROR_USER, errno, "create %s", name);
    TRY(fd_copy(in, out, file->size, name, f->options.cancel, err));
    if (fchmod(out, FILE_MODE) < 0 || futimens(out, times) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set mode and time of %s", name);
    return 0;
}

static int fetch_file(struct fetcher *f, const struct remote_source *source, const char *name,
                      struct error *err)
{
    struct downloaded file;
    auto_free char *path = NULL;
    auto_close int fd = -1;
    TRY(get(f, source->url, source->checksum, &file, err));
    TRY(make_directory(f, &path, &fd, err));
    TRY(place(f, &file, fd, source->file_name, err));
    keep(f, name, path, source->file_name);
    return 0;
}

/* A directory of the checkout; a repository may hold links that lead out of it. */
static int enter(const char *path, const char *subdir, char **out, struct error *err)
{
    auto_(resolved) struct resolved r = { 0 };
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || root_resolve(fd, subdir, true, &r, err) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    if (!r.exists || !S_ISDIR(r.st.st_mode))
        return error_set(err, ERROR_USER, 0, "the repository has no directory %s", subdir);
    *out = xasprintf("%s/%s", path, r.path);
    return 0;
}

static int check_out(struct fetcher *f, const struct git_url *url, bool keep_git_dir, char **out,
                     struct error *err)
{
    auto_free char *path = NULL;
    auto_close int fd = -1;
    auto_free char *host = host_of(url->remote);
    auto_free char *header = authorization(f, "GIT", host);
    struct git_options options = { .keep_git_dir = keep_git_dir,
                                   .commit_times = url->commit_times || f->options.commit_times,
                                   .authorization = header,
                                   .cancel = f->options.cancel };
    TRY(make_directory(f, &path, &fd, err));
    TRY(git_checkout(url, path, &options, err));
    if (url->subdir)
        return enter(path, url->subdir, out, err);
    *out = take_ptr(path);
    return 0;
}

static int fetch_git(struct fetcher *f, const struct remote_source *source, const char *name,
                     struct error *err)
{
    auto_(git_url) struct git_url url = { 0 };
    auto_free char *path = NULL;
    auto_free char *safe = git_url_print_safe(source->url);
    TRY(git_url_parse(source->url, &url, err));
    if (source->has_keep_git_dir && url.has_keep_git_dir &&
        source->keep_git_dir != url.keep_git_dir)
        return error_set(err, ERROR_USER, 0,
                         "--keep-git-dir and the keep-git-dir of the address disagree");
    if (source->checksum && url.checksum && strcmp(source->checksum, url.checksum) != 0)
        return error_set(err, ERROR_USER, 0, "--checksum and the checksum of the address disagree");
    if (source->checksum && !url.checksum)
        url.checksum = xstrdup(source->checksum);
    unsigned v = progress_start(f->options.progress, safe);
    int rc = check_out(f, &url, source->keep_git_dir || url.keep_git_dir, &path, err);
    progress_end_with(f->options.progress, v, rc, err);
    if (rc == 0)
        keep(f, name, path, ".");
    return rc;
}

/* In place: %20 and the like; %00 stays as it is. */
static void decode_percent(char *text)
{
    char *out = text;
    for (const char *p = text; *p; out++) {
        bool escape = p[0] == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2]);
        char digits[] = { escape ? p[1] : '0', escape ? p[2] : '0', '\0' };
        char byte = (char)strtoul(digits, NULL, 16);
        *out = byte ? byte : *p;
        p += byte ? 3 : 1;
    }
    *out = '\0';
}

/* The last component of the address's path, decoded. */
static char *name_in(const char *address)
{
    auto_free char *plain = xstrndup(address, strcspn(address, "?#"));
    const char *host = strstr(plain, "://");
    char *path = strchr(host ? host + 3 : plain, '/');
    if (path)
        decode_percent(path);
    auto_free char *clean = path ? path_clean(path) : xstrdup("/");
    const char *name = path_base(clean);
    return xstrdup(*name && strcmp(name, "/") != 0 ? name : "__unnamed__");
}

static int fetch(struct source_fetcher *base, const struct remote_source *source,
                 const char **out_context, const char **out_path, struct error *err)
{
    struct fetcher *f = (struct fetcher *)base;
    struct remote_source s = *source;
    auto_free char *file_name = s.file_name ? xstrdup(s.file_name) : name_in(s.url);
    s.file_name = file_name;
    /* With the checksum: what was fetched without one has not been compared with any. */
    auto_free char *name =
        xasprintf("%s %s %d %s", s.url, s.kind == REMOTE_HTTP ? file_name : "git", s.keep_git_dir,
                  s.checksum ? s.checksum : "-");
    if (!map_find(&f->items, name))
        TRY(s.kind == REMOTE_HTTP ? fetch_file(f, &s, name, err) : fetch_git(f, &s, name, err));
    for (size_t i = 0; i < f->items.count; i++) {
        if (strcmp(f->items.entries[i].key, name) == 0)
            *out_context = f->items.entries[i].key;
    }
    *out_path = ((const struct fetched *)map_find(&f->items, name))->file;
    return 0;
}

struct fetcher *fetcher_new(const struct fetch_options *options)
{
    struct fetcher *f = xcalloc(1, sizeof *f);
    f->base.fetch = fetch;
    f->options = *options;
    f->items.free_value = fetched_free;
    return f;
}

struct source_fetcher *fetcher_base(struct fetcher *f)
{
    return &f->base;
}

void fetcher_free(struct fetcher *f)
{
    if (!f)
        return;
    map_release(&f->items);
    free(f);
}

/* A file or a pipe, of which the first bytes may have been looked at. Nobody knows when a pipe has
 * more, so a wait for it can be ended. */
struct stream {
    struct reader base;
    const char *head;
    size_t left;
    int fd;
    const char *name;
    const struct cancel *cancel;
};

static ssize_t stream_read(struct reader *r, void *buf, size_t cap, struct error *err)
{
    struct stream *s = (struct stream *)r;
    if (s->left) {
        size_t n = s->left < cap ? s->left : cap;
        memcpy(buf, s->head, n);
        s->head += n;
        s->left -= n;
        return (ssize_t)n;
    }
    return fd_read_some(s->fd, buf, cap, s->name, s->cancel, err);
}

static struct stream stream_init(const struct fetcher *f, int fd, const char *name)
{
    return (struct stream){
        .base = { stream_read }, .fd = fd, .name = name, .cancel = f->options.cancel
    };
}

static int read_text(struct stream *s, size_t limit, struct strbuf *out, struct error *err)
{
    enum { PIECE = 64 * 1024 };
    ssize_t n = 0;
    do {
        n = s->base.read(&s->base, strbuf_reserve(out, PIECE), PIECE, err);
        if (n < 0)
            return -1;
        out->len += (size_t)n;
        out->buf[out->len] = '\0';
        if (out->len > limit)
            return error_set(err, ERROR_USER, 0, "%s is larger than %zu bytes", s->name, limit);
    } while (n > 0);
    return 0;
}

int fetch_stream(struct fetcher *f, int fd, const char *name, size_t text_limit,
                 const char **out_path, struct strbuf *out_text, struct error *err)
{
    char head[HEAD_SIZE];
    auto_free char *path = NULL;
    auto_close int dir = -1;
    struct stream in = stream_init(f, fd, name);
    size_t len = 0;
    ssize_t n = 0;
    do {
        n = in.base.read(&in.base, head + len, sizeof head - len, err);
        if (n < 0)
            return -1;
        len += (size_t)n;
    } while (n > 0 && len < sizeof head);
    in.head = head;
    in.left = len;
    TRY(make_directory(f, &path, &dir, err));
    if (unpack_is_archive(head, len))
        TRY(unpack_archive(&in.base, name, dir, err));
    else
        TRY(read_text(&in, text_limit, out_text, err));
    keep(f, name, path, ".");
    *out_path = fetcher_path(f, name);
    return 0;
}

static int place_or_unpack(struct fetcher *f, const struct downloaded *file, const char *address,
                           bool *out_is_file, struct error *err)
{
    char head[HEAD_SIZE];
    auto_free char *path = NULL;
    auto_close int dir = -1;
    auto_close int in = -1;
    TRY(make_directory(f, &path, &dir, err));
    TRY(blob_open(f->options.store, &file->digest, &in, NULL, err));
    ssize_t n = pread(in, head, sizeof head, 0);
    *out_is_file = n < 0 || !unpack_is_archive(head, (size_t)n);
    if (*out_is_file) {
        TRY(place(f, file, dir, SINGLE_FILE, err));
    } else {
        struct stream reader = stream_init(f, in, address);
        TRY(unpack_archive(&reader.base, address, dir, err));
    }
    keep(f, address, path, ".");
    return 0;
}

int fetch_context(struct fetcher *f, const char *address, const char **out_path, bool *out_is_file,
                  struct error *err)
{
    struct downloaded file;
    *out_is_file = false;
    if (git_url_is(address, true)) {
        struct remote_source source = { .kind = REMOTE_GIT, .url = address };
        TRY(fetch_git(f, &source, address, err));
    } else {
        TRY(get(f, address, NULL, &file, err));
        TRY(place_or_unpack(f, &file, address, out_is_file, err));
    }
    *out_path = fetcher_path(f, address);
    return 0;
}

int fetch_text(struct fetcher *f, const char *address, size_t limit, struct strbuf *out,
               struct error *err)
{
    struct downloaded file;
    auto_close int fd = -1;
    TRY(get(f, address, NULL, &file, err));
    TRY(blob_open(f->options.store, &file.digest, &fd, NULL, err));
    return fd_read_all(fd, limit, address, out, err);
}
