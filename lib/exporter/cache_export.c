/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/cache_export.h"

#include "lib/base/mem.h"
#include "lib/exporter/cache_table.h"
#include "lib/store/blob.h"

struct cache_export {
    struct cache_export_options options;
    struct job_group group;
    unsigned progress; /* 0: nothing has been written yet; under `lock`, as all below */
    pthread_mutex_t lock;
    struct map begun; /* keys of steps that are, or have been, written */
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

/* Did the layer come with a base image? Then whoever has the key has that image. */
static bool is_of_base(const struct image_request *request, const char *id)
{
    const struct resolved_image *image = NULL;
    const struct image_layer *layer = graph_find_layer(&request->definition->graph, id, &image);
    return layer && layer->blob.size;
}

/* The image of one entry: a configuration that says little but the entry, and the layers above the
 * base. */
static int print_documents(const struct cache_export *e, const struct shared_step *step,
                           const struct image_record *image, struct manifest *out,
                           struct error *err)
{
    const struct image_request *request = request_of(e);
    auto_(image_config) struct image_config config;
    auto_(shared_table) struct shared_table table = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(js) js *document = NULL;
    image_config_init(&config);
    config.platform = request->definition->config.platform;
    *out = (struct manifest){ .media_type = MEDIA_MANIFEST,
                              .layers = xcalloc(image->layer_count, sizeof *out->layers) };
    for (size_t i = 0; i < image->layer_count; i++) {
        const struct image_record_layer *layer = &image->layers[i];
        if (is_of_base(request, layer->id))
            continue;
        image_config_add_diff_id(&config, &layer->diff_id);
        out->layers[out->layer_count++] = (struct descriptor){ media_type_parse(layer->media_type),
                                                               layer->blob, layer->blob_size };
    }
    cache_table_add(&table, request, step, image);
    image_config_print(&config, &text);
    TRY(js_parse(text.buf, text.len, "a configuration", &document, err));
    shared_table_print(&table, document);
    strbuf_clear(&text);
    js_print_in_order(document, 0, &text);
    out->config = (struct descriptor){ .media_type = MEDIA_CONFIG, .size = text.len };
    return blob_put(request->faces.store, text.buf, text.len, &out->config.digest, err);
}

/* Layers that another location has told of are fetched for this one. */
static int fetch_layers(const struct cache_export *e, const struct image_record *image,
                        const struct cache_location *to, unsigned progress, struct error *err)
{
    const struct image_request *request = request_of(e);
    for (size_t i = 0; i < image->layer_count; i++) {
        const struct resolved_image *from = NULL;
        const struct image_layer *layer =
            solver_find_layer(request->solver, image->layers[i].id, &from);
        if (!layer || is_of_base(request, layer->id) || strcmp(from->name, to->name) == 0 ||
            blob_exists(request->faces.store, &layer->blob.digest, layer->blob.size))
            continue;
        TRY(from->provider->fetch(from->provider, &layer->blob, progress, err));
    }
    return 0;
}

static int save(const struct cache_export *e, const struct shared_step *step,
                const struct image_record *image, const struct manifest *manifest,
                struct cache_location *to, unsigned progress, struct error *err)
{
    char name[DIGEST_HEX_SIZE];
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    digest_hex(&step->key, name);
    manifest_print(manifest, &text);
    TRY(fetch_layers(e, image, to, progress, err));
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
    request.faces.packing.force = false;
    return image_make_layers(&request, out, progress, &found, err);
}

/* Has nobody begun with the step? */
static bool claim(struct cache_export *e, const struct shared_step *step)
{
    char name[DIGEST_HEX_SIZE];
    digest_hex(&step->key, name);
    pthread_mutex_lock(&e->lock);
    bool is_mine = !map_find(&e->begun, name);
    map_set(&e->begun, name, e);
    pthread_mutex_unlock(&e->lock);
    return is_mine;
}

static int write_step(const struct export_job *job, const struct shared_step *step,
                      struct error *err)
{
    struct cache_export *e = job->export;
    unsigned progress = progress_of(e);
    auto_(image_record) struct image_record image = { 0 };
    auto_(manifest) struct manifest manifest = { 0 };
    TRY(pack(e, step, progress, &image, err));
    TRY(print_documents(e, step, &image, &manifest, err));
    for (size_t i = 0; i < e->options.destination_count; i++) {
        struct error why = { 0 };
        const struct cache_destination *to = &e->options.destinations[i];
        if (is_wanted(to, step, job->is_of_target) &&
            save(e, step, &image, &manifest, to->location, progress, &why) < 0)
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
    bool any = false;
    if (!solver_shared_step(request_of(e)->solver, job->vertex, &step))
        return;
    for (size_t i = 0; i < e->options.destination_count; i++)
        any = any || is_wanted(&e->options.destinations[i], &step, job->is_of_target);
    if (!any || !claim(e, &step) || write_step(job, &step, &why) == 0)
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

static int end_progress(const struct cache_export *e)
{
    bool is_error = error_is_set(&e->first);
    if (e->progress) {
        progress_end(request_of(e)->progress, e->progress,
                     is_error ? PROGRESS_FAILED : PROGRESS_DONE,
                     is_error ? e->first.message : NULL);
    }
    return is_error ? -1 : 0;
}

int cache_export_finish(struct cache_export *e, bool is_complete, struct error *err)
{
    const struct definition *definition = request_of(e)->definition;
    if (is_complete) {
        export_chain(e, definition->target);
        for (size_t i = 0; i < definition->graph.count; i++)
            cache_export_step(e, definition->graph.vertices[i], false);
    }
    job_group_wait(&e->group);
    int rc = end_progress(e);
    (void)error_first(err, &e->first);
    pthread_mutex_destroy(&e->lock);
    map_release(&e->begun);
    free(e);
    return rc;
}
