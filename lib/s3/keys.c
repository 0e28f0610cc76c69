/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/s3/keys.h"

#include <fcntl.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { FILE_MAX = 1024 * 1024 };

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

struct s3_key_places s3_key_places_from_environment(void)
{
    return (struct s3_key_places){ .id = environment("AWS_ACCESS_KEY_ID"),
                                   .secret = environment("AWS_SECRET_ACCESS_KEY"),
                                   .token = environment("AWS_SESSION_TOKEN"),
                                   .source = "the environment",
                                   .profile = environment("AWS_PROFILE"),
                                   .file = environment("AWS_SHARED_CREDENTIALS_FILE"),
                                   .home = environment("HOME") };
}

static void wipe(char **secret)
{
    char *text = take_ptr(*secret);
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void s3_keys_release(struct s3_keys *keys)
{
    wipe(&keys->id);
    wipe(&keys->secret);
    wipe(&keys->token);
    free(take_ptr(keys->source));
}

/* "name = value" of the profile that is wanted. */
static void take_setting(struct str line, struct s3_keys *out)
{
    struct str name = str_trim(str_cut(&line, '='), " \t");
    struct str value = str_trim(line, " \t");
    char **to = str_equal(name, STR("aws_access_key_id"))       ? &out->id
                : str_equal(name, STR("aws_secret_access_key")) ? &out->secret
                : str_equal(name, STR("aws_session_token"))     ? &out->token
                                                                : NULL;
    if (!to || !value.len)
        return;
    wipe(to);
    *to = xstrndup(value.ptr, value.len);
}

static void read_profile(struct str text, const char *profile, struct s3_keys *out)
{
    bool is_wanted = false;
    while (text.len) {
        struct str line = str_trim(str_cut(&text, '\n'), " \t\r");
        if (!line.len || *line.ptr == '#' || *line.ptr == ';')
            continue;
        if (*line.ptr == '[')
            is_wanted = str_equal(str_trim(line, "[] \t"), str_of(profile));
        else if (is_wanted)
            take_setting(line, out);
    }
}

static int no_keys(const char *path, const char *profile, struct error *err)
{
    error_set(err, ERROR_USER, 0, "no keys for S3 were found");
    return error_hint(err,
                      "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them under [%s] of "
                      "%s; instance metadata is not asked",
                      profile, path ? path : "~/.aws/credentials");
}

static int half_a_key(const char *source, struct error *err)
{
    return error_set(err, ERROR_USER, 0,
                     "%s: an access key id and a secret access key belong together", source);
}

static int read_file(const char *path, const char *profile, struct s3_keys *out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    if (fd_read_file(AT_FDCWD, path, FILE_MAX, &text, err) < 0) {
        if (err->kind != ERROR_NOT_FOUND)
            return -1;
        error_clear(err);
        return no_keys(path, profile, err);
    }
    read_profile((struct str){ text.buf, text.len }, profile, out);
    explicit_bzero(text.buf, text.len);
    out->source = xasprintf("[%s] of %s", profile, path);
    if (!out->id && !out->secret)
        return no_keys(path, profile, err);
    return out->id && out->secret ? 0 : half_a_key(out->source, err);
}

int s3_keys_find(const struct s3_key_places *places, struct s3_keys *out, struct error *err)
{
    const char *profile = places->profile ? places->profile : "default";
    if (!places->id != !places->secret)
        return half_a_key(places->source, err);
    if (places->id) {
        *out = (struct s3_keys){ .id = xstrdup(places->id),
                                 .secret = xstrdup(places->secret),
                                 .token = places->token ? xstrdup(places->token) : NULL,
                                 .source = xstrdup(places->source) };
        return 0;
    }
    if (places->file)
        return read_file(places->file, profile, out, err);
    if (!places->home)
        return no_keys(NULL, profile, err);
    auto_free char *path = xasprintf("%s/.aws/credentials", places->home);
    return read_file(path, profile, out, err);
}
