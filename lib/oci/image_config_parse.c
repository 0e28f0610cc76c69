/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/image_config.h"

#include <limits.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { HISTORY_MAX = 10000, PATH_LENGTH_MAX = 4096 };

static int parse_text(const js *object, const char *key, char **out, struct error *err)
{
    const char *value = NULL;

    TRY(js_get_text(object, key, false, &value, err));
    *out = value && *value ? xstrdup(value) : NULL;
    return 0;
}

static int parse_list(const js *object, const char *key, struct strvec *out, struct error *err)
{
    const js *list = js_member(object, key);

    if (!list)
        return 0;
    if (!js_is_array(list))
        return error_set(err, ERROR_CORRUPT, 0, "\"%s\" is not a list", key);
    for (size_t i = 0; i < js_count(list); i++) {
        const char *item = js_text(js_item(list, i));
        if (!item)
            return error_set(err, ERROR_CORRUPT, 0, "\"%s\" holds something that is not a string",
                             key);
        strvec_push(out, item);
    }
    return 0;
}

/* Go's map[string]struct{}: only the keys matter. */
static int parse_keys(const js *object, const char *key, struct strvec *out, struct error *err)
{
    const js *set = js_member(object, key);

    if (!set)
        return 0;
    if (!js_is_object(set))
        return error_set(err, ERROR_CORRUPT, 0, "\"%s\" is not an object", key);
    for (void *i = js_iter(set); i; i = js_next(set, i))
        strvec_push(out, js_iter_key(i));
    return 0;
}

static int parse_env(const js *object, struct strvec *out, struct error *err)
{
    auto_(strvec) struct strvec raw = { 0 };

    TRY(parse_list(object, "Env", &raw, err));
    for (size_t i = 0; i < raw.count; i++) {
        struct str value = str_of(raw.items[i]);
        struct str name = str_cut(&value, '=');
        if (name.len == 0)
            return error_set(err, ERROR_CORRUPT, 0, "\"Env\" holds a variable without a name");
        /* as Docker reads it: a name alone is an empty variable, the last definition counts */
        auto_free char *key = xstrndup(name.ptr, name.len);
        env_set(out, key, strchr(raw.items[i], '=') ? value.ptr : "");
    }
    return 0;
}

static int parse_labels(const js *object, struct map *out, struct error *err)
{
    const js *labels = js_member(object, "Labels");

    if (!labels)
        return 0;
    if (!js_is_object(labels))
        return error_set(err, ERROR_CORRUPT, 0, "\"Labels\" is not an object");
    for (void *i = js_iter(labels); i; i = js_next(labels, i)) {
        const char *value = js_text(js_iter_value(i));
        if (!value)
            return error_set(err, ERROR_CORRUPT, 0, "label \"%.100s\" is not a string",
                             js_iter_key(i));
        map_set(out, js_iter_key(i), xstrdup(value));
    }
    return 0;
}

static int parse_ns(const js *object, const char *key, int64_t *out, struct error *err)
{
    uint64_t value = 0;

    TRY(js_get_u64(object, key, false, &value, err));
    *out = (int64_t)value;
    return 0;
}

static int parse_healthcheck(const js *object, struct healthcheck *h, struct error *err)
{
    const js *check = js_member(object, "Healthcheck");

    if (!check)
        return 0;
    if (!js_is_object(check))
        return error_set(err, ERROR_CORRUPT, 0, "\"Healthcheck\" is not an object");
    h->is_set = true;
    TRY(parse_list(check, "Test", &h->test, err));
    TRY(parse_ns(check, "Interval", &h->interval_ns, err));
    TRY(parse_ns(check, "Timeout", &h->timeout_ns, err));
    TRY(parse_ns(check, "StartPeriod", &h->start_period_ns, err));
    TRY(parse_ns(check, "StartInterval", &h->start_interval_ns, err));
    return parse_ns(check, "Retries", &h->retries, err);
}

static int parse_runtime(const js *object, struct image_config *c, struct error *err)
{
    if (!object)
        return 0;
    if (!js_is_object(object))
        return error_set(err, ERROR_CORRUPT, 0, "\"config\" is not an object");
    TRY(parse_text(object, "User", &c->user, err));
    TRY(parse_env(object, &c->env, err));
    TRY(parse_list(object, "Entrypoint", &c->entrypoint, err));
    c->has_entrypoint = js_member(object, "Entrypoint") != NULL;
    TRY(parse_list(object, "Cmd", &c->cmd, err));
    c->has_cmd = js_member(object, "Cmd") != NULL;
    c->args_escaped = js_is_true(js_member(object, "ArgsEscaped"));
    TRY(parse_text(object, "WorkingDir", &c->working_dir, err));
    if (c->working_dir && strlen(c->working_dir) >= PATH_LENGTH_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "\"WorkingDir\" is longer than a path may be");
    TRY(parse_keys(object, "ExposedPorts", &c->exposed_ports, err));
    TRY(parse_keys(object, "Volumes", &c->volumes, err));
    TRY(parse_labels(object, &c->labels, err));
    TRY(parse_text(object, "StopSignal", &c->stop_signal, err));
    TRY(parse_healthcheck(object, &c->healthcheck, err));
    TRY(parse_list(object, "OnBuild", &c->on_build, err));
    return parse_list(object, "Shell", &c->shell, err);
}

static int parse_rootfs(const js *rootfs, struct image_config *c, struct error *err)
{
    const js *list = js_member(rootfs, "diff_ids");

    if (!js_is_object(rootfs))
        return error_set(err, ERROR_CORRUPT, 0, "\"rootfs\" is missing or not an object");
    if (list && !js_is_array(list))
        return error_set(err, ERROR_CORRUPT, 0, "\"diff_ids\" is not a list");
    if (js_count(list) > OCI_LAYERS_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "more than %d layers", OCI_LAYERS_MAX);
    for (size_t i = 0; i < js_count(list); i++) {
        const char *text = js_text(js_item(list, i));
        struct digest diff_id;
        if (!text || !digest_parse(text, &diff_id))
            return error_set(err, ERROR_CORRUPT, 0, "diff_id %zu is not a sha256 digest", i + 1);
        image_config_add_diff_id(c, &diff_id);
    }
    return 0;
}

static int parse_history(const js *list, struct image_config *c, struct error *err)
{
    if (list && !js_is_array(list))
        return error_set(err, ERROR_CORRUPT, 0, "\"history\" is not a list");
    if (js_count(list) > HISTORY_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "history has more than %d entries", HISTORY_MAX);
    for (size_t i = 0; i < js_count(list); i++) {
        const js *entry = js_item(list, i);
        const char *created = NULL;
        const char *created_by = NULL;
        const char *author = NULL;
        const char *comment = NULL;
        if (!js_is_object(entry))
            return error_set(err, ERROR_CORRUPT, 0, "history entry %zu is not an object", i + 1);
        TRY(js_get_text(entry, "created", false, &created, err));
        TRY(js_get_text(entry, "created_by", false, &created_by, err));
        TRY(js_get_text(entry, "author", false, &author, err));
        TRY(js_get_text(entry, "comment", false, &comment, err));
        /* borrowed: image_config_add_history copies */
        struct history h = { .created = (char *)created,
                             .created_by = (char *)created_by,
                             .author = (char *)author,
                             .comment = (char *)comment,
                             .empty_layer = js_is_true(js_member(entry, "empty_layer")) };
        image_config_add_history(c, &h);
    }
    return 0;
}

static int parse_platform(const js *doc, struct image_config *c, struct error *err)
{
    struct {
        const char *key;
        bool required;
        char *field;
    } rows[] = { { "os", true, c->platform.os },
                 { "architecture", true, c->platform.arch },
                 { "variant", false, c->platform.variant } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *value = "";
        TRY(js_get_text(doc, rows[i].key, rows[i].required, &value, err));
        if (strlen(value) >= PLATFORM_FIELD || (rows[i].required && !*value))
            return error_set(err, ERROR_CORRUPT, 0, "\"%s\" is empty or too long", rows[i].key);
        snprintf(rows[i].field, PLATFORM_FIELD, "%s", value);
    }
    platform_normalize(&c->platform);
    return 0;
}

int image_config_parse(const char *text, size_t len, struct image_config *out, struct error *err)
{
    auto_(js) js *doc = NULL;

    image_config_init(out);
    if (len > OCI_CONFIG_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "image configuration is larger than %d bytes",
                         OCI_CONFIG_MAX);
    TRY(js_parse(text, len, "image configuration", &doc, err));
    if (parse_platform(doc, out, err) < 0 ||
        parse_text(doc, "os.version", &out->os_version, err) < 0 ||
        parse_text(doc, "author", &out->author, err) < 0 ||
        parse_text(doc, "created", &out->created, err) < 0 ||
        parse_runtime(js_member(doc, "config"), out, err) < 0 ||
        parse_rootfs(js_member(doc, "rootfs"), out, err) < 0 ||
        parse_history(js_member(doc, "history"), out, err) < 0) {
        image_config_release(out);
        return error_wrap(err, "image configuration");
    }
    return 0;
}
