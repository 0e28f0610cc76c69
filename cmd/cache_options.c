/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cache_options.h"

#include <unistd.h>

#include "cmd/output.h"
#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

/* The fields of one option, as they were given. */
struct fields {
    char *type, *ref, *src, *dest, *mode, *compression, *level, *force, *ignore_error, *mounts;
    char *always;             /* what asks for what is always so */
    struct cache_s3_texts s3; /* this and what follows: of type=s3 alone */
    char *path_style;
};

static const struct {
    const char *name;
    size_t offset;
    bool from, to; /* of which option */
} keys[] = {
    { "type", offsetof(struct fields, type), true, true },
    { "ref", offsetof(struct fields, ref), true, true },
    { "src", offsetof(struct fields, src), true, false },
    { "dest", offsetof(struct fields, dest), false, true },
    { "mode", offsetof(struct fields, mode), false, true },
    { "compression", offsetof(struct fields, compression), false, true },
    { "compression-level", offsetof(struct fields, level), false, true },
    { "force-compression", offsetof(struct fields, force), false, true },
    { "ignore-error", offsetof(struct fields, ignore_error), false, true },
    { "mounts", offsetof(struct fields, mounts), true, true },
    { "oci-mediatypes", offsetof(struct fields, always), false, true },
    { "image-manifest", offsetof(struct fields, always), false, true },
    { "region", offsetof(struct fields, s3.region), true, true },
    { "bucket", offsetof(struct fields, s3.bucket), true, true },
    { "name", offsetof(struct fields, s3.name), true, true },
    { "prefix", offsetof(struct fields, s3.prefix), true, true },
    { "blobs_prefix", offsetof(struct fields, s3.blobs_prefix), true, true },
    { "manifests_prefix", offsetof(struct fields, s3.manifests_prefix), true, true },
    { "endpoint_url", offsetof(struct fields, s3.endpoint), true, true },
    { "use_path_style", offsetof(struct fields, path_style), true, true },
    { "access_key_id", offsetof(struct fields, s3.id), true, true },
    { "secret_access_key", offsetof(struct fields, s3.secret), true, true },
    { "session_token", offsetof(struct fields, s3.token), true, true },
    { "upload_parallelism", offsetof(struct fields, s3.parallelism), false, true },
};

static char **field(struct fields *f, size_t key)
{
    return (char **)((char *)f + keys[key].offset);
}

static void fields_release(struct fields *f)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        free(take_ptr(*field(f, i)));
}
DEFINE_AUTO(fields, struct fields, fields_release(value))

static int unknown_key(const char *option, const char *key, bool is_to, struct error *err)
{
    auto_(strbuf) struct strbuf known = STRBUF_INIT;
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (is_to ? keys[i].to : keys[i].from)
            strbuf_addf(&known, "%s%s", known.len ? ", " : "", keys[i].name);
    }
    error_set(err, ERROR_USAGE, 0, "%s: unknown attribute %s", option, key);
    if (strcmp(key, "touch_refresh") == 0)
        return error_hint(err, "leave it out: what a rule of the bucket has removed counts as not "
                               "shared, and is shared anew");
    return error_hint(err, "%s", known.buf);
}

static int read_fields(const char *option, const char *text, bool is_to, struct fields *out,
                       struct error *err)
{
    auto_(strvec) struct strvec words = { 0 };
    if (words_parse_csv(text, &words, err) < 0) {
        err->kind = ERROR_USAGE;
        return error_wrap(err, "%s", option); /* the text may hold secrets */
    }
    for (size_t i = 0; i < words.count; i++) {
        char **to = NULL;
        struct str value = str_of(words.items[i]);
        struct str key = str_cut(&value, '=');
        for (size_t k = 0; k < COUNT(keys); k++) {
            if (str_equal(key, str_of(keys[k].name)) && (is_to ? keys[k].to : keys[k].from))
                to = field(out, k);
        }
        auto_free char *name = xstrndup(key.ptr, key.len);
        if (!to)
            /* after a secret it may be what follows a comma in it */
            return unknown_key(option, out->s3.secret || out->s3.token ? "" : name, is_to, err);
        free(*to);
        *to = xstrndup(value.ptr, value.len);
    }
    return 0;
}

static int read_bool(const char *option, const char *text, bool *out, struct error *err)
{
    *out = text && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
    if (*out || !text || strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        return 0;
    return error_set(err, ERROR_USAGE, 0, "%s: true or false, not %s", option, text);
}

static int read_type(const char *option, const char *text, enum cache_type *out, struct error *err)
{
    static const char *const names[] = { [CACHE_REGISTRY] = "registry",
                                         [CACHE_LOCAL] = "local",
                                         [CACHE_INLINE] = "inline",
                                         [CACHE_S3] = "s3" };
    for (size_t i = 0; text && i < COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum cache_type)i;
            return 0;
        }
    }
    error_set(err, ERROR_USAGE, 0, "%s: %s%s", option, text ? "no type " : "type is missing",
              text ? text : "");
    if (text && strcmp(text, "gha") == 0)
        return error_hint(err, "use the registry beside it: type=registry,ref=ghcr.io/OWNER/CACHE");
    return error_hint(err, "type=registry,ref=HOST/NAME, type=local,src=DIR or dest=DIR, "
                           "type=s3,bucket=NAME,region=NAME, type=inline");
}

/* The builder may be somewhere else. */
static char *absolute(const char *path)
{
    auto_free char *cwd = getcwd(NULL, 0);
    return path_absolute(cwd ? cwd : "/", path);
}

static int take_bucket(const char *option, struct fields *f, struct cache_option *out,
                       struct error *err)
{
    bool is_path_style = false;
    for (size_t i = 0; out->type != CACHE_S3 && i < COUNT(keys); i++) {
        if (keys[i].offset >= offsetof(struct fields, s3) && *field(f, i))
            return error_set(err, ERROR_USAGE, 0, "%s: %s is for type=s3", option, keys[i].name);
    }
    if (out->type != CACHE_S3)
        return 0;
    auto_free char *label = xasprintf("%s: use_path_style", option);
    TRY(read_bool(label, f->path_style, &is_path_style, err));
    return cache_s3_read(option, &f->s3, is_path_style, &out->s3, err);
}

static int take_place(const char *option, struct fields *f, bool is_to, struct cache_option *out,
                      struct error *err)
{
    const char *path = is_to ? f->dest : f->src;
    const char *place = out->type == CACHE_REGISTRY ? f->ref : path;
    const char *name = out->type == CACHE_REGISTRY ? "ref" : is_to ? "dest" : "src";
    TRY(take_bucket(option, f, out, err));
    if (out->type == CACHE_INLINE || out->type == CACHE_S3)
        return 0;
    if (!place || !*place)
        return error_set(err, ERROR_USAGE, 0, "%s: %s is missing", option, name);
    out->place = out->type == CACHE_LOCAL ? absolute(place) : xstrdup(place);
    return 0;
}

static int read_from(const char *text, struct cache_option *out, struct error *err)
{
    static const char option[] = "--cache-from";
    auto_(fields) struct fields f = { 0 };
    if (!strchr(text, '=')) {
        *out = (struct cache_option){ .type = CACHE_REGISTRY, .place = xstrdup(text) };
        return 0;
    }
    TRY(read_fields(option, text, false, &f, err));
    TRY(read_type(option, f.type, &out->type, err));
    TRY(read_bool("--cache-from: mounts", f.mounts, &out->mounts, err));
    if (out->type != CACHE_INLINE)
        return take_place(option, &f, false, out, err);
    error_set(err, ERROR_USAGE, 0, "--cache-from type=inline: which image?");
    return error_hint(err, "name it: --cache-from type=registry,ref=HOST/NAME:TAG");
}

static int read_mode(const char *text, struct cache_option *out, struct error *err)
{
    out->all_steps = text && strcmp(text, "max") == 0;
    if (!text || out->all_steps || strcmp(text, "min") == 0)
        return 0;
    return error_set(err, ERROR_USAGE, 0,
                     "--cache-to: mode=%s: min (steps of the image) or max "
                     "(all steps)",
                     text);
}

static int read_to(const char *text, const struct packing *packing, struct cache_option *out,
                   struct error *err)
{
    static const char option[] = "--cache-to";
    bool force = false;
    bool holds = true;
    auto_(fields) struct fields f = { 0 };
    auto_free char *spelled = strchr(text, '=') ? xstrdup(text)
                              : strcmp(text, "inline") == 0
                                  ? xstrdup("type=inline")
                                  : xasprintf("type=registry,ref=%s", text);
    TRY(read_fields(option, spelled, true, &f, err));
    TRY(read_type(option, f.type, &out->type, err));
    TRY(take_place(option, &f, true, out, err));
    TRY(read_mode(f.mode, out, err));
    TRY(read_bool("--cache-to: ignore-error", f.ignore_error, &out->ignore_error, err));
    TRY(read_bool("--cache-to: mounts", f.mounts, &out->mounts, err));
    TRY(read_bool("--cache-to: force-compression", f.force, &force, err));
    TRY(read_bool("--cache-to: oci-mediatypes, image-manifest", f.always ? f.always : "true",
                  &holds, err));
    if (!holds)
        return error_set(err, ERROR_UNSUPPORTED, 0, "--cache-to: entries are OCI images");
    out->packing = *packing;
    if (f.compression || f.level || force)
        TRY(output_read_packing(f.compression, f.level, force, &out->packing, err));
    return 0;
}

int cache_options_read(const struct strvec *froms, const struct strvec *tos,
                       const struct packing *packing, struct cache_options *out, struct error *err)
{
    out->from_options = xcalloc(froms->count, sizeof *out->from_options);
    out->to_options = xcalloc(tos->count, sizeof *out->to_options);
    for (size_t i = 0; i < froms->count; i++) {
        struct cache_option *from = &out->from_options[out->from_count++];
        TRY(read_from(froms->items[i], from, err));
        out->mounts = out->mounts || from->mounts;
    }
    for (size_t i = 0; i < tos->count; i++) {
        struct cache_option *to = &out->to_options[out->to_count++];
        TRY(read_to(tos->items[i], packing, to, err));
        out->is_inline = out->is_inline || to->type == CACHE_INLINE;
    }
    return 0;
}

static int open_location(const struct cache_option *o, struct session *s,
                         struct cache_location **out, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    if (o->type == CACHE_S3) {
        *out = cache_s3_open(o->s3, s);
        return 0;
    }
    if (o->type == CACHE_LOCAL) {
        *out = location_directory_new(o->place, s->umask, &s->store);
        return 0;
    }
    if (reference_parse(o->place, &ref, err) < 0)
        return error_wrap(err, "cache %s", o->place);
    if (ref.digest)
        return error_set(err, ERROR_USAGE, 0, "cache %s: a cache has no digest", o->place);
    *out = location_registry_new(session_registry(s), session_cache_registry(s), &ref);
    return 0;
}

int cache_options_open(struct cache_options *c, struct session *s, struct error *err)
{
    c->from = xcalloc(c->from_count, sizeof *c->from);
    c->to = xcalloc(c->to_count, sizeof *c->to);
    for (size_t i = 0; i < c->from_count; i++)
        TRY(open_location(&c->from_options[i], s, &c->from[i], err));
    for (size_t i = 0; i < c->to_count; i++) {
        const struct cache_option *o = &c->to_options[i];
        if (o->type == CACHE_INLINE)
            continue;
        struct cache_destination *to = &c->to[c->destination_count];
        TRY(open_location(o, s, &to->location, err));
        to->all_steps = o->all_steps;
        to->ignore_error = o->ignore_error;
        to->mounts = o->mounts;
        c->destination_count++;
    }
    return 0;
}

void cache_options_prepare(struct cache_options *c)
{
    for (size_t i = 0; i < c->destination_count; i++) {
        struct cache_location *location = c->to[i].location;
        if (location->ops->prepare)
            location->ops->prepare(location);
    }
}

static void release(struct cache_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(options[i].place);
        cache_s3_free(options[i].s3);
    }
    free(options);
}

void cache_options_release(struct cache_options *c)
{
    for (size_t i = 0; c->from && i < c->from_count; i++)
        cache_location_free(c->from[i]);
    for (size_t i = 0; i < c->destination_count; i++)
        cache_location_free(c->to[i].location);
    free(c->from);
    free(c->to);
    release(c->from_options, c->from_count);
    release(c->to_options, c->to_count);
}
