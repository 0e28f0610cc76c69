/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/image.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/exporter/cache_table.h"
#include "lib/store/blob.h"

/* One layer on its way into the record; layer->has_epoch is what its times are clamped to. */
struct layer_job {
    const struct face_options *faces;
    struct image_record_layer *layer;
    const struct image_layer *base;      /* as others made it, or NULL */
    const struct resolved_image *origin; /* of `base` */
    unsigned progress;
    image_blob_fn *on_blob; /* of a recorded image; or NULL */
    void *on_blob_arg;
    bool found;
    struct error err;
};

static void set_blob(struct image_record_layer *layer, const struct descriptor *blob)
{
    layer->has_blob = true;
    layer->blob = blob->digest;
    layer->blob_size = blob->size;
    snprintf(layer->media_type, sizeof layer->media_type, "%s", media_type_print(blob->media_type));
}

static int forced_face(struct layer_job *job, struct error *err)
{
    struct layer_face face;
    TRY(layer_face_repack(job->faces, job->layer->id, &job->base->blob, &face, &job->found, err));
    if (job->found)
        set_blob(job->layer, &face.blob);
    return 0;
}

static bool is_packed_otherwise(const struct layer_job *job)
{
    enum compression now = COMPRESSION_NONE;
    media_type_is_layer(job->base->blob.media_type, &now);
    return now != job->faces->packing.compression;
}

static int fetch_base(const struct layer_job *job, struct error *err)
{
    struct blob_provider *provider = job->origin->provider;
    if (provider->fetch(provider, &job->base->blob, job->progress, err) == 0)
        return 0;
    return job->origin->advice ? error_hint(err, "%s", job->origin->advice) : -1;
}

/* A layer that came packed passes to the output bit for bit, unless that is not wanted. */
static int base_face(struct layer_job *job, struct error *err)
{
    const struct face_options *o = job->faces;
    job->layer->diff_id = job->base->diff_id;
    set_blob(job->layer, &job->base->blob);
    job->layer->tar_size = job->base->tar_size;
    bool is_forced = o->pack && o->packing.force && is_packed_otherwise(job);
    job->found = (!o->fetch && !is_forced) ||
                 blob_exists(o->store, &job->base->blob.digest, job->base->blob.size);
    if (!job->found && o->snapshotter) {
        job->found = true;
        TRY(fetch_base(job, err));
    }
    return is_forced && job->found ? forced_face(job, err) : 0;
}

static int own_face(struct layer_job *job, struct error *err)
{
    struct layer_face face;
    struct face_options faces = *job->faces;
    faces.diff = (struct diff_options){ job->layer->has_epoch, job->layer->epoch_s };
    TRY(layer_face_get(&faces, job->layer->id, &face, &job->found, err));
    job->layer->diff_id = face.diff_id;
    job->layer->tar_size = face.tar_size;
    if (face.has_blob)
        set_blob(job->layer, &face.blob);
    return 0;
}

static void run_job(void *arg, size_t index)
{
    struct layer_job *job = (struct layer_job *)arg + index;
    bool came_packed = job->base && job->base->blob.size;
    (void)!(came_packed ? base_face(job, &job->err) : own_face(job, &job->err));
}

static int run_jobs(struct layer_job *jobs, size_t count, parallel_fn *run,
                    struct thread_pool *pool, bool *out_found, struct error *err)
{
    int rc = 0;
    parallel_for(pool, count, thread_pool_cores(), run, jobs);
    *out_found = true;
    for (size_t i = 0; i < count; i++) {
        rc = error_first(err, &jobs[i].err);
        *out_found &= jobs[i].found;
    }
    return rc;
}

int image_make_layers(const struct image_request *request, struct image_record *out,
                      unsigned progress, bool *out_found, struct error *err)
{
    const struct layer_list *layers = &request->result->layers;
    auto_free struct layer_job *jobs = xcalloc(layers->count, sizeof *jobs);
    out->layer_count = layers->count;
    out->layers = xcalloc(layers->count, sizeof *out->layers);
    for (size_t i = 0; i < layers->count; i++) {
        jobs[i] = (struct layer_job){ .faces = &request->faces,
                                      .progress = progress,
                                      .layer = &out->layers[i] };
        snprintf(out->layers[i].id, sizeof out->layers[i].id, "%s", layers->ids[i]);
        jobs[i].base = solver_find_layer(request->solver, layers->ids[i], &jobs[i].origin);
        out->layers[i].has_epoch =
            jobs[i].base ? jobs[i].base->has_epoch : request->faces.diff.has_epoch;
        out->layers[i].epoch_s = jobs[i].base ? jobs[i].base->epoch_s : request->faces.diff.epoch_s;
    }
    return run_jobs(jobs, layers->count, run_job, request->faces.pool, out_found, err);
}

/* Entries that this build added get times: the epoch if there is one; else a layer's own, others
 * that of the entry before. */
static void fill_times(const struct image_request *r, struct image_config *config)
{
    bool has_epoch = r->faces.diff.has_epoch;
    char start[CLOCK_TEXT_SIZE];
    char last[CLOCK_TEXT_SIZE] = "";
    size_t layer = 0;
    clock_print((struct timespec){ .tv_sec = has_epoch ? r->faces.diff.epoch_s : 0 }, start);
    for (size_t i = 0; i < config->history_count; i++) {
        struct history *h = &config->history[i];
        if (!h->empty_layer && r->result && layer < r->result->layers.count) {
            const char *created = r->result->created[layer++];
            if (created && !h->created)
                snprintf(last, sizeof last, "%s", created);
        }
        if (!h->created && (has_epoch || *last))
            h->created = xstrdup(has_epoch ? start : last);
        else if (h->created)
            snprintf(last, sizeof last, "%s", h->created);
    }
    /* Entries before the first time of all, and an image without any layer of ours. */
    for (size_t i = config->history_count; i-- > 0;) {
        struct history *h = &config->history[i];
        if (!h->created)
            h->created =
                xstrdup(i + 1 < config->history_count ? config->history[i + 1].created : start);
    }
    free(config->created);
    config->created =
        xstrdup(config->history_count ? config->history[config->history_count - 1].created : start);
}

/* The text with what other builders may want to know. */
static int tell_steps(const struct image_request *r, const struct image_record *image,
                      struct strbuf *text, struct error *err)
{
    auto_(shared_table) struct shared_table table = { 0 };
    auto_(js) js *document = NULL;
    TRY(js_parse(text->buf, text->len, "the configuration", &document, err));
    cache_table_add_all(&table, r, image);
    shared_table_print(&table, document);
    strbuf_clear(text);
    js_print_in_order(document, 0, text);
    return 0;
}

static int put_config(const struct image_request *r, struct image_record *image, struct error *err)
{
    auto_(image_config) struct image_config config;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    image_config_copy(&config, &r->definition->config);
    config.diff_id_count = 0;
    for (size_t i = 0; i < image->layer_count; i++)
        image_config_add_diff_id(&config, &image->layers[i].diff_id);
    fill_times(r, &config);
    image_config_print(&config, &text);
    if (r->tells_steps && r->result)
        TRY(tell_steps(r, image, &text, err));
    image->created = xstrdup(config.created);
    return blob_put(r->faces.store, text.buf, text.len, &image->config, err);
}

int image_assemble(const struct image_request *request, struct image_record *out, bool *out_found,
                   struct error *err)
{
    auto_(image_record) struct image_record image = { 0 };
    bool is_lookup = !request->faces.snapshotter;
    unsigned progress = is_lookup ? 0 : progress_start(request->progress, "exporting layers");
    int rc = 0;
    struct meter meter;
    struct image_request metered = *request;
    meter_start(&meter, request->progress, progress, "packing layers", 0);
    metered.faces.meter = &meter;
    *out_found = true;
    if (request->result)
        rc = image_make_layers(&metered, &image, progress, out_found, err);
    if (rc == 0 && *out_found)
        rc = put_config(request, &image, err);
    if (rc == 0)
        meter_end(&meter);
    if (!is_lookup)
        progress_end_with(request->progress, progress, rc, err);
    if (rc < 0 || !*out_found)
        return rc;
    *out = image;
    image = (struct image_record){ 0 };
    return 0;
}

static bool has_blob(const struct image_record_layer *layer, const struct store *store)
{
    return layer->has_blob && blob_exists(store, &layer->blob, layer->blob_size);
}

bool image_is_packed(const struct image_record *image, const struct store *store)
{
    for (size_t i = 0; i < image->layer_count; i++) {
        if (!has_blob(&image->layers[i], store))
            return false;
    }
    return true;
}

/* A layer of a recorded image, and who is told of it. */
static void pack_layer(void *arg, size_t index)
{
    struct layer_job *job = (struct layer_job *)arg + index;
    const struct image_record_layer *layer = job->layer;
    struct image_blob told = { .index = (uint32_t)index };
    job->found = has_blob(layer, job->faces->store);
    told.is_own = !job->found;
    if ((!job->found && own_face(job, &job->err) < 0) || !layer->has_blob || !job->on_blob)
        return;
    told.blob =
        (struct descriptor){ media_type_parse(layer->media_type), layer->blob, layer->blob_size };
    job->on_blob(job->on_blob_arg, &told);
}

int image_pack(struct image_record *image, const struct face_options *faces, image_blob_fn *on_blob,
               void *on_blob_arg, struct error *err)
{
    bool found = false;
    auto_free struct layer_job *jobs = xcalloc(image->layer_count, sizeof *jobs);
    for (size_t i = 0; i < image->layer_count; i++) {
        jobs[i] = (struct layer_job){ .faces = faces,
                                      .layer = &image->layers[i],
                                      .on_blob = on_blob,
                                      .on_blob_arg = on_blob_arg };
    }
    return run_jobs(jobs, image->layer_count, pack_layer, faces->pool, &found, err);
}

int image_put_manifest(struct image_record *image, const struct store *store,
                       const struct map *annotations, struct error *err)
{
    auto_(manifest) struct manifest m = { .media_type = MEDIA_MANIFEST,
                                          .annotations = annotations };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    int fd = -1;
    m.config = (struct descriptor){ .media_type = MEDIA_CONFIG, .digest = image->config };
    TRY(blob_open(store, &image->config, &fd, &m.config.size, err));
    close(fd);
    m.layer_count = image->layer_count;
    m.layers = xcalloc(m.layer_count, sizeof *m.layers);
    for (size_t i = 0; i < m.layer_count; i++) {
        const struct image_record_layer *layer = &image->layers[i];
        enum compression packed = COMPRESSION_NONE;
        static const enum media_type oci[] = { [COMPRESSION_NONE] = MEDIA_LAYER,
                                               [COMPRESSION_GZIP] = MEDIA_LAYER_GZIP,
                                               [COMPRESSION_ZSTD] = MEDIA_LAYER_ZSTD };
        media_type_is_layer(media_type_parse(layer->media_type), &packed);
        m.layers[i] = (struct descriptor){ oci[packed], layer->blob, layer->blob_size };
    }
    manifest_print(&m, &text);
    image->has_manifest = true;
    image->manifest_size = text.len;
    free(image->manifest_type);
    image->manifest_type = xstrdup(media_type_print(MEDIA_MANIFEST));
    return blob_put(store, text.buf, text.len, &image->manifest, err);
}
