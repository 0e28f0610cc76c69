/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/cache_export.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/exporter/cache_entry.h"
#include "lib/exporter/cache_table.h"
#include "lib/exporter/rootfs.h"
#include "lib/layer/packer.h"
#include "lib/store/blob.h"
#include "lib/store/cache_mount.h"

struct cache_export {
    struct cache_export_options options;
    struct job_group group;
    unsigned progress; /* 0: nothing has been written yet; under `lock`, as all below */
    pthread_mutex_t lock;
    struct map begun; /* what is, or has been, written: the key of a step and which destination */
    struct error first;
};

struct export_job {
    struct cache_export *export;
    const struct vertex *vertex;
    bool is_of_target;
};

static const struct image_request *request_of(const struct cache_export *e)
{
    return e->options.request;
}

struct cache_export *cache_export_start(const struct cache_export_options *options)
{
    struct cache_export *e = xcalloc(1, sizeof *e);
    e->options = *options;
    pthread_mutex_init(&e->lock, NULL);
    job_group_init(&e->group, options->request->faces.pool);
    return e;
}

static unsigned progress_of(struct cache_export *e)
{
    pthread_mutex_lock(&e->lock);
    if (!e->progress)
        e->progress = progress_start(request_of(e)->progress, "exporting cache");
    unsigned progress = e->progress;
    pthread_mutex_unlock(&e->lock);
    return progress;
}

/* Did the layer come with the step's base image? Then whoever has the key has that image. */
static bool is_of_base(const struct image_request *request, const struct shared_step *step,
                       size_t at)
{
    const struct resolved_image *image = NULL;
    const struct image_layer *layer =
        graph_find_layer(&request->definition->graph, step->result->layers.ids[at], &image);
    return at < step->base_count && layer && layer->blob.size;
}

/* With the layers above the base. */
static int put_step(const struct cache_export *e, const struct shared_step *step,
                    const struct image_record *image, struct cache_entry *out, struct error *err)
{
    const struct image_request *request = request_of(e);
    for (size_t i = 0; i < image->layer_count; i++) {
        const struct image_record_layer *layer = &image->layers[i];
        const struct descriptor blob = { media_type_parse(layer->media_type), layer->blob,
                                         layer->blob_size };
        if (!is_of_base(request, step, i))
            cache_entry_add_layer(out, &layer->diff_id, &blob);
    }
    cache_table_add(&out->table, request, step, image);
    return cache_entry_put(out, request->faces.store, err);
}

/* Layers that others have made, and another location has, are fetched for this one. */
static int fetch_layers(const struct cache_export *e, const struct shared_step *step,
                        const struct cache_location *to, unsigned progress, struct error *err)
{
    const struct image_request *request = request_of(e);
    for (size_t i = 0; i < step->result->layers.count; i++) {
        const struct resolved_image *from = NULL;
        const struct image_layer *layer =
            solver_find_layer(request->solver, step->result->layers.ids[i], &from);
        if (!layer || !layer->blob.size || !from->provider || is_of_base(request, step, i) ||
            strcmp(from->name, to->name) == 0 ||
            blob_exists(request->faces.store, &layer->blob.digest, layer->blob.size))
            continue;
        TRY(from->provider->fetch(from->provider, &layer->blob, progress, err));
    }
    return 0;
}

static int save(const struct cache_export *e, const struct digest *key,
                const struct manifest *manifest, struct cache_location *to, unsigned progress,
                struct error *err)
{
    char name[DIGEST_HEX_SIZE];
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    digest_hex(key, name);
    manifest_print(manifest, &text);
    return to->ops->save(to, name, manifest, &text, request_of(e)->faces.pool, progress, err);
}

static void failed(struct cache_export *e, const struct cache_destination *to, struct error *why)
{
    error_wrap(why, "export the cache to %s", to->location->name);
    if (to->ignore_error && why->kind != ERROR_CANCELLED) {
        progress_warning(request_of(e)->progress, why->message);
        error_clear(why);
        return;
    }
    pthread_mutex_lock(&e->lock);
    (void)error_first(&e->first, why);
    pthread_mutex_unlock(&e->lock);
}

static bool is_wanted(const struct cache_destination *to, const struct shared_step *step,
                      bool is_of_target)
{
    bool is_there = step->location && strcmp(step->location->name, to->location->name) == 0;
    return (is_of_target || to->all_steps) && !is_there;
}

static int pack(const struct cache_export *e, const struct shared_step *step, unsigned progress,
                struct image_record *out, struct error *err)
{
    bool found = false;
    struct image_request request = *request_of(e);
    request.result = step->result;
    request.faces.pack = true;
    request.faces.fetch = false;
    return image_make_layers(&request, out, progress, &found, err);
}

/* Marks in `out` the destinations that the step goes to, and that nobody has begun to write it to.
 * Steps of two stages may have the same key. */
static bool claim(struct cache_export *e, const struct shared_step *step, bool is_of_target,
                  bool *out)
{
    char name[DIGEST_HEX_SIZE];
    bool any = false;
    digest_hex(&step->key, name);
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->options.destination_count; i++) {
        auto_free char *claimed = xasprintf("%s %zu", name, i);
        out[i] = is_wanted(&e->options.destinations[i], step, is_of_target) &&
                 !map_find(&e->begun, claimed);
        any = any || out[i];
        if (out[i])
            map_set(&e->begun, claimed, e);
    }
    pthread_mutex_unlock(&e->lock);
    return any;
}

static int write_to(const struct cache_export *e, const struct shared_step *step,
                    const struct cache_entry *entry, struct cache_location *to, unsigned progress,
                    struct error *err)
{
    TRY(fetch_layers(e, step, to, progress, err));
    return save(e, &step->key, &entry->manifest, to, progress, err);
}

static int write_step(struct cache_export *e, const struct shared_step *step, const bool *wanted,
                      struct error *err)
{
    unsigned progress = progress_of(e);
    auto_(image_record) struct image_record image = { 0 };
    auto_(cache_entry) struct cache_entry entry =
        cache_entry_begin(&request_of(e)->definition->config.platform);
    TRY(pack(e, step, progress, &image, err));
    TRY(put_step(e, step, &image, &entry, err));
    for (size_t i = 0; i < e->options.destination_count; i++) {
        struct error why = { 0 };
        const struct cache_destination *to = &e->options.destinations[i];
        if (wanted[i] && write_to(e, step, &entry, to->location, progress, &why) < 0)
            failed(e, to, &why);
    }
    return 0;
}

static void run_job(void *arg)
{
    auto_free struct export_job *job = arg;
    struct cache_export *e = job->export;
    struct shared_step step;
    struct error why = { 0 };
    auto_free bool *wanted = xcalloc(e->options.destination_count, sizeof *wanted);
    if (!solver_shared_step(request_of(e)->solver, job->vertex, &step) ||
        !claim(e, &step, job->is_of_target, wanted) || write_step(e, &step, wanted, &why) == 0)
        return;
    pthread_mutex_lock(&e->lock);
    (void)error_first(&e->first, &why);
    pthread_mutex_unlock(&e->lock);
}

void cache_export_step(struct cache_export *e, const struct vertex *v, bool is_of_target)
{
    struct export_job *job = xcalloc(1, sizeof *job);
    *job = (struct export_job){ e, v, is_of_target };
    job_group_submit(&e->group, run_job, job);
}

/* The steps below `v`. */
static void export_chain(struct cache_export *e, const struct vertex *v)
{
    for (; v; v = v->inputs[0]) {
        if (v->kind == OP_MERGE)
            export_chain(e, v->inputs[1]);
        cache_export_step(e, v, true);
    }
}

/* The content of a directory that steps keep, as it is now. */
static int pack_mount(const struct cache_export *e, int data_fd, struct layer_face *out,
                      struct error *err)
{
    const struct face_options *faces = &request_of(e)->faces;
    const struct diff_options own_times = { 0 };
    const struct rootfs_options options = { .diff = &own_times, .cancel = faces->cancel };
    auto_(packer) struct packer *p = NULL;
    auto_close int dir = openat(data_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open a cache mount");
    TRY(packer_open(faces, &faces->packing, true, &p, err));
    TRY(rootfs_write_tar(dir, &options, packer_base(p), err));
    return packer_finish(p, out, err);
}

static int put_mount(const struct cache_export *e, const struct shared_mount *mount,
                     const struct layer_face *face, struct cache_entry *out, struct error *err)
{
    struct shared_layer layer = { .diff_id = face->diff_id, .tar_size = face->tar_size };
    packing_layout(&request_of(e)->faces.packing, layer.layout);
    cache_entry_add_layer(out, &face->diff_id, &face->blob);
    size_t place = shared_table_add_layer(&out->table, &layer);
    struct shared_entry *entry = shared_table_add_entry(&out->table, &mount->key);
    shared_entry_push(entry, place);
    strvec_pushf(&entry->recipe, "cache mount %s", mount->title);
    return cache_entry_put(out, request_of(e)->faces.store, err);
}

static int write_mount(struct cache_export *e, const struct shared_mount *mount, int data_fd,
                       struct error *err)
{
    unsigned progress = progress_of(e);
    struct layer_face face = { 0 };
    auto_(cache_entry) struct cache_entry entry =
        cache_entry_begin(&request_of(e)->definition->config.platform);
    TRY(pack_mount(e, data_fd, &face, err));
    TRY(put_mount(e, mount, &face, &entry, err));
    for (size_t i = 0; i < e->options.destination_count; i++) {
        struct error why = { 0 };
        const struct cache_destination *to = &e->options.destinations[i];
        if (to->mounts && save(e, &mount->key, &entry.manifest, to->location, progress, &why) < 0)
            failed(e, to, &why);
    }
    return 0;
}

/* One that somebody uses, or changes meanwhile, is left for another time: that is no error. */
static void export_mount(void *arg, const struct shared_mount *mount)
{
    struct cache_export *e = arg;
    const struct store *store = request_of(e)->faces.store;
    auto_(cache_mount) struct cache_mount kept = CACHE_MOUNT_INIT;
    auto_(error) struct error why = { 0 };
    bool found = false;
    if (cache_mount_find(store, &mount->store_key, &kept, &found, &why) == 0 && !found)
        return;
    if (found && write_mount(e, mount, kept.data_fd, &why) == 0)
        return;
    auto_free char *text =
        xasprintf("the cache mount %s is not exported: %s", mount->title, why.message);
    progress_warning(request_of(e)->progress, text);
}

static bool wants_mounts(const struct cache_export *e)
{
    for (size_t i = 0; i < e->options.destination_count; i++) {
        if (e->options.destinations[i].mounts)
            return true;
    }
    return false;
}

static int end_progress(const struct cache_export *e)
{
    int rc = error_is_set(&e->first) ? -1 : 0;
    if (e->progress)
        progress_end_with(request_of(e)->progress, e->progress, rc, &e->first);
    return rc;
}

int cache_export_finish(struct cache_export *e, bool is_complete, struct error *err)
{
    const struct definition *definition = request_of(e)->definition;
    if (is_complete) {
        export_chain(e, definition->target);
        for (size_t i = 0; i < definition->graph.count; i++)
            cache_export_step(e, definition->graph.vertices[i], false);
    }
    if (wants_mounts(e))
        solver_each_used_mount(request_of(e)->solver, export_mount, e);
    job_group_wait(&e->group);
    int rc = end_progress(e);
    (void)error_first(err, &e->first);
    pthread_mutex_destroy(&e->lock);
    map_release(&e->begun);
    free(e);
    return rc;
}
