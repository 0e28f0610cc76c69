/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/output.h"

#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

static const struct {
    const char *name;
    enum output_type type;
    bool needs_dest;
} types[] = {
    { "oci", OUTPUT_OCI, true },
    { "docker", OUTPUT_LOAD, false }, /* with a dest, what load would read */
    { "oci-dir", OUTPUT_OCI_DIR, true },
    { "local", OUTPUT_LOCAL, true },
    { "tar", OUTPUT_TAR, true },
    { "image", OUTPUT_IMAGE, false },
    { "registry", OUTPUT_REGISTRY, false },
    { "cacheonly", OUTPUT_CACHE, false },
};

void output_release(struct output *o)
{
    free(take_ptr(o->dest));
    free(take_ptr(o->name));
    strvec_release(&o->annotations);
}
DEFINE_AUTO(output, struct output, output_release(value))

static int set_type(struct output *o, const char *value, struct error *err)
{
    const char *names[COUNT(types)];
    for (size_t i = 0; i < COUNT(types); i++) {
        names[i] = types[i].name;
        if (strcmp(types[i].name, value) == 0) {
            o->type = types[i].type;
            return 0;
        }
    }
    const char *near = str_nearest(value, names, COUNT(types));
    error_set(err, ERROR_USAGE, 0, "unknown output type %s", value);
    return error_hint(err, "%s%s%soci, docker, oci-dir, local, tar, image, registry or cacheonly",
                      near ? "did you mean " : "", near ? near : "", near ? "? " : "");
}

static int set_compression(struct packing *p, const char *value, struct error *err)
{
    static const struct {
        const char *name;
        enum compression compression;
    } names[] = { { "gzip", COMPRESSION_GZIP },
                  { "auto", COMPRESSION_GZIP },
                  { "zstd", COMPRESSION_ZSTD },
                  { "uncompressed", COMPRESSION_NONE },
                  { "none", COMPRESSION_NONE } };
    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(value, names[i].name) == 0) {
            p->compression = names[i].compression;
            return 0;
        }
    }
    return error_set(err, ERROR_UNSUPPORTED, 0, "compression=%s: gzip, zstd or uncompressed",
                     value);
}

static int set_level(struct packing *p, const char *value, struct error *err)
{
    uint64_t level = 0;
    if (!str_to_u64(str_of(value), 10, PACK_LEVEL_MAX, &level))
        return error_set(err, ERROR_USAGE, 0, "compression-level=%s: a number from 0 to %d", value,
                         PACK_LEVEL_MAX);
    p->level = (int)level;
    return 0;
}

/* Which levels there are is known when the format is. */
static int check_level(const struct packing *p, struct error *err)
{
    const struct pack_encoder *encoder = packing_encoder(p);
    if (!encoder || p->level <= encoder->level_max)
        return 0;
    return error_set(err, ERROR_USAGE, 0, "compression-level=%d: the highest level is %d", p->level,
                     encoder->level_max);
}

static int set_bool(const char *key, const char *value, bool *out, struct error *err)
{
    *out = !*value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    if (*out || strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        return 0;
    return error_set(err, ERROR_USAGE, 0, "%s takes true or false, not %s", key, value);
}

struct fields {
    bool push;
    bool tar;
    bool canonical;
};

/* "annotation.K", "annotation-index.K" and the like, as --annotation has them. */
static bool add_annotation(struct output *o, const char *key, const char *value)
{
    static const char prefix[] = "annotation";
    if (!str_starts_with(key, prefix))
        return false;
    const char *type = key + strlen(prefix);
    const char *name = strchr(type, '.');
    if (!name || (*type != '.' && *type != '-'))
        return false;
    auto_free char *of =
        *type == '-' ? xstrndup(type + 1, (size_t)(name - type) - 1) : xstrdup("manifest");
    strvec_pushf(&o->annotations, "%s:%s=%s", of, name + 1, value);
    return true;
}

static int set_field(struct output *o, struct fields *f, const char *key, const char *value,
                     struct error *err)
{
    if (add_annotation(o, key, value))
        return 0;
    if (strcmp(key, "type") == 0)
        return set_type(o, value, err);
    if (strcmp(key, "compression") == 0)
        return set_compression(&o->packing, value, err);
    if (strcmp(key, "compression-level") == 0)
        return set_level(&o->packing, value, err);
    if (strcmp(key, "force-compression") == 0)
        return set_bool(key, value, &o->packing.force, err);
    if (strcmp(key, "push") == 0)
        return set_bool(key, value, &f->push, err);
    if (strcmp(key, "push-by-digest") == 0)
        return set_bool(key, value, &o->by_digest, err);
    /* "name@digest" as a name in the store: there every image is found by its digest */
    if (strcmp(key, "name-canonical") == 0)
        return set_bool(key, value, &f->canonical, err);
    if (strcmp(key, "tar") == 0)
        return set_bool(key, value, &f->tar, err);
    char **text = strcmp(key, "dest") == 0 ? &o->dest : strcmp(key, "name") == 0 ? &o->name : NULL;
    if (!text) {
        error_set(err, ERROR_USAGE, 0, "unknown output attribute %s", key);
        return error_hint(err, "type, dest, name, push, push-by-digest, tar, compression, "
                               "compression-level, force-compression, annotation.KEY");
    }
    free(*text);
    *text = xstrdup(value);
    return 0;
}

static int parse_fields(const char *text, struct output *o, struct error *err)
{
    struct fields f = { .tar = true };
    bool has_type = false;
    auto_(strvec) struct strvec words = { 0 };
    if (words_parse_csv(text, &words, err) < 0)
        return error_wrap(err, "--output %s", text);
    for (size_t i = 0; i < words.count; i++) {
        char *field = words.items[i];
        char *value = strchr(field, '=');
        if (value)
            *value++ = '\0';
        has_type |= strcmp(field, "type") == 0;
        TRY(set_field(o, &f, field, value ? value : "", err));
    }
    TRY(check_level(&o->packing, err));
    if (!has_type)
        return error_set(err, ERROR_USAGE, 0, "--output %s: type is missing", text);
    if (f.push && o->type == OUTPUT_IMAGE)
        o->type = OUTPUT_REGISTRY;
    if (o->type == OUTPUT_LOAD && (o->dest || !f.tar))
        o->type = OUTPUT_OCI;
    if (!f.tar && o->type == OUTPUT_OCI)
        o->type = OUTPUT_OCI_DIR;
    for (size_t i = 0; i < COUNT(types); i++) {
        if (types[i].type == o->type && types[i].needs_dest && (!o->dest || !*o->dest)) {
            error_set(err, ERROR_USAGE, 0, "--output %s: dest is missing", text);
            return error_hint(err, "add dest=PATH, or dest=- for standard output");
        }
    }
    return 0;
}

int output_read_packing(const char *compression, const char *level, bool force, struct packing *out,
                        struct error *err)
{
    *out = (struct packing)PACKING_DEFAULT;
    out->force = force;
    if (compression)
        TRY(set_compression(out, compression, err));
    if (level)
        TRY(set_level(out, level, err));
    return check_level(out, err);
}

int output_parse(const char *text, const struct packing *packing, struct output *out,
                 struct error *err)
{
    auto_(output) struct output o = { .packing = *packing };
    if (!*text) {
        error_set(err, ERROR_USAGE, 0, "--output is empty");
        return error_hint(err, "-o image.tar, -o DIRECTORY, or -o type=...");
    }
    if (strcmp(text, "-") == 0 || !strchr(text, '=')) {
        bool is_archive = str_ends_with(text, ".tar");
        o.dest = xstrdup(text);
        o.type = strcmp(text, "-") == 0 ? OUTPUT_TAR : is_archive ? OUTPUT_OCI : OUTPUT_LOCAL;
    } else {
        TRY(parse_fields(text, &o, err));
    }
    *out = o;
    o = (struct output){ 0 };
    return 0;
}
