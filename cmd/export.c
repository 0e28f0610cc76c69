/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/export.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cmd/archive_ahead.h"
#include "cmd/base_image.h"
#include "cmd/builder.h"
#include "cmd/engine.h"
#include "cmd/push.h"
#include "cmd/size_text.h"
#include "cmd/write_out.h"
#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/meter.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/exporter/image.h"
#include "lib/exporter/oci_layout.h"
#include "lib/exporter/rootfs.h"
#include "lib/fs/dir.h"
#include "lib/oci/reference.h"
#include "lib/store/blob.h"

static int write_text(const void *arg, struct writer *out, struct error *err)
{
    return writer_write(out, arg, strlen(arg), err);
}

int export_text(struct session *s, const char *dest, const char *text, struct error *err)
{
    umask(s->umask);
    return write_out(s, dest, &(struct out_content){ write_text, text, NULL }, err);
}

static int write_layout(const void *arg, struct writer *out, struct error *err)
{
    return layout_write_tar(arg, out, err);
}

static int make_dest(const char *dest, mode_t mode, int *out_fd, struct error *err)
{
    TRY(dir_make_all(dest, mode, err));
    *out_fd = open(dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out_fd < 0 ? error_set(err, ERROR_USER, errno, "open the directory %s", dest) : 0;
}

static int write_layout_dir(const struct layout_export *e, const char *dest, mode_t mode,
                            struct error *err)
{
    auto_close int fd = -1;
    TRY(make_dest(dest, mode, &fd, err));
    return layout_write_dir(e, fd, err);
}

static char *title_of(const struct output *o, const struct strvec *names)
{
    switch (o->type) {
    case OUTPUT_REGISTRY: return xasprintf("pushing %s", names->count ? names->items[0] : "");
    case OUTPUT_LOAD: return xasprintf("loading into %s", o->dest);
    case OUTPUT_OCI: return xasprintf("exporting to oci image format: %s", o->dest);
    case OUTPUT_OCI_DIR: return xasprintf("exporting to oci image layout: %s", o->dest);
    case OUTPUT_LOCAL: return xasprintf("exporting to client directory: %s", o->dest);
    case OUTPUT_TAR: return xasprintf("exporting to client tarball: %s", o->dest);
    case OUTPUT_IMAGE:
    case OUTPUT_CACHE: break;
    }
    return xstrdup("exporting to image");
}

static uint64_t packed_size(const struct layout_item *items, size_t count)
{
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) {
        const struct image_record *image = items[i].image;
        size += image ? image->manifest_size : 0;
        for (size_t k = 0; image && k < image->layer_count; k++)
            size += image->layers[k].blob_size;
    }
    return size;
}

/* What is left to be written; the rest was, beside the steps. */
static uint64_t size_left(struct session *s, const struct output *output, uint64_t size,
                          unsigned vertex)
{
    char text[SIZE_TEXT];
    uint64_t there = output->ahead ? archive_ahead_size(output->ahead) : 0;
    if (there == 0)
        return size;
    size_print(there, text);
    auto_free char *note = xasprintf("%s were written while other layers were made", text);
    progress_note(s->progress, vertex, note);
    return size > there ? size - there : 0;
}

static int write_output(struct session *s, const struct layout_export *e,
                        const struct output *output, struct error *err)
{
    const struct out_content archive = { write_layout, e, e->meter };
    if (output->ahead)
        return archive_ahead_finish(output->ahead, e, err);
    if (output->type == OUTPUT_LOAD)
        return engine_load(s, output->dest, e->items->image, &e->items->names, &archive, err);
    return output->type == OUTPUT_OCI ? write_out(s, output->dest, &archive, err)
                                      : write_layout_dir(e, output->dest, 0777 & ~s->umask, err);
}

int export_layout(struct session *s, const struct layout_item *items, size_t count,
                  const struct output *output, struct error *err)
{
    struct meter meter;
    char digest[DIGEST_TEXT_SIZE];
    const struct layout_export e = { &s->store, items, count, &meter, &s->cancel };
    auto_free char *title = title_of(output, &items->names);
    umask(s->umask);
    unsigned v = progress_start(s->progress, title);
    for (size_t i = 0; i < count; i++) {
        digest_print(items[i].image ? &items[i].image->manifest
                                    : &items[i].index->descriptor.digest,
                     digest);
        auto_free char *note = xasprintf("exporting manifest %s", digest);
        progress_note(s->progress, v, note);
    }
    meter_start(&meter, s->progress, v, "writing",
                size_left(s, output, packed_size(items, count), v));
    int rc = write_output(s, &e, output, err);
    if (rc == 0)
        meter_end(&meter);
    return progress_end_with(s->progress, v, rc, err);
}

static int push_image(struct session *s, const struct image_record *image,
                      const struct strvec *names, const struct output *output,
                      const struct solver *solver, struct error *err)
{
    auto_free char *title = title_of(output, names);
    unsigned v = progress_start(s->progress, title);
    return progress_end_with(
        s->progress, v, push_image_record(s, image, names, solver, output->by_digest, v, err), err);
}

int export_image(struct session *s, struct image_record *image, const struct strvec *names,
                 const struct output *output, const struct solver *solver, struct error *err)
{
    const struct layout_item item = { .image = image, .names = *names };
    if (!output_needs_blobs(output))
        return 0;
    if (!image->has_manifest)
        TRY(image_put_manifest(image, &s->store, NULL, err));
    return output->type == OUTPUT_REGISTRY ? push_image(s, image, names, output, solver, err)
                                           : export_layout(s, &item, 1, output, err);
}

struct rootfs_export {
    int root_fd;
    struct rootfs_options options;
};

static int write_rootfs(const void *arg, struct writer *out, struct error *err)
{
    const struct rootfs_export *x = arg;
    return rootfs_write_tar(x->root_fd, &x->options, out, err);
}

static int write_rootfs_dir(const struct rootfs_export *x, const char *dest, struct error *err)
{
    auto_close int fd = -1;
    TRY(make_dest(dest, 0700, &fd, err));
    return rootfs_write_dir(x->root_fd, &x->options, fd, err);
}

int export_rootfs(struct session *s, const struct solver_workers *workers,
                  const struct layer_list *layers, const struct output *output,
                  const struct diff_options *diff, struct error *err)
{
    struct snapshotter *snapshotter = workers->snapshotter;
    struct snapshot *view = NULL;
    struct strvec none = { 0 };
    auto_free char *title = title_of(output, &none);
    unsigned v = progress_start(s->progress, title);
    umask(s->umask);
    int rc = snapshotter->ops->view(snapshotter, layers, &view, err);
    if (rc == 0) {
        struct meter meter;
        struct rootfs_export x = { view->root_fd, { diff, &s->cancel, workers->pool, &meter } };
        const struct out_content archive = { write_rootfs, &x, &meter };
        meter_start(&meter, s->progress, v, "writing", 0);
        rc = output->type == OUTPUT_TAR ? write_out(s, output->dest, &archive, err)
                                        : write_rootfs_dir(&x, output->dest, err);
        if (rc == 0)
            meter_end(&meter);
        snapshotter->ops->discard(view);
    }
    return progress_end_with(s->progress, v, rc, err);
}

struct pack_request {
    struct image_record *image;
    struct face_options faces;
    const struct export_listener *listener; /* or NULL */
};

static void begin_listening(void *arg)
{
    const struct pack_request *r = arg;
    if (r->listener)
        r->listener->begin(r->listener->arg);
}

static int pack_in_builder(struct session *s, const struct solver_workers *workers, void *arg,
                           struct error *err)
{
    struct pack_request *r = arg;
    r->faces.snapshotter = workers->snapshotter;
    r->faces.pool = workers->pool;
    const struct export_listener none = { .tell = NULL };
    const struct export_listener *l = r->listener ? r->listener : &none;
    TRY(image_pack(r->image, &r->faces, l->tell, l->arg, err));
    return image_record_save(&s->store, s->store.scratch_fd, "packed", r->image, err);
}

static int pack(struct session *s, struct image_record *image,
                const struct export_listener *listener, struct error *err)
{
    auto_(claims) struct claims packing_layers;
    struct pack_request r = { image,
                              { .store = &s->store,
                                .cancel = &s->cancel,
                                .claims = &packing_layers,
                                .packing = PACKING_DEFAULT,
                                .pack = true },
                              listener };
    claims_init(&packing_layers);
    TRY(image_pack(image, &r.faces, NULL, NULL, err));
    if (image_is_packed(image, &s->store))
        return 0;
    TRY(builder_run_beside(s, pack_in_builder, begin_listening, &r, NULL, err));
    image_record_release(image);
    return image_record_load(&s->store, s->store.scratch_fd, "packed", image, err);
}

char *export_short_name(const struct image_record *image)
{
    auto_(reference) struct reference ref = { 0 };
    auto_(error) struct error ignored = { 0 };
    if (!image_record_has_name(image) || reference_parse(image->name, &ref, &ignored) < 0)
        return xstrdup("<none>");
    return reference_print_short(&ref);
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

static int fetch_layers(struct session *s, const struct image_record *image,
                        const struct resolved_image *from, struct error *err)
{
    auto_free char *title = xasprintf("fetching layers of %s", image->name);
    unsigned vertex = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < from->layer_count; i++) {
        const struct descriptor *blob = &from->layers[i].blob;
        if (blob->size == 0 || blob_exists(&s->store, &blob->digest, blob->size))
            continue;
        vertex = vertex ? vertex : progress_start(s->progress, title);
        rc = from->provider->fetch(from->provider, blob, vertex, err);
    }
    if (vertex)
        progress_end_with(s->progress, vertex, rc, err);
    return rc;
}

int export_fetch_missing(struct session *s, const struct image_record *image, struct error *err)
{
    const struct strvec none = { 0 };
    const struct resolved_image *from = NULL;
    auto_(base_images) struct base_images *bases = NULL;
    if (!image->has_manifest)
        return 0;
    TRY(base_images_open(s, &none, PULL_MISSING, &bases, err));
    TRY(base_images_recorded(bases, image, &from, err));
    return fetch_layers(s, image, from, err);
}

int export_make_packed(struct session *s, struct image_record *image,
                       const struct export_listener *listener, struct error *err)
{
    if (image->has_manifest && image_is_packed(image, &s->store))
        return 0;
    auto_free char *full = xstrdup(image->name);
    TRY(export_fetch_missing(s, image, err));
    if (!image_is_packed(image, &s->store)) {
        TRY(pack(s, image, listener, err));
        free(image->name);
        image->name = take_ptr(full);
        image->has_manifest = false;
    }
    if (!image->has_manifest)
        TRY(image_put_manifest(image, &s->store, NULL, err));
    TRY(image_store_put(&s->store, image, err));
    TRY(layout_refresh_store(&s->store, err));
    return store_sync(&s->store, err);
}

int export_find_packed(struct session *s, const char *name, struct image_record *out,
                       struct error *err)
{
    TRY(export_find(s, name, out, err));
    return export_make_packed(s, out, NULL, err);
}
