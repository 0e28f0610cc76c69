/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/export.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cmd/builder.h"
#include "cmd/push.h"
#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/meter.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/exporter/image.h"
#include "lib/exporter/oci_layout.h"
#include "lib/exporter/rootfs.h"
#include "lib/oci/reference.h"
#include "lib/store/blob.h"

enum { BUFFER = 1024 * 1024, COPY_PIECE = 16 * 1024 * 1024 };

/* What is written to wherever the user wants it. */
struct content {
    int (*write)(const void *arg, struct writer *out, struct error *err);
    const void *arg;
    struct meter *meter; /* NULL: too short to be shown */
};

static int refuse_terminal(struct error *err)
{
    if (!isatty(STDOUT_FILENO))
        return 0;
    error_set(err, ERROR_USAGE, 0, "an archive does not go to a terminal");
    return error_hint(err, "redirect it, or give a file: dest=FILE");
}

/* Gathers small writes: a tar is headers between contents. */
struct buffered_writer {
    struct writer base;
    struct fd_writer *next;
    char *buf;
    size_t len;
    const struct cancel *cancel;
    struct meter *meter;
};

static int buffered_flush(struct buffered_writer *b, struct error *err)
{
    TRY(writer_write(&b->next->base, b->buf, b->len, err));
    b->len = 0;
    return 0;
}

static int buffered_write(struct writer *w, const void *data, size_t len, struct error *err)
{
    struct buffered_writer *b = (struct buffered_writer *)w;
    TRY(cancel_check(b->cancel, err));
    meter_add(b->meter, len);
    if (b->len + len > BUFFER)
        TRY(buffered_flush(b, err));
    if (len >= BUFFER)
        return writer_write(&b->next->base, data, len, err);
    memcpy(b->buf + b->len, data, len);
    b->len += len;
    return 0;
}

/* Large contents go from file to file in the kernel. */
static int buffered_copy(struct writer *w, int fd, uint64_t len, struct error *err)
{
    struct buffered_writer *b = (struct buffered_writer *)w;
    TRY(buffered_flush(b, err));
    while (len) {
        uint64_t n = len < COPY_PIECE ? len : COPY_PIECE;
        TRY(fd_copy(fd, b->next->fd, n, b->next->name, b->cancel, err));
        /* The disk begins now with what has to be on it in the end; a pipe has no such thing. */
        (void)!sync_file_range(b->next->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        meter_add(b->meter, n);
        len -= n;
    }
    return 0;
}

static int write_buffered(struct session *s, int fd, const char *name,
                          const struct content *content, struct error *err)
{
    struct fd_writer out = fd_writer_init(fd, name);
    auto_free char *buf = xmalloc(BUFFER);
    struct buffered_writer buffered = { .base = { buffered_write, buffered_copy },
                                        .next = &out,
                                        .buf = buf,
                                        .cancel = &s->cancel,
                                        .meter = content->meter };
    TRY(content->write(content->arg, &buffered.base, err));
    return buffered_flush(&buffered, err);
}

/* A file that appears only when it is whole. */
static int write_new_file(struct session *s, const char *dest, const struct content *content,
                          struct error *err)
{
    const char *slash = strrchr(dest, '/');
    auto_free char *dir = slash == dest ? xstrdup("/")
                          : slash       ? xstrndup(dest, (size_t)(slash - dest))
                                        : xstrdup(".");
    auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return error_set(err, ERROR_USER, errno, "open the directory %s", dir);
    auto_(atomic_file) struct atomic_file f = { .fd = -1 };
    TRY(atomic_file_open(&f, dir_fd, path_base(dest), 0666, err));
    TRY(write_buffered(s, f.fd, dest, content, err));
    return atomic_file_commit(&f, true, err);
}

/* A pipe or a device is written to; in no case is it replaced. */
static bool is_special(const char *dest)
{
    struct stat st;
    return stat(dest, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* To standard output, or to a file. */
static int write_file(struct session *s, const char *dest, const struct content *content,
                      struct error *err)
{
    if (strcmp(dest, "-") == 0) {
        TRY(refuse_terminal(err));
        return write_buffered(s, STDOUT_FILENO, "standard output", content, err);
    }
    if (is_special(dest)) {
        auto_close int fd = open(dest, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            return error_set(err, ERROR_USER, errno, "open %s", dest);
        return write_buffered(s, fd, dest, content, err);
    }
    /* The file that a link leads to is replaced, not the link. */
    auto_free char *target = realpath(dest, NULL);
    return write_new_file(s, target ? target : dest, content, err);
}

static int write_text(const void *arg, struct writer *out, struct error *err)
{
    return writer_write(out, arg, strlen(arg), err);
}

int export_text(struct session *s, const char *dest, const char *text, struct error *err)
{
    umask(s->umask);
    return write_file(s, dest, &(struct content){ write_text, text, NULL }, err);
}

static int write_layout(const void *arg, struct writer *out, struct error *err)
{
    return layout_write_tar(arg, out, err);
}

static int write_layout_dir(const struct layout_export *e, const char *dest, struct error *err)
{
    if (mkdir(dest, 0777) < 0 && errno != EEXIST)
        return error_set(err, ERROR_USER, errno, "create %s", dest);
    auto_close int fd = open(dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_USER, errno, "open %s", dest);
    return layout_write_dir(e, fd, err);
}

static char *title_of(const struct output *o, const struct strvec *names)
{
    switch (o->type) {
    case OUTPUT_REGISTRY: return xasprintf("pushing %s", names->count ? names->items[0] : "");
    case OUTPUT_OCI: return xasprintf("exporting to oci image format: %s", o->dest);
    case OUTPUT_OCI_DIR: return xasprintf("exporting to oci image layout: %s", o->dest);
    case OUTPUT_LOCAL: return xasprintf("exporting to client directory: %s", o->dest);
    case OUTPUT_TAR: return xasprintf("exporting to client tarball: %s", o->dest);
    case OUTPUT_IMAGE:
    case OUTPUT_CACHE: break;
    }
    return xstrdup("exporting to image");
}

static uint64_t packed_size(const struct image_record *image)
{
    uint64_t size = image->manifest_size;
    for (size_t i = 0; i < image->layer_count; i++)
        size += image->layers[i].blob_size;
    return size;
}

static int write_output(struct session *s, const struct layout_export *e,
                        const struct output *output, struct error *err)
{
    const struct content archive = { write_layout, e, e->meter };
    return output->type == OUTPUT_OCI ? write_file(s, output->dest, &archive, err)
                                      : write_layout_dir(e, output->dest, err);
}

static int end_step(struct session *s, unsigned v, int rc, const struct error *err)
{
    progress_end(s->progress, v,
                 rc == 0                        ? PROGRESS_DONE
                 : err->kind == ERROR_CANCELLED ? PROGRESS_CANCELLED
                                                : PROGRESS_FAILED,
                 rc < 0 ? err->message : NULL);
    return rc;
}

int export_index(struct session *s, const struct layout_index *index, const struct strvec *names,
                 const struct output *output, struct error *err)
{
    struct meter meter;
    const struct layout_export e = {
        .store = &s->store, .index = index, .names = names, .meter = &meter, .cancel = &s->cancel
    };
    auto_free char *title = title_of(output, names);
    umask(s->umask);
    unsigned v = progress_start(s->progress, title);
    meter_start(&meter, s->progress, v, "writing", 0);
    int rc = write_output(s, &e, output, err);
    if (rc == 0)
        meter_end(&meter);
    return end_step(s, v, rc, err);
}

int export_image(struct session *s, struct image_record *image, const struct strvec *names,
                 const struct output *output, struct error *err)
{
    struct meter meter;
    const struct layout_export e = {
        .store = &s->store, .image = image, .names = names, .meter = &meter, .cancel = &s->cancel
    };
    auto_free char *title = title_of(output, names);
    char digest[DIGEST_TEXT_SIZE];
    if (!output_needs_blobs(output))
        return 0;
    if (!image->has_manifest)
        TRY(image_put_manifest(image, &s->store, NULL, err));
    umask(s->umask);
    unsigned v = progress_start(s->progress, title);
    digest_print(&image->manifest, digest);
    auto_free char *note = xasprintf("exporting manifest %s", digest);
    progress_note(s->progress, v, note);
    meter_start(&meter, s->progress, v, "writing", packed_size(image));
    int rc = output->type == OUTPUT_REGISTRY
                 ? push_image_record(s, image, names, output->by_digest, v, err)
                 : write_output(s, &e, output, err);
    if (rc == 0)
        meter_end(&meter);
    return end_step(s, v, rc, err);
}

struct rootfs_export {
    int root_fd;
    const struct diff_options *diff;
    const struct cancel *cancel;
};

static int write_rootfs(const void *arg, struct writer *out, struct error *err)
{
    const struct rootfs_export *x = arg;
    return rootfs_write_tar(x->root_fd, x->diff, x->cancel, out, err);
}

static int write_rootfs_dir(const struct rootfs_export *x, const char *dest, struct error *err)
{
    if (mkdir(dest, 0700) < 0 && errno != EEXIST)
        return error_set(err, ERROR_USER, errno, "create %s", dest);
    auto_close int fd = open(dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_USER, errno, "open %s", dest);
    return rootfs_write_dir(x->root_fd, x->diff, x->cancel, fd, err);
}

int export_rootfs(struct session *s, struct snapshotter *snapshotter,
                  const struct layer_list *layers, const struct output *output,
                  const struct diff_options *diff, struct error *err)
{
    struct snapshot *view = NULL;
    struct strvec none = { 0 };
    auto_free char *title = title_of(output, &none);
    unsigned v = progress_start(s->progress, title);
    umask(s->umask);
    int rc = snapshotter->ops->view(snapshotter, layers, &view, err);
    if (rc == 0) {
        struct meter meter;
        struct rootfs_export x = { view->root_fd, diff, &s->cancel };
        const struct content archive = { write_rootfs, &x, &meter };
        meter_start(&meter, s->progress, v, "writing", 0);
        rc = output->type == OUTPUT_TAR ? write_file(s, output->dest, &archive, err)
                                        : write_rootfs_dir(&x, output->dest, err);
        if (rc == 0)
            meter_end(&meter);
        snapshotter->ops->discard(view);
    }
    progress_end(s->progress, v, rc < 0 ? PROGRESS_FAILED : PROGRESS_DONE,
                 rc < 0 ? err->message : NULL);
    return rc;
}

struct pack_request {
    struct image_record *image;
    struct face_options faces;
};

static int pack_in_builder(struct session *s, const struct solver_workers *workers, void *arg,
                           struct error *err)
{
    struct pack_request *r = arg;
    r->faces.snapshotter = workers->snapshotter;
    r->faces.pool = workers->pool;
    TRY(image_pack(r->image, &r->faces, err));
    return image_record_save(&s->store, s->store.scratch_fd, "packed", r->image, err);
}

int export_pack(struct session *s, struct image_record *image, struct packing packing,
                struct error *err)
{
    struct pack_request r = {
        image, { .store = &s->store, .cancel = &s->cancel, .packing = packing, .pack = true }
    };
    TRY(image_pack(image, &r.faces, err));
    if (image_is_packed(image, &s->store))
        return 0;
    TRY(builder_run(s, pack_in_builder, &r, NULL, err));
    image_record_release(image);
    return image_record_load(&s->store, s->store.scratch_fd, "packed", image, err);
}

struct id_search {
    const char *prefix;
    struct image_record *out;
    size_t matches;
};

static int match_id(void *arg, const struct image_record *image, struct error *err)
{
    struct id_search *search = arg;
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&image->config, hex);
    if (!str_starts_with(hex, search->prefix))
        return 0;
    if (search->matches && !digest_equal(&search->out->config, &image->config))
        return error_set(err, ERROR_USER, 0, "more than one image id starts with %s",
                         search->prefix);
    if (search->matches++)
        return 0;
    *search->out = *image;
    search->out->name = xstrdup(image->name);
    search->out->created = xstrdup(image->created);
    search->out->manifest_type = image->manifest_type ? xstrdup(image->manifest_type) : NULL;
    search->out->layers = xmemdup(image->layers, image->layer_count * sizeof *image->layers);
    return 0;
}

int export_find(struct session *s, const char *name, struct image_record *out, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    auto_(error) struct error by_name = { 0 };
    const char *hex = str_starts_with(name, "sha256:") ? name + 7 : name;
    struct id_search search = { hex, out, 0 };
    if (reference_parse(name, &ref, &by_name) == 0) {
        auto_free char *full = reference_print(&ref);
        if (image_store_find(&s->store, full, out, &by_name) == 0)
            return 0;
    }
    if (strlen(hex) >= 4 && strspn(hex, "0123456789abcdef") == strlen(hex))
        TRY(image_store_each(&s->store, match_id, &search, err));
    if (search.matches)
        return 0;
    error_move(err, &by_name);
    return error_hint(err, "mlbuild images lists what is there");
}

int export_find_packed(struct session *s, const char *name, struct image_record *out,
                       struct error *err)
{
    TRY(export_find(s, name, out, err));
    auto_free char *full = xstrdup(out->name);
    if (!image_is_packed(out, &s->store)) {
        TRY(export_pack(s, out, (struct packing)PACKING_DEFAULT, err));
        free(out->name);
        out->name = take_ptr(full);
        out->has_manifest = false;
    }
    if (!out->has_manifest)
        TRY(image_put_manifest(out, &s->store, NULL, err));
    TRY(image_store_put(&s->store, out, err));
    return layout_refresh_store(&s->store, err);
}
