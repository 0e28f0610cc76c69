/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/layout.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"
#include "lib/store/blob.h"

enum { VERSION_FILE_MAX = 4096, COPY_SIZE = 128 * 1024 };

struct layout_spec {
    char *directory;
    char *tag;    /* NULL if none */
    char *digest; /* likewise */
};

static void spec_release(struct layout_spec *s)
{
    free(s->directory);
    free(s->tag);
    free(s->digest);
}
DEFINE_AUTO(spec, struct layout_spec, spec_release(value))

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A path may hold ':' itself: what exists as a directory is one. */
static int parse_spec(const char *text, struct layout_spec *out, struct error *err)
{
    const char *at = strstr(text, "@sha256:");
    struct digest ignored;

    if (at && !digest_parse(at + 1, &ignored))
        return error_set(err, ERROR_USER, 0, "\"%s\" ends in no valid digest", text);
    out->digest = at ? xstrdup(at + 1) : NULL;
    out->directory = at ? xstrndup(text, (size_t)(at - text)) : xstrdup(text);
    char *colon = strrchr(out->directory, ':');
    if (colon && !strchr(colon, '/') && !is_directory(out->directory)) {
        out->tag = xstrdup(colon + 1);
        *colon = '\0';
    }
    return 0;
}

struct layout {
    struct document_fetcher fetcher;
    struct blob_provider provider;
    const struct store *store;
    char *path;
    int fd;
};

static struct layout *layout_of_fetcher(struct document_fetcher *fetcher)
{
    return (void *)((char *)fetcher - offsetof(struct layout, fetcher));
}

static struct layout *layout_of_provider(struct blob_provider *provider)
{
    return (void *)((char *)provider - offsetof(struct layout, provider));
}

static void blob_path(const struct digest *digest, char path[static DIGEST_HEX_SIZE + 16])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(digest, hex);
    snprintf(path, DIGEST_HEX_SIZE + 16, "blobs/sha256/%s", hex);
}

static int read_blob(struct document_fetcher *fetcher, const struct descriptor *d, uint64_t limit,
                     struct strbuf *out, struct error *err)
{
    const struct layout *layout = layout_of_fetcher(fetcher);
    char path[DIGEST_HEX_SIZE + 16];

    blob_path(&d->digest, path);
    return fd_read_file(layout->fd, path, limit, out, err);
}

/* A blob that is copied into the store as it is being read. */
struct layout_stream {
    struct blob_stream base;
    const struct layout *layout;
    struct descriptor blob;
    int fd;
    struct blob_writer writer; /* fd -1 once the store has it */
    atomic_bool is_interrupted;
};

static int copy_failed(const struct layout_stream *s, struct error *err)
{
    return error_wrap(err, "OCI layout %s", s->layout->path);
}

static ssize_t stream_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct layout_stream *s = (struct layout_stream *)base;

    if (atomic_load(&s->is_interrupted))
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    ssize_t got = fd_read_full(s->fd, buf, cap);
    if (got < 0)
        error_set(err, ERROR_SYSTEM, errno, "read a blob");
    else if (got > 0 && writer_write(&s->writer.base, buf, (size_t)got, err) == 0)
        return got;
    else if (got == 0 &&
             (s->writer.fd < 0 || blob_writer_commit(&s->writer, &s->blob.digest, NULL, err) == 0))
        return 0;
    return copy_failed(s, err);
}

static void stream_interrupt(struct blob_stream *base)
{
    atomic_store(&((struct layout_stream *)base)->is_interrupted, true);
}

static void stream_close(struct blob_stream *base)
{
    struct layout_stream *s = (struct layout_stream *)base;

    blob_writer_release(&s->writer);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

static int open_both(struct layout_stream *s, struct error *err)
{
    char path[DIGEST_HEX_SIZE + 16];
    struct stat st;

    blob_path(&s->blob.digest, path);
    /* NONBLOCK: a FIFO in place of the file must not stop us */
    s->fd = openat(s->layout->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s->fd < 0)
        return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, errno, "open %s",
                         path);
    if (fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != s->blob.size)
        return error_set(err, ERROR_CORRUPT, 0, "%s is not a file of %llu bytes", path,
                         (unsigned long long)s->blob.size);
    return blob_writer_open(s->layout->store, &s->writer, err);
}

static int open_stream(struct blob_provider *provider, const struct descriptor *blob,
                       struct thread_pool *pool, unsigned vertex, struct blob_stream **out,
                       struct error *err)
{
    struct layout *layout = layout_of_provider(provider);
    struct layout_stream *s = xcalloc(1, sizeof *s);

    (void)pool;
    (void)vertex; /* a local copy is too quick to report */
    assert(layout->store);
    s->base = (struct blob_stream){ { stream_read }, stream_interrupt, stream_close };
    s->layout = layout;
    s->blob = *blob;
    s->fd = s->writer.fd = -1;
    if (open_both(s, err) < 0) {
        copy_failed(s, err);
        stream_close(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}

static int fetch(struct blob_provider *provider, const struct descriptor *blob, unsigned vertex,
                 struct error *err)
{
    struct blob_stream *stream = NULL;

    if (blob_exists(layout_of_provider(provider)->store, &blob->digest, blob->size))
        return 0;
    auto_free char *buffer = xmalloc(COPY_SIZE);
    TRY(open_stream(provider, blob, NULL, vertex, &stream, err));
    ssize_t got = 1;
    while (got > 0)
        got = stream->base.read(&stream->base, buffer, COPY_SIZE, err);
    stream->close(stream);
    return (int)got;
}

static bool lacks(struct blob_provider *provider, const struct descriptor *blob)
{
    char path[DIGEST_HEX_SIZE + 16];
    struct stat st;

    blob_path(&blob->digest, path);
    return fstatat(layout_of_provider(provider)->fd, path, &st, 0) < 0
               ? errno == ENOENT
               : (uint64_t)st.st_size != blob->size;
}

static void layout_free(struct layout *layout)
{
    if (!layout)
        return;
    if (layout->fd >= 0)
        close(layout->fd);
    free(layout->path);
    free(layout);
}
DEFINE_AUTO(layout, struct layout *, layout_free(*value))

static void provider_free(struct blob_provider *provider)
{
    layout_free(layout_of_provider(provider));
}

static int check_version(const struct layout *layout, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(js) js *doc = NULL;
    const char *version = "";

    if (fd_read_file(layout->fd, "oci-layout", VERSION_FILE_MAX, &text, err) < 0)
        return error_hint(err,
                          "an OCI layout is a directory with oci-layout, index.json and blobs");
    TRY(js_parse(text.buf, text.len, "oci-layout", &doc, err));
    TRY(js_get_text(doc, "imageLayoutVersion", true, &version, err));
    if (!str_starts_with(version, "1."))
        return error_set(err, ERROR_UNSUPPORTED, 0, "layout is of version %.20s, not 1", version);
    return 0;
}

/* Is `tag` what the entry calls itself: as a tag, or at the end of a full name? */
static bool entry_has_tag(const struct index_entry *entry, const char *tag)
{
    auto_free char *ending = xasprintf(":%s", tag);

    if (entry->ref_name &&
        (strcmp(entry->ref_name, tag) == 0 || str_ends_with(entry->ref_name, ending)))
        return true;
    return entry->image_name && str_ends_with(entry->image_name, ending);
}

static bool entry_is_wanted(const struct index_entry *entry, const struct layout_spec *spec,
                            const char *tag)
{
    char digest[DIGEST_TEXT_SIZE];

    digest_print(&entry->descriptor.digest, digest);
    if (spec->digest && strcmp(digest, spec->digest) != 0)
        return false;
    return !tag || entry_has_tag(entry, tag);
}

/* Do the entries bear more than one name? Then a platform alone does not say which is meant. */
static bool has_several_names(const struct index *index)
{
    const char *first = NULL;

    for (size_t i = 0; i < index->count; i++) {
        const char *name = index->entries[i].ref_name;
        if (name && first && strcmp(name, first) != 0)
            return true;
        first = first ? first : name;
    }
    return false;
}

static int nothing_suits(const struct index *index, const struct layout_spec *spec, const char *tag,
                         struct error *err)
{
    auto_(strbuf) struct strbuf names = STRBUF_INIT;

    error_set(err, ERROR_NOT_FOUND, 0, "no image \"%s\" for the platform",
              spec->digest ? spec->digest : (tag ? tag : "any"));
    for (size_t i = 0; i < index->count; i++) {
        if (!index->entries[i].ref_name)
            continue;
        strbuf_addf(&names, "%s%.200s", names.len ? ", " : "", index->entries[i].ref_name);
    }
    return names.len ? error_hint(err, "the layout has: %s", names.buf) : -1;
}

static int choose(const struct layout *layout, const struct layout_spec *spec,
                  const struct platform *platform, struct descriptor *out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(index) struct index index = { 0 };
    struct index wanted = { 0 }; /* borrows the entries' strings */

    TRY(fd_read_file(layout->fd, "index.json", OCI_DOCUMENT_MAX, &text, err));
    TRY(index_parse(text.buf, text.len, MEDIA_UNKNOWN, &index, err));
    const char *tag = spec->tag;
    if (!tag && !spec->digest && has_several_names(&index))
        tag = "latest";
    auto_free struct index_entry *entries = xcalloc(index.count + 1, sizeof *entries);
    wanted.entries = entries;
    for (size_t i = 0; i < index.count; i++)
        if (entry_is_wanted(&index.entries[i], spec, tag))
            entries[wanted.count++] = index.entries[i];
    const struct index_entry *entry = index_choose(&wanted, platform);
    if (!entry)
        return nothing_suits(&index, spec, tag, err);
    *out = entry->descriptor;
    return 0;
}

static int load(struct layout *layout, const struct layout_spec *spec,
                const struct platform *platform, struct image_source *out, struct error *err)
{
    struct descriptor root;
    struct digest actual;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;

    TRY(check_version(layout, err));
    TRY(choose(layout, spec, platform, &root, err));
    TRY(read_blob(&layout->fetcher, &root, OCI_DOCUMENT_MAX, &text, err));
    digest_of(text.buf, text.len, &actual);
    if (text.len != root.size || !digest_equal(&actual, &root.digest))
        return error_set(err, ERROR_CORRUPT, 0, "manifest does not match its size and digest");
    return image_source_load(&layout->fetcher, &root, &text, platform, out, err);
}

static struct layout *layout_new(const char *path, const struct store *store)
{
    struct layout *layout = xcalloc(1, sizeof *layout);

    layout->fetcher.fetch = read_blob;
    layout->provider.fetch = fetch;
    layout->provider.open = open_stream;
    layout->provider.lacks = lacks;
    layout->store = store;
    layout->path = xstrdup(path);
    layout->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return layout;
}

/* `source` takes the layout, and goes to *out. */
static void hand_over(struct image_source *source, struct layout *layout, const char *name,
                      struct image_source *out)
{
    source->name = xstrdup(name);
    source->provider = &layout->provider;
    source->free_provider = provider_free;
    *out = *source;
    image_source_init(source);
}

int layout_open(const char *spec_text, const struct platform *platform, const struct store *store,
                struct image_source *out, struct error *err)
{
    auto_(spec) struct layout_spec spec = { 0 };
    auto_(image_source) struct image_source source;

    image_source_init(&source);
    TRY(parse_spec(spec_text, &spec, err));
    auto_(layout) struct layout *layout = layout_new(spec.directory, store);
    if (layout->fd < 0)
        return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_USER, errno,
                         "open OCI layout %s", spec.directory);
    if (load(layout, &spec, platform, &source, err) < 0)
        return error_wrap(err, "OCI layout %s", spec.directory);
    hand_over(&source, take_ptr(layout), spec_text, out);
    return 0;
}

int layout_find(const char *path, const char *manifest, const struct platform *platform,
                const struct store *store, struct image_source *out, bool *out_found,
                struct error *err)
{
    struct descriptor root = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(image_source) struct image_source source;
    auto_(layout) struct layout *layout = layout_new(path, store);

    image_source_init(&source);
    *out_found = layout->fd >= 0 || errno != ENOENT;
    if (*out_found && layout->fd < 0)
        return error_set(err, ERROR_USER, errno, "open %s", path);
    if (*out_found && fd_read_file(layout->fd, manifest, OCI_DOCUMENT_MAX, &text, err) < 0) {
        *out_found = err->kind != ERROR_NOT_FOUND;
        if (*out_found)
            return -1;
        error_clear(err);
    }
    if (!*out_found)
        return 0;
    root.size = text.len;
    digest_of(text.buf, text.len, &root.digest);
    TRY(image_source_load(&layout->fetcher, &root, &text, platform, &source, err));
    hand_over(&source, take_ptr(layout), path, out);
    return 0;
}
