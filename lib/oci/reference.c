/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/reference.h"

#include <ctype.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/digest.h"

enum { NAME_MAX_LENGTH = 255, TAG_MAX_LENGTH = 128, DOMAIN_HEX_LENGTH = 64 };

static const char default_host[] = "docker.io";
static const char official[] = "library/";

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool looks_like_host(struct str part)
{
    return str_equal(part, STR("localhost")) || memchr(part.ptr, '.', part.len) ||
           memchr(part.ptr, ':', part.len);
}

static bool port_is_valid(struct str port)
{
    uint64_t number = 0;
    return port.len <= 5 && str_to_u64(port, 10, 65535, &number) && number > 0;
}

static bool host_label_is_valid(struct str label)
{
    for (size_t i = 0; i < label.len; i++) {
        if (!isalnum((unsigned char)label.ptr[i]) &&
            (label.ptr[i] != '-' || i == 0 || i + 1 == label.len))
            return false;
    }
    return label.len > 0;
}

static bool host_is_valid(struct str host)
{
    if (host.len > 0 && host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        if (!end)
            return false;
        for (const char *c = host.ptr + 1; c < end; c++)
            if (!isxdigit((unsigned char)*c) && *c != ':' && *c != '.')
                return false;
        struct str rest = { end + 1, host.len - (size_t)(end + 1 - host.ptr) };
        return end > host.ptr + 2 &&
               (rest.len == 0 ||
                (rest.ptr[0] == ':' && port_is_valid((struct str){ rest.ptr + 1, rest.len - 1 })));
    }
    struct str port = host;
    struct str labels = str_cut(&port, ':');
    if (labels.len < host.len && !port_is_valid(port))
        return false;
    for (bool more = true; more;) {
        more = memchr(labels.ptr, '.', labels.len) != NULL;
        if (!host_label_is_valid(str_cut(&labels, '.')))
            return false;
    }
    return true;
}

/* Lower-case letters and digits, joined by '.', '_', "__" or any number of '-'. */
static bool path_component_is_valid(struct str part)
{
    size_t i = 0;

    while (i < part.len) {
        if (!is_lower_or_digit(part.ptr[i]))
            return false;
        while (i < part.len && is_lower_or_digit(part.ptr[i]))
            i++;
        if (i == part.len)
            return true;
        size_t start = i;
        while (i < part.len && part.ptr[i] == part.ptr[start])
            i++;
        size_t run = i - start;
        bool is_joint = part.ptr[start] == '-' || (part.ptr[start] == '.' && run == 1) ||
                        (part.ptr[start] == '_' && run <= 2);
        if (!is_joint)
            return false;
    }
    return false;
}

static int check_repository(const char *text, struct str path, struct error *err)
{
    struct str rest = path;

    for (size_t i = 0; i < path.len; i++) {
        if (!isupper((unsigned char)path.ptr[i]))
            continue;
        auto_free char *lower = xstrndup(path.ptr, path.len);
        for (char *c = lower; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        error_set(err, ERROR_USER, 0, "invalid reference \"%s\": repository name must be lowercase",
                  text);
        return error_hint(err, "write %s", lower);
    }
    for (bool more = true; more;) {
        more = memchr(rest.ptr, '/', rest.len) != NULL;
        struct str part = str_cut(&rest, '/');
        if (!path_component_is_valid(part)) {
            return error_set(err, ERROR_USER, 0,
                             "invalid reference \"%s\": \"%.*s\" is no part of a repository name",
                             text, (int)part.len, part.ptr);
        }
    }
    return 0;
}

static int check_tag(const char *text, struct str tag, struct error *err)
{
    bool is_valid = tag.len > 0 && tag.len <= TAG_MAX_LENGTH && is_word(tag.ptr[0]);

    for (size_t i = 0; is_valid && i < tag.len; i++)
        is_valid = is_word(tag.ptr[i]) || tag.ptr[i] == '.' || tag.ptr[i] == '-';
    if (!is_valid) {
        error_set(err, ERROR_USER, 0, "invalid reference \"%s\": \"%.*s\" is not a tag", text,
                  (int)(tag.len > TAG_MAX_LENGTH ? TAG_MAX_LENGTH : tag.len), tag.ptr);
        return error_hint(err, "a tag has up to 128 letters, digits, '_', '.' and '-', and starts "
                               "with none of the last two");
    }
    return 0;
}

static int check_digest(const char *text, const char *digest, struct error *err)
{
    struct digest parsed;

    if (digest_parse(digest, &parsed))
        return 0;
    if (str_starts_with(digest, "sha512:"))
        return error_set(err, ERROR_UNSUPPORTED, 0,
                         "reference \"%s\": only sha256 digests are supported", text);
    error_set(err, ERROR_USER, 0, "invalid reference \"%s\": \"%s\" is not a digest", text, digest);
    return error_hint(err, "a digest is \"sha256:\" and 64 lower-case hexadecimal digits");
}

/* Docker takes 64 hexadecimal digits for an image id, so as a name they would mislead. */
static bool is_image_id(struct str name)
{
    if (name.len != DOMAIN_HEX_LENGTH)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isdigit((unsigned char)name.ptr[i]) && (name.ptr[i] < 'a' || name.ptr[i] > 'f'))
            return false;
    return true;
}

/* Splits off "host/" and adds what docker adds: the default host, "library/". */
static int parse_name(const char *text, struct str name, struct reference *out, struct error *err)
{
    struct str path = name;
    struct str host = str_cut(&path, '/');
    bool has_host = host.len < name.len && looks_like_host(host);

    if (!has_host) {
        path = name;
        host = str_of(default_host);
    }
    if (str_equal(host, STR("index.docker.io")))
        host = str_of(default_host);
    if (!host_is_valid(host))
        return error_set(err, ERROR_USER, 0, "invalid reference \"%s\": \"%.*s\" is not a host",
                         text, (int)host.len, host.ptr);
    if (!has_host && is_image_id(name))
        return error_set(err, ERROR_USER, 0,
                         "invalid reference \"%s\": 64 hexadecimal digits are an image id", text);
    TRY(check_repository(text, path, err));
    if (name.len > NAME_MAX_LENGTH)
        return error_set(err, ERROR_USER, 0, "invalid reference: name is longer than %d bytes",
                         NAME_MAX_LENGTH);
    bool is_official = str_equal(host, STR("docker.io")) && !memchr(path.ptr, '/', path.len);
    out->host = xstrndup(host.ptr, host.len);
    out->repository = xasprintf("%s%.*s", is_official ? official : "", (int)path.len, path.ptr);
    return 0;
}

int reference_parse(const char *text, struct reference *out, struct error *err)
{
    struct str rest = str_of(text);
    struct str name = str_cut(&rest, '@');
    const char *digest = name.len < strlen(text) ? rest.ptr : NULL;
    struct str tag = { NULL, 0 };

    if (name.len == 0)
        return error_set(err, ERROR_USER, 0, "invalid reference \"%s\": no name", text);
    const char *colon = memrchr(name.ptr, ':', name.len);
    if (colon && !memchr(colon, '/', name.len - (size_t)(colon - name.ptr))) {
        tag = (struct str){ colon + 1, name.len - (size_t)(colon + 1 - name.ptr) };
        name.len = (size_t)(colon - name.ptr);
        TRY(check_tag(text, tag, err));
    }
    if (digest)
        TRY(check_digest(text, digest, err));

    auto_(reference) struct reference ref = { 0 };
    TRY(parse_name(text, name, &ref, err));
    if (tag.ptr)
        ref.tag = xstrndup(tag.ptr, tag.len);
    else if (!digest)
        ref.tag = xstrdup("latest");
    ref.digest = digest ? xstrdup(digest) : NULL;
    *out = ref;
    ref = (struct reference){ 0 };
    return 0;
}

int reference_parse_new(const char *text, struct reference *out, struct error *err)
{
    TRY(reference_parse(text, out, err));
    if (!out->digest)
        return 0;
    reference_release(out);
    return error_set(err, ERROR_USAGE, 0, "%s: a tag has no digest", text);
}

void reference_release(struct reference *ref)
{
    free(ref->host);
    free(ref->repository);
    free(ref->tag);
    free(ref->digest);
    *ref = (struct reference){ 0 };
}

static char *print_with_name(const struct reference *ref, const char *host, const char *path)
{
    return xasprintf("%s%s%s%s%s%s%s", host, *host ? "/" : "", path, ref->tag ? ":" : "",
                     ref->tag ? ref->tag : "", ref->digest ? "@" : "",
                     ref->digest ? ref->digest : "");
}

char *reference_print(const struct reference *ref)
{
    return print_with_name(ref, ref->host, ref->repository);
}

char *reference_print_short(const struct reference *ref)
{
    struct str path = str_of(ref->repository);
    struct str first = str_cut(&path, '/');

    if (strcmp(ref->host, default_host) != 0 || looks_like_host(first))
        return reference_print(ref);
    bool is_official = str_starts_with(ref->repository, official) &&
                       !strchr(ref->repository + strlen(official), '/');
    return print_with_name(ref, "", ref->repository + (is_official ? strlen(official) : 0));
}
