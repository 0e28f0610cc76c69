/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/base_image.h"

#include <pthread.h>
#include <sys/stat.h>

#include "frontend/context/fetch.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/thread_pool.h"
#include "lib/registry/layout.h"
#include "lib/registry/resolve.h"
#include "lib/store/blob.h"
#include "lib/store/image_store.h"

/* Layers that `mlbuild pull` asks for at once. */
enum { PULL_WIDTH = 4, RESOLVE_WIDTH = 8 };

/* An image that somebody asked for, kept as long as the build. */
struct base_image {
    struct resolved_image resolved;
    char *name;
    struct image_source source; /* from a registry or layout */
    struct blob_provider later; /* of a recorded image whose blobs were never pulled */
    struct base_images *owner;
    struct base_image *next;
};

struct base_images {
    struct image_resolver resolver;
    struct session *session;
    struct map layouts;     /* normalised name -> spec of an OCI layout */
    struct map images;      /* normalised name -> reference */
    struct map directories; /* name as written -> path */
    enum pull_policy pull;
    struct map found;     /* "reference platform" -> struct base_image */
    pthread_mutex_t lock; /* guards the late resolving of `later` providers */
};

struct image_resolver *base_images_resolver(struct base_images *b)
{
    return &b->resolver;
}

const struct map *base_images_directories(const struct base_images *b)
{
    return &b->directories;
}

static void image_free(void *value)
{
    struct base_image *image = value;
    image_config_release(&image->resolved.config);
    free(image->resolved.layers);
    free(image->name);
    image_source_release(&image->source);
    free(image);
}

void base_images_close(struct base_images *b)
{
    if (!b)
        return;
    map_release(&b->layouts);
    map_release(&b->images);
    map_release(&b->directories);
    map_release(&b->found);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* Full name of `name` as a reference without digest; NULL if it is none. The caller frees it. */
static char *normalise(const char *name)
{
    auto_(error) struct error ignored = { 0 };
    auto_(reference) struct reference ref = { 0 };
    return reference_parse(name, &ref, &ignored) < 0 ? NULL : reference_print(&ref);
}

static int add_context(struct base_images *b, const char *text, struct error *err)
{
    struct stat st;
    const char *value = strchr(text, '=');
    if (!value || value == text)
        return error_set(err, ERROR_USAGE, 0, "--build-context %s: write it as name=value", text);
    auto_free char *name = xstrndup(text, (size_t)(value++ - text));
    auto_free char *full = normalise(name);
    const char *key = full ? full : name;
    if (str_starts_with(value, "oci-layout://")) {
        map_set(&b->layouts, key, xstrdup(value + strlen("oci-layout://")));
    } else if (str_starts_with(value, "docker-image://")) {
        map_set(&b->images, key, xstrdup(value + strlen("docker-image://")));
    } else if (!fetch_is_remote(value) && strstr(value, "://")) {
        error_set(err, ERROR_USAGE, 0, "--build-context %s: unsupported context source", text);
        return error_hint(err,
                          "a directory, docker-image://, oci-layout://, a git or http address");
    } else if (!fetch_is_remote(value) && stat(value, &st) < 0) {
        return error_set(err, ERROR_USER, errno, "failed to get build context %s: %s", name, value);
    } else if (!fetch_is_remote(value) && !S_ISDIR(st.st_mode)) {
        return error_set(err, ERROR_USER, 0, "build context %s: %s is not a directory", name,
                         value);
    } else {
        map_set(&b->directories, name, xstrdup(value));
    }
    return 0;
}

static struct base_image *image_new(struct base_images *b, const char *name)
{
    struct base_image *image = xcalloc(1, sizeof *image);
    image->owner = b;
    image->name = xstrdup(name);
    image->resolved.name = image->name;
    image_config_init(&image->resolved.config);
    image_source_init(&image->source);
    return image;
}

/* Layers that came as blobs are named by their diff_ids. */
static void set_layers(struct base_image *image)
{
    const struct image_source *source = &image->source;
    struct resolved_image *r = &image->resolved;
    r->digest = source->descriptor.digest;
    image_config_copy(&r->config, &source->config);
    r->layer_count = source->manifest.layer_count;
    r->layers = xcalloc(r->layer_count, sizeof *r->layers);
    for (size_t i = 0; i < r->layer_count; i++) {
        r->layers[i].diff_id = source->config.diff_ids[i];
        r->layers[i].blob = source->manifest.layers[i];
        digest_hex(&r->layers[i].diff_id, r->layers[i].id);
    }
    r->provider = source->provider;
}

/* A name stands for one image in the store. What it means for another platform than this host's is
 * kept beside, by its digest, so that builds for several do not take turns in displacing it. The
 * caller frees the name. */
static char *foreign_name(const char *name, const struct digest *manifest)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_print(manifest, digest);
    return xasprintf("%s@%s", name, digest);
}

static char *name_of_record(const struct image_source *source, const char *name)
{
    const struct platform host = platform_host();
    bool is_ours = platform_match(&host, &source->config.platform) != 0;
    return is_ours || strchr(name, '@') ? xstrdup(name)
                                        : foreign_name(name, &source->descriptor.digest);
}

/* The documents and the record, so that the next build asks nobody. */
static int record(struct session *s, const struct image_source *source, const char *name,
                  struct error *err)
{
    auto_(image_record) struct image_record image = { 0 };
    struct digest config;
    struct digest manifest;
    TRY(blob_put(&s->store, source->config_text.buf, source->config_text.len, &config, err));
    TRY(blob_put(&s->store, source->manifest_text.buf, source->manifest_text.len, &manifest, err));
    auto_free char *kept = name_of_record(source, name);
    image_source_record(source, &config, kept, &image);
    return image_store_put(&s->store, &image, err);
}

static int from_layout(struct base_images *b, const char *spec, const char *name,
                       const struct platform *platform, struct base_image **out, struct error *err)
{
    struct base_image *image = image_new(b, name);
    if (layout_open(spec, platform, &b->session->store, &image->source, err) < 0) {
        image_free(image);
        return error_wrap(err, "oci-layout://%s", spec);
    }
    set_layers(image);
    *out = image;
    return 0;
}

static int resolve_remote(struct session *s, const char *name, const struct platform *platform,
                          struct image_source *out, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    TRY(reference_parse(name, &ref, err));
    return registry_resolve(session_registry(s), &ref, platform, out, err);
}

static int from_registry(struct base_images *b, const char *name, const struct platform *platform,
                         struct base_image **out, struct error *err)
{
    auto_free char *title = xasprintf("[internal] load metadata for %s", name);
    unsigned v = progress_start(b->session->progress, title);
    struct base_image *image = image_new(b, name);
    int rc = resolve_remote(b->session, name, platform, &image->source, err);
    if (rc == 0)
        rc = record(b->session, &image->source, name, err);
    progress_end_with(b->session->progress, v, rc, err);
    if (rc < 0) {
        image_free(image);
        return error_wrap(err, "%s", name);
    }
    set_layers(image);
    *out = image;
    return 0;
}

/* A recorded image whose blobs were not pulled then: the registry is asked now, by digest. */
static int find_later(struct blob_provider *provider, struct blob_provider **out, struct error *err)
{
    struct base_image *image =
        (struct base_image *)((char *)provider - offsetof(struct base_image, later));
    struct base_images *b = image->owner;
    int rc = 0;
    pthread_mutex_lock(&b->lock);
    if (!image->source.provider) {
        char digest[DIGEST_TEXT_SIZE];
        digest_print(&image->resolved.digest, digest);
        auto_free char *plain = xstrndup(image->name, strcspn(image->name, "@"));
        auto_free char *pinned = xasprintf("%s@%s", plain, digest);
        rc = resolve_remote(b->session, pinned, &image->resolved.config.platform, &image->source,
                            err);
    }
    pthread_mutex_unlock(&b->lock);
    *out = image->source.provider;
    return rc;
}

static int fetch_later(struct blob_provider *provider, const struct descriptor *blob,
                       unsigned vertex, struct error *err)
{
    struct blob_provider *found = NULL;
    TRY(find_later(provider, &found, err));
    return found->fetch(found, blob, vertex, err);
}

static int open_later(struct blob_provider *provider, const struct descriptor *blob,
                      struct thread_pool *pool, unsigned vertex, struct blob_stream **out,
                      struct error *err)
{
    struct blob_provider *found = NULL;
    TRY(find_later(provider, &found, err));
    return found->open(found, blob, pool, vertex, out, err);
}

static void set_recorded_layers(struct base_image *image, const struct image_record *record)
{
    struct resolved_image *r = &image->resolved;
    r->digest = record->has_manifest ? record->manifest : record->config;
    r->layer_count = record->layer_count;
    r->layers = xcalloc(r->layer_count, sizeof *r->layers);
    for (size_t i = 0; i < r->layer_count; i++) {
        const struct image_record_layer *layer = &record->layers[i];
        snprintf(r->layers[i].id, LAYER_ID_SIZE, "%s", layer->id);
        r->layers[i].diff_id = layer->diff_id;
        r->layers[i].has_epoch = layer->has_epoch;
        r->layers[i].epoch_s = layer->epoch_s;
        if (layer->has_blob)
            r->layers[i].blob = (struct descriptor){ media_type_parse(layer->media_type),
                                                     layer->blob, layer->blob_size };
    }
    image->later = (struct blob_provider){ .fetch = fetch_later, .open = open_later };
    r->provider = &image->later;
}

static int of_record(struct base_images *b, const char *name, const struct image_record *record,
                     struct base_image **out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(image_config) struct image_config config;
    image_config_init(&config);
    TRY(blob_read(&b->session->store, &record->config, OCI_CONFIG_MAX, &text, err));
    TRY(image_config_parse(text.buf, text.len, &config, err));
    *out = image_new(b, name);
    (*out)->resolved.config = config;
    image_config_init(&config);
    set_recorded_layers(*out, record);
    return 0;
}

/* *out stays NULL if the recorded image is for another platform. */
static int from_record(struct base_images *b, const char *name, const struct image_record *found,
                       const struct platform *platform, struct base_image **out, struct error *err)
{
    struct base_image *image = NULL;
    TRY(of_record(b, name, found, &image, err));
    if (platform_match(platform, &image->resolved.config.platform) == 0)
        image_free(image);
    else
        *out = image;
    return 0;
}

int base_images_recorded(struct base_images *b, const struct image_record *record,
                         const struct resolved_image **out, struct error *err)
{
    struct base_image *image = NULL;
    TRY(of_record(b, record->name, record, &image, err));
    map_set(&b->found, record->name, image);
    *out = &image->resolved;
    return 0;
}

struct foreign_search {
    struct base_images *owner;
    const char *name;
    const struct platform *platform;
    struct base_image *best;
    char *created; /* of the best */
};

static int look_at_foreign(void *arg, const struct image_record *image, struct error *err)
{
    struct foreign_search *search = arg;
    struct base_image *found = NULL;
    auto_free char *name = foreign_name(search->name, &image->manifest);
    if (!image->has_manifest || strcmp(image->name, name) != 0 ||
        (search->created && strcmp(image->created, search->created) < 0))
        return 0;
    TRY(from_record(search->owner, search->name, image, search->platform, &found, err));
    if (!found)
        return 0;
    if (search->best)
        image_free(search->best);
    free(search->created);
    search->best = found;
    search->created = xstrdup(image->created);
    return 0;
}

/* *out stays NULL if the store has no such image, or has it for other platforms. */
static int from_store(struct base_images *b, const char *name, const struct platform *platform,
                      struct base_image **out, struct error *err)
{
    auto_(image_record) struct image_record found = { 0 };
    auto_(error) struct error missing = { 0 };
    struct foreign_search search = { .owner = b, .name = name, .platform = platform };
    if (image_store_find(&b->session->store, name, &found, &missing) == 0) {
        TRY(from_record(b, name, &found, platform, out, err));
    } else if (missing.kind != ERROR_NOT_FOUND) {
        error_move(err, &missing);
        return -1;
    }
    if (*out)
        return 0;
    int rc = image_store_each(&b->session->store, look_at_foreign, &search, err);
    free(search.created);
    *out = search.best;
    return rc;
}

/* docker-image://scratch: no layers, nothing configured. */
static struct base_image *empty_image(struct base_images *b, const char *name,
                                      const struct platform *platform)
{
    struct base_image *image = image_new(b, name);
    image->resolved.config.platform = *platform;
    digest_of(name, strlen(name), &image->resolved.digest);
    return image;
}

static int find(struct base_images *b, const char *reference, const struct platform *platform,
                struct base_image **out, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    TRY(reference_parse(reference, &ref, err));
    auto_free char *full = reference_print(&ref);
    const char *layout = map_find(&b->layouts, full);
    const char *other = map_find(&b->images, full);
    if (layout)
        return from_layout(b, layout, full, platform, out, err);
    if (other && strcmp(other, "scratch") == 0) {
        *out = empty_image(b, full, platform);
        return 0;
    }
    if (other) {
        reference_release(&ref);
        TRY(reference_parse(other, &ref, err));
        free(full);
        full = reference_print(&ref);
    }
    if (b->pull != PULL_ALWAYS)
        TRY(from_store(b, full, platform, out, err));
    if (!*out && b->pull == PULL_NEVER) {
        error_set(err, ERROR_LOCKED, 0, "%s is not in the store, and --pull=never", full);
        return error_hint(err, "mlbuild pull %s", reference);
    }
    return *out ? 0 : from_registry(b, full, platform, out, err);
}

/* The key under which it is kept; the caller frees it. */
static char *key_of(const char *reference, const struct platform *platform)
{
    char where[PLATFORM_TEXT_SIZE];
    platform_print(platform, where);
    return xasprintf("%s %s", reference, where);
}

struct expected {
    struct base_images *owner;
    const struct expected_image *image;
    struct base_image *found;
};

static void find_expected(void *arg, size_t index)
{
    struct expected *e = (struct expected *)arg + index;
    auto_(error) struct error later = { 0 };
    (void)!find(e->owner, e->image->reference, e->image->platform, &e->found, &later);
}

/* What cannot be found is asked for again, by whoever can say where it is wanted. */
static void expect(struct image_resolver *resolver, const struct expected_image *images,
                   size_t count)
{
    struct base_images *b = (struct base_images *)resolver;
    auto_(map) struct map seen = { 0 };
    auto_free struct expected *all = xcalloc(count, sizeof *all);
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        auto_free char *key = key_of(images[i].reference, images[i].platform);
        if (map_find(&b->found, key) || map_find(&seen, key))
            continue;
        map_set(&seen, key, b);
        all[wanted++] = (struct expected){ .owner = b, .image = &images[i] };
    }
    if (wanted < 2)
        return;
    session_registry(b->session); /* made before there are threads */
    struct thread_pool *pool = thread_pool_new(RESOLVE_WIDTH);
    parallel_for(pool, wanted, RESOLVE_WIDTH, find_expected, all);
    thread_pool_free(pool);
    for (size_t i = 0; i < wanted; i++) {
        auto_free char *key = key_of(all[i].image->reference, all[i].image->platform);
        if (all[i].found)
            map_set(&b->found, key, all[i].found);
    }
}

static int resolve(struct image_resolver *resolver, const char *reference,
                   const struct platform *platform, const struct resolved_image **out,
                   struct error *err)
{
    struct base_images *b = (struct base_images *)resolver;
    auto_free char *key = key_of(reference, platform);
    struct base_image *image = map_find(&b->found, key);
    if (!image) {
        TRY(find(b, reference, platform, &image, err));
        map_set(&b->found, key, image);
    }
    *out = &image->resolved;
    return 0;
}

/* Names that are the build's own, whatever contexts are called. */
static bool is_reserved(const char *name)
{
    return strcmp(name, "scratch") == 0 || strcmp(name, "context") == 0;
}

static const char *local_context(struct image_resolver *resolver, const char *name)
{
    const struct map *directories = &((struct base_images *)resolver)->directories;
    auto_free char *full = normalise(name);
    if (is_reserved(name))
        return NULL;
    for (size_t i = 0; i < directories->count; i++) {
        const char *key = directories->entries[i].key;
        auto_free char *other = full ? normalise(key) : NULL;
        if (strcmp(key, name) == 0 || (other && strcmp(other, full) == 0))
            return key;
    }
    return NULL;
}

static bool has_context(struct image_resolver *resolver, const char *name)
{
    struct base_images *b = (struct base_images *)resolver;
    auto_free char *full = normalise(name);
    if (is_reserved(name))
        return false;
    return local_context(resolver, name) ||
           (full && (map_find(&b->layouts, full) || map_find(&b->images, full)));
}

int base_images_open(struct session *s, const struct strvec *named, enum pull_policy pull,
                     struct base_images **out, struct error *err)
{
    auto_(base_images) struct base_images *b = xcalloc(1, sizeof *b);
    b->resolver = (struct image_resolver){ .expect = expect,
                                           .resolve = resolve,
                                           .local_context = local_context,
                                           .has_context = has_context };
    b->session = s;
    b->pull = pull;
    b->layouts.free_value = b->images.free_value = b->directories.free_value = free;
    b->found.free_value = image_free;
    pthread_mutex_init(&b->lock, NULL);
    for (size_t i = 0; i < named->count; i++)
        TRY(add_context(b, named->items[i], err));
    *out = take_ptr(b);
    return 0;
}

struct pull_job {
    const struct image_source *source;
    const struct descriptor *blob;
    unsigned vertex;
    struct error err;
};

static void pull_blob(void *arg, size_t index)
{
    struct pull_job *job = (struct pull_job *)arg + index;
    struct blob_provider *provider = job->source->provider;
    /* Whether it failed, job->err says. */
    (void)!provider->fetch(provider, job->blob, job->vertex, &job->err);
}

static int pull_blobs(const struct image_source *source, unsigned v, struct error *err)
{
    size_t count = source->manifest.layer_count;
    auto_free struct pull_job *jobs = xcalloc(count + 1, sizeof *jobs);
    int rc = 0;
    for (size_t i = 0; i < count; i++)
        jobs[i] = (struct pull_job){ source, &source->manifest.layers[i], v, { 0 } };
    struct thread_pool *pool = thread_pool_new(PULL_WIDTH);
    parallel_for(pool, count, PULL_WIDTH, pull_blob, jobs);
    thread_pool_free(pool);
    for (size_t i = 0; i < count; i++)
        rc = error_first(err, &jobs[i].err);
    return rc;
}

int base_image_pull(struct session *s, const char *ref, const struct platform *platform,
                    struct error *err)
{
    auto_(image_source) struct image_source source;
    auto_free char *full = normalise(ref);
    auto_free char *title = xasprintf("pull %s", full ? full : ref);
    unsigned v = progress_start(s->progress, title);
    image_source_init(&source);
    int rc = resolve_remote(s, full ? full : ref, platform, &source, err);
    if (rc == 0)
        rc = pull_blobs(&source, v, err);
    if (rc == 0)
        rc = record(s, &source, full, err);
    progress_end_with(s->progress, v, rc, err);
    return rc < 0 ? error_wrap(err, "%s", ref) : 0;
}
