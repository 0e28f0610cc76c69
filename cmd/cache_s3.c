/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cache_s3.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

enum { WIDTH_MAX = 64 };

static const char letters_and_digits[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

struct cache_s3 {
    struct url endpoint;
    char *title, *region, *bucket;
    bool is_path_style;
    char *blob_prefix;
    struct strvec entry_prefixes;
    size_t width;
    struct s3_keys given; /* id NULL: the environment is asked */
};

void cache_s3_free(struct cache_s3 *s3)
{
    if (!s3)
        return;
    url_release(&s3->endpoint);
    free(s3->title);
    free(s3->region);
    free(s3->bucket);
    free(s3->blob_prefix);
    strvec_release(&s3->entry_prefixes);
    s3_keys_release(&s3->given);
    free(s3);
}

/* What was given, else the first of `variables` that says something, else NULL. */
static const char *text_or(const char *given, const char *const *variables)
{
    const char *value = given;
    for (; !(value && *value) && *variables; variables++)
        value = getenv(*variables);
    return value && *value ? value : NULL;
}

/* A part of a host's name. */
static int read_name(const char *option, const char *what, const char *value, char **out,
                     struct error *err)
{
    static const char others[] = "-_.";
    for (const char *c = value; *c; c++) {
        if (!strchr(letters_and_digits, *c) && (c == value || !strchr(others, *c)))
            return error_set(err, ERROR_USAGE, 0, "%s: \"%s\" is no %s", option, value, what);
    }
    *out = xstrdup(value);
    return 0;
}

static int read_region(const char *option, const char *given, struct cache_s3 *s3,
                       struct error *err)
{
    static const char *const variables[] = { "AWS_REGION", "AWS_DEFAULT_REGION", NULL };
    const char *value = text_or(given, variables);
    if (value)
        return read_name(option, "region", value, &s3->region, err);
    error_set(err, ERROR_USAGE, 0, "%s: region is missing", option);
    return error_hint(err, "give region=NAME or set AWS_REGION; servers other than Amazon's take "
                           "us-east-1 as a rule");
}

static int read_bucket(const char *option, const char *given, struct cache_s3 *s3,
                       struct error *err)
{
    static const char *const variables[] = { "AWS_S3_BUCKET", NULL };
    const char *value = text_or(given, variables);
    if (value)
        return read_name(option, "bucket", value, &s3->bucket, err);
    error_set(err, ERROR_USAGE, 0, "%s: bucket is missing", option);
    return error_hint(err, "give bucket=NAME or set AWS_S3_BUCKET");
}

/* An address, which no bucket's name can stand before. */
static bool host_is_number(const char *host)
{
    return *host == '[' || !host[strspn(host, "0123456789.")];
}

static int read_endpoint(const char *option, const char *given, struct cache_s3 *s3,
                         struct error *err)
{
    static const char *const variables[] = { "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", NULL };
    const char *value = text_or(given, variables);
    auto_free char *amazon = xasprintf("https://s3.%s.amazonaws.com%s", s3->region,
                                       str_starts_with(s3->region, "cn-") ? ".cn" : "");
    if (url_parse(value ? value : amazon, &s3->endpoint, err) < 0) {
        err->kind = ERROR_USAGE;
        return error_wrap(err, "%s: endpoint_url", option);
    }
    if (*s3->endpoint.query)
        return error_set(err, ERROR_USAGE, 0, "%s: endpoint_url has a query", option);
    /* no certificate for *.HOST is good for a name with a dot in it */
    s3->is_path_style = s3->is_path_style || host_is_number(s3->endpoint.host) ||
                        (s3->endpoint.is_https && strchr(s3->bucket, '.'));
    return 0;
}

/* Prefixes of keys: "." and ".." would be lost on the way to the server. */
static int check_prefix(const char *option, const char *prefix, struct error *err)
{
    struct str rest = str_of(prefix);
    while (rest.len) {
        struct str segment = str_cut(&rest, '/');
        if (str_equal(segment, STR(".")) || str_equal(segment, STR("..")))
            return error_set(err, ERROR_USAGE, 0, "%s: prefix %s: no \".\" or \"..\"", option,
                             prefix);
    }
    return 0;
}

static int read_prefixes(const char *option, const struct cache_s3_texts *texts,
                         struct cache_s3 *s3, struct error *err)
{
    const char *prefix = texts->prefix ? texts->prefix : "";
    const char *entries = texts->manifests_prefix ? texts->manifests_prefix : "manifests/";
    struct str names = str_of(texts->name && *texts->name ? texts->name : "mlbuild");

    s3->blob_prefix =
        xasprintf("%s%s", prefix, texts->blobs_prefix ? texts->blobs_prefix : "blobs/");
    TRY(check_prefix(option, s3->blob_prefix, err));
    while (names.len) {
        struct str name = str_cut(&names, ';');
        if (!name.len)
            return error_set(err, ERROR_USAGE, 0, "%s: name=%s: one is empty", option, texts->name);
        char *key = xasprintf("%s%s%.*s", prefix, entries, (int)name.len, name.ptr);
        strvec_push_take(&s3->entry_prefixes, key);
        TRY(check_prefix(option, key, err));
    }
    return 0;
}

static int read_keys(const char *option, const struct cache_s3_texts *texts, struct cache_s3 *s3,
                     struct error *err)
{
    if (!texts->id != !texts->secret || (texts->token && !texts->id)) {
        return error_set(err, ERROR_USAGE, 0,
                         "%s: access_key_id and secret_access_key belong together, and "
                         "session_token to both",
                         option);
    }
    if (!texts->id)
        return 0;
    s3->given.id = xstrdup(texts->id);
    s3->given.secret = xstrdup(texts->secret);
    s3->given.token = texts->token ? xstrdup(texts->token) : NULL;
    return 0;
}

static int read_width(const char *option, const char *text, struct cache_s3 *s3, struct error *err)
{
    uint64_t width = 0;
    if (!text)
        return 0;
    if (!str_to_u64(str_of(text), 10, WIDTH_MAX, &width) || width == 0)
        return error_set(err, ERROR_USAGE, 0, "%s: upload_parallelism=%s: 1 to %d", option, text,
                         WIDTH_MAX);
    s3->width = (size_t)width;
    return 0;
}

int cache_s3_read(const char *option, const struct cache_s3_texts *texts, bool is_path_style,
                  struct cache_s3 **out, struct error *err)
{
    auto_(cache_s3) struct cache_s3 *s3 = xcalloc(1, sizeof *s3);
    s3->is_path_style = is_path_style;
    TRY(read_region(option, texts->region, s3, err));
    TRY(read_bucket(option, texts->bucket, s3, err));
    TRY(read_endpoint(option, texts->endpoint, s3, err));
    TRY(read_prefixes(option, texts, s3, err));
    TRY(read_keys(option, texts, s3, err));
    TRY(read_width(option, texts->parallelism, s3, err));
    s3->title =
        xasprintf("s3://%s/%s at %s", s3->bucket, s3->entry_prefixes.items[0], s3->endpoint.host);
    *out = take_ptr(s3);
    return 0;
}

static struct s3_options bucket_options(const struct cache_s3 *s3, struct session *s,
                                        const struct s3_key_places *places,
                                        const struct cancel *cancel)
{
    const char *part_size = getenv("MLBUILD_TEST_S3_PART_SIZE");
    struct s3_options options = session_s3_options(s, cancel);
    options.endpoint = &s3->endpoint;
    options.region = s3->region;
    options.name = s3->bucket;
    options.is_path_style = s3->is_path_style;
    options.places = places;
    if (part_size)
        (void)!str_to_u64(str_of(part_size), 10, UINT64_MAX, &options.part_size);
    return options;
}

struct cache_location *cache_s3_open(const struct cache_s3 *s3, struct session *s)
{
    struct s3_key_places places = s3_key_places_from_environment();
    if (s3->given.id) {
        places.id = s3->given.id;
        places.secret = s3->given.secret;
        places.token = s3->given.token;
        places.source = "the command line";
    }
    const struct s3_options reading = bucket_options(s3, s, &places, &s->cancel);
    const struct s3_options writing = bucket_options(s3, s, &places, &s->interrupt);
    const struct location_s3_options options = { .title = s3->title,
                                                 .reading = &reading,
                                                 .writing = &writing,
                                                 .blob_prefix = s3->blob_prefix,
                                                 .entry_prefixes = &s3->entry_prefixes,
                                                 .width = s3->width };
    return location_s3_new(&options);
}
