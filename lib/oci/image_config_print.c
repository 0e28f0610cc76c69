/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/image_config.h"

#include <string.h>

static void set_text(js *object, const char *key, const char *text)
{
    if (text && *text)
        js_set_text(object, key, text);
}

static void set_list(js *object, const char *key, const struct strvec *list)
{
    if (list->count)
        js_set_take(object, key, js_new_texts(list));
}

/* Go writes maps with sorted keys; the lists here are sets in the order of the Dockerfile. */
static void set_keys(js *object, const char *key, const struct strvec *keys)
{
    auto_(strvec) struct strvec sorted = { 0 };

    if (keys->count == 0)
        return;
    strvec_push_all(&sorted, keys);
    strvec_sort(&sorted);
    js *set = js_new_object();
    for (size_t i = 0; i < sorted.count; i++)
        js_set_take(set, sorted.items[i], js_new_object());
    js_set_take(object, key, set);
}

static void set_labels(js *object, const struct map *labels)
{
    auto_(strvec) struct strvec keys = { 0 };

    if (labels->count == 0)
        return;
    for (size_t i = 0; i < labels->count; i++)
        strvec_push(&keys, labels->entries[i].key);
    strvec_sort(&keys);
    js *sorted = js_new_object();
    for (size_t i = 0; i < keys.count; i++)
        js_set_text(sorted, keys.items[i], map_find(labels, keys.items[i]));
    js_set_take(object, "Labels", sorted);
}

static void set_number(js *object, const char *key, int64_t value)
{
    if (value != 0)
        js_set_take(object, key, js_new_int(value));
}

static void set_healthcheck(js *object, const struct healthcheck *h)
{
    if (!h->is_set)
        return;
    js *check = js_new_object();
    set_list(check, "Test", &h->test);
    set_number(check, "Interval", h->interval_ns);
    set_number(check, "Timeout", h->timeout_ns);
    set_number(check, "StartPeriod", h->start_period_ns);
    set_number(check, "StartInterval", h->start_interval_ns);
    set_number(check, "Retries", h->retries);
    js_set_take(object, "Healthcheck", check);
}

/* Members in the order of BuildKit's Go struct. */
static js *print_runtime(const struct image_config *c)
{
    js *object = js_new_object();

    set_text(object, "User", c->user);
    set_keys(object, "ExposedPorts", &c->exposed_ports);
    set_list(object, "Env", &c->env);
    set_list(object, "Entrypoint", &c->entrypoint);
    set_list(object, "Cmd", &c->cmd);
    set_keys(object, "Volumes", &c->volumes);
    set_text(object, "WorkingDir", c->working_dir);
    set_labels(object, &c->labels);
    set_text(object, "StopSignal", c->stop_signal);
    if (c->args_escaped)
        js_set_take(object, "ArgsEscaped", js_new_bool(true));
    set_healthcheck(object, &c->healthcheck);
    set_list(object, "OnBuild", &c->on_build);
    set_list(object, "Shell", &c->shell);
    return object;
}

static js *print_history(const struct image_config *c)
{
    js *list = js_new_array();

    for (size_t i = 0; i < c->history_count; i++) {
        const struct history *h = &c->history[i];
        js *entry = js_new_object();
        set_text(entry, "created", h->created);
        set_text(entry, "created_by", h->created_by);
        set_text(entry, "author", h->author);
        set_text(entry, "comment", h->comment);
        if (h->empty_layer)
            js_set_take(entry, "empty_layer", js_new_bool(true));
        js_push_take(list, entry);
    }
    return list;
}

static js *print_rootfs(const struct image_config *c)
{
    js *object = js_new_object();
    js *list = js_new_array();

    for (size_t i = 0; i < c->diff_id_count; i++) {
        char text[DIGEST_TEXT_SIZE];
        digest_print(&c->diff_ids[i], text);
        js_push_take(list, js_new_text(text));
    }
    js_set_text(object, "type", "layers");
    js_set_take(object, "diff_ids", list);
    return object;
}

void image_config_print(const struct image_config *c, struct strbuf *out)
{
    auto_(js) js *doc = js_new_object();

    js_set_text(doc, "architecture", c->platform.arch);
    set_text(doc, "author", c->author);
    js_set_take(doc, "config", print_runtime(c));
    set_text(doc, "created", c->created);
    js_set_take(doc, "history", print_history(c));
    js_set_text(doc, "os", c->platform.os);
    set_text(doc, "os.version", c->os_version);
    js_set_take(doc, "rootfs", print_rootfs(c));
    set_text(doc, "variant", c->platform.variant);
    js_print_in_order(doc, 0, out);
}
