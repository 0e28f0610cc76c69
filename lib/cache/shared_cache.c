/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/shared_cache.h"

#include <pthread.h>

#include "lib/base/mem.h"

/* An image that a location has given. */
struct shared_image {
    struct image_source source;
    struct shared_table table;
};

struct shared_place {
    struct cache_location *location;
    bool is_given_up;             /* under the cache's lock */
    pthread_mutex_t carrier_lock; /* held while it is asked for */
    bool has_carrier;             /* the location's own image has been asked for: */
    struct shared_image *carrier; /* NULL: there is none */
};

struct shared_cache {
    struct shared_cache_options options;
    struct shared_place *places;
    pthread_mutex_t lock; /* guards all below; not held while a location is asked */
    struct map answers;   /* key -> struct shared_answer *, empty for keys that nobody knows */
    struct shared_image **images;
    size_t image_count, image_cap;
};

struct shared_cache *shared_cache_new(const struct shared_cache_options *options)
{
    struct shared_cache *c = xcalloc(1, sizeof *c);
    c->options = *options;
    c->places = xcalloc(options->location_count, sizeof *c->places);
    for (size_t i = 0; i < options->location_count; i++) {
        c->places[i].location = options->locations[i];
        pthread_mutex_init(&c->places[i].carrier_lock, NULL);
    }
    c->answers.free_value = free;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void image_free(struct shared_image *image)
{
    if (!image)
        return;
    image_source_release(&image->source);
    shared_table_release(&image->table);
    free(image);
}
DEFINE_AUTO(image, struct shared_image *, image_free(*value))

void shared_cache_free(struct shared_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->image_count; i++)
        image_free(c->images[i]);
    for (size_t i = 0; i < c->options.location_count; i++)
        pthread_mutex_destroy(&c->places[i].carrier_lock);
    free(c->images);
    free(c->places);
    map_release(&c->answers);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void give_up(struct shared_cache *c, struct shared_place *place, const struct error *why)
{
    pthread_mutex_lock(&c->lock);
    bool is_first = !place->is_given_up;
    place->is_given_up = true;
    pthread_mutex_unlock(&c->lock);
    if (!is_first)
        return;
    auto_free char *text = xasprintf("the cache in %s is left alone: %s", place->location->name,
                                     why->message ? why->message : "it failed");
    progress_warning(c->options.progress, text);
}

static bool is_given_up(struct shared_cache *c, const struct shared_place *place)
{
    pthread_mutex_lock(&c->lock);
    bool given_up = place->is_given_up;
    pthread_mutex_unlock(&c->lock);
    return given_up;
}

/* NULL if the location has no such image, or failed. */
static struct shared_image *load(struct shared_cache *c, struct shared_place *place,
                                 const char *name)
{
    bool found = false;
    auto_(error) struct error why = { 0 };
    auto_(image) struct shared_image *image = xcalloc(1, sizeof *image);
    image_source_init(&image->source);
    int rc = place->location->ops->load(place->location, name, c->options.platform, &image->source,
                                        &found, &why);
    if (rc == 0 && found) {
        const struct strbuf *config = &image->source.config_text;
        rc = shared_table_parse(config->buf, config->len, &image->table, &why);
    }
    /* What is no cache of ours has nothing to say, and may be anything. */
    if (rc < 0 && (name || (why.kind != ERROR_UNSUPPORTED && why.kind != ERROR_CORRUPT)))
        give_up(c, place, &why);
    if (rc < 0 || !found)
        return NULL;
    pthread_mutex_lock(&c->lock);
    GROW(c->images, c->image_count, c->image_cap);
    c->images[c->image_count++] = image;
    pthread_mutex_unlock(&c->lock);
    return take_ptr(image);
}

/* The image that the location itself names is asked for once. */
static struct shared_image *carrier_of(struct shared_cache *c, struct shared_place *place)
{
    pthread_mutex_lock(&place->carrier_lock);
    if (!place->has_carrier)
        place->carrier = load(c, place, NULL);
    place->has_carrier = true;
    struct shared_image *carrier = place->carrier;
    pthread_mutex_unlock(&place->carrier_lock);
    return carrier;
}

static bool look_in(const struct shared_place *place, const struct shared_image *image,
                    const struct digest *key, struct shared_answer *out)
{
    const struct shared_entry *entry = image ? shared_table_find(&image->table, key) : NULL;
    *out = (struct shared_answer){ 0 };
    if (entry)
        *out = (struct shared_answer){ place->location, &image->source, &image->table, entry };
    return entry != NULL;
}

static bool ask(struct shared_cache *c, struct shared_place *place, const struct digest *key,
                struct shared_answer *out)
{
    char name[DIGEST_HEX_SIZE];
    digest_hex(key, name);
    return (!is_given_up(c, place) && look_in(place, carrier_of(c, place), key, out)) ||
           (!is_given_up(c, place) && look_in(place, load(c, place, name), key, out));
}

bool shared_cache_find(struct shared_cache *c, const struct digest *key, struct shared_answer *out)
{
    char name[DIGEST_HEX_SIZE];
    bool found = false;
    digest_hex(key, name);
    pthread_mutex_lock(&c->lock);
    const struct shared_answer *known = map_find(&c->answers, name);
    if (known)
        *out = *known;
    pthread_mutex_unlock(&c->lock);
    if (known)
        return out->entry != NULL;
    for (size_t i = 0; i < c->options.location_count && !found; i++)
        found = ask(c, &c->places[i], key, out);
    struct shared_answer *answer = xcalloc(1, sizeof *answer);
    if (found)
        *answer = *out;
    pthread_mutex_lock(&c->lock);
    map_set(&c->answers, name, answer);
    pthread_mutex_unlock(&c->lock);
    return found;
}
