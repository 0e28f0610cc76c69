/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/image_config.h"

#include <limits.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

void image_config_init(struct image_config *c)
{
    *c = (struct image_config){ .labels = { .free_value = free } };
}

static void history_release(struct history *h)
{
    free(h->created);
    free(h->created_by);
    free(h->author);
    free(h->comment);
}

void image_config_release(struct image_config *c)
{
    free(c->os_version);
    free(c->author);
    free(c->created);
    free(c->user);
    strvec_release(&c->env);
    strvec_release(&c->entrypoint);
    strvec_release(&c->cmd);
    free(c->working_dir);
    strvec_release(&c->exposed_ports);
    strvec_release(&c->volumes);
    map_release(&c->labels);
    free(c->stop_signal);
    strvec_release(&c->healthcheck.test);
    strvec_release(&c->on_build);
    strvec_release(&c->shell);
    free(c->diff_ids);
    for (size_t i = 0; i < c->history_count; i++)
        history_release(&c->history[i]);
    free(c->history);
    image_config_init(c);
}

static char *copy_text(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static struct strvec copy_list(const struct strvec *from)
{
    struct strvec to = { 0 };

    strvec_push_all(&to, from);
    return to;
}

void image_config_copy(struct image_config *to, const struct image_config *from)
{
    *to = *from; /* the plain members; all that is owned follows */
    to->os_version = copy_text(from->os_version);
    to->author = copy_text(from->author);
    to->created = copy_text(from->created);
    to->user = copy_text(from->user);
    to->env = copy_list(&from->env);
    to->entrypoint = copy_list(&from->entrypoint);
    to->cmd = copy_list(&from->cmd);
    to->working_dir = copy_text(from->working_dir);
    to->exposed_ports = copy_list(&from->exposed_ports);
    to->volumes = copy_list(&from->volumes);
    to->labels = (struct map){ .free_value = free };
    for (size_t i = 0; i < from->labels.count; i++)
        map_set(&to->labels, from->labels.entries[i].key, xstrdup(from->labels.entries[i].value));
    to->stop_signal = copy_text(from->stop_signal);
    to->healthcheck.test = copy_list(&from->healthcheck.test);
    to->on_build = copy_list(&from->on_build);
    to->shell = copy_list(&from->shell);
    to->diff_ids = NULL;
    to->diff_id_count = 0;
    for (size_t i = 0; i < from->diff_id_count; i++)
        image_config_add_diff_id(to, &from->diff_ids[i]);
    to->history = NULL;
    to->history_count = 0;
    for (size_t i = 0; i < from->history_count; i++)
        image_config_add_history(to, &from->history[i]);
}

/* Both arrays grow at powers of two, so that no capacity need be kept. */
static bool is_power_of_two(size_t n)
{
    return (n & (n - 1)) == 0;
}

void image_config_add_history(struct image_config *c, const struct history *entry)
{
    size_t count = c->history_count;

    if (is_power_of_two(count))
        c->history = xreallocarray(c->history, count ? 2 * count : 1, sizeof *c->history);
    c->history[count] = (struct history){
        .created = copy_text(entry->created),
        .created_by = copy_text(entry->created_by),
        .author = copy_text(entry->author),
        .comment = copy_text(entry->comment),
        .empty_layer = entry->empty_layer,
    };
    c->history_count++;
}

void image_config_add_diff_id(struct image_config *c, const struct digest *diff_id)
{
    size_t count = c->diff_id_count;

    if (is_power_of_two(count))
        c->diff_ids = xreallocarray(c->diff_ids, count ? 2 * count : 1, sizeof *c->diff_ids);
    c->diff_ids[c->diff_id_count++] = *diff_id;
}

static size_t env_index(const struct strvec *env, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=')
            return i;
    return SIZE_MAX;
}

const char *env_find(const struct strvec *env, const char *name)
{
    size_t at = env_index(env, name);
    return at == SIZE_MAX ? NULL : env->items[at] + strlen(name) + 1;
}

void env_set(struct strvec *env, const char *name, const char *value)
{
    size_t at = env_index(env, name);

    if (at == SIZE_MAX) {
        strvec_pushf(env, "%s=%s", name, value);
        return;
    }
    char *old = env->items[at];
    env->items[at] = xasprintf("%s=%s", name, value);
    free(old);
}
