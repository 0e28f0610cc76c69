/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/origins_internal.h"

#include "lib/base/mem.h"

static char *pull_scope(const char *repository)
{
    return xasprintf("repository:%s:pull", repository);
}

int origins_open(struct registry_client *client, const struct reference *ref, struct origins *out,
                 struct error *err)
{
    const struct registries *registries = NULL;
    auto_(registries_sources) struct registries_sources sources = { 0 };

    *out = (struct origins){ 0 };
    TRY(registry_client_registries(client, &registries, err));
    TRY(registries_sources(registries, ref, &sources, err));
    out->items = xcalloc(sources.count, sizeof *out->items);
    for (size_t i = 0; i < sources.count; i++) {
        struct registries_source *source = &sources.items[i];
        struct origin *origin = &out->items[i];
        if (registry_host_get(client, source->host, source->repository, source->insecure,
                              &origin->host, err) < 0) {
            err->kind = ERROR_USER;
            return -1;
        }
        origin->repository = take_ptr(source->repository);
        origin->scope = pull_scope(origin->repository);
        out->count++;
        if (sources.count > 1) {
            registry_explain(client, "%s/%s: source %zu of %zu is %s/%s%s", ref->host,
                             ref->repository, i + 1, sources.count, source->host,
                             origin->repository, source->is_mirror ? ", a mirror" : "");
        }
    }
    return 0;
}

void origins_copy(const struct origins *from, size_t first, struct origins *out)
{
    out->items = xcalloc(from->count, sizeof *out->items);
    out->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        const struct origin *origin = &from->items[(first + i) % from->count];
        out->items[i] =
            (struct origin){ origin->host, xstrdup(origin->repository), xstrdup(origin->scope) };
    }
}

void origins_release(struct origins *o)
{
    for (size_t i = 0; i < o->count; i++) {
        free(o->items[i].repository);
        free(o->items[i].scope);
    }
    free(o->items);
    *o = (struct origins){ 0 };
}

/* A fault of the other side, which another might not have. */
static bool is_theirs(const struct error *why)
{
    return why->kind == ERROR_NETWORK || why->kind == ERROR_REMOTE || why->kind == ERROR_CORRUPT ||
           why->kind == ERROR_UNSUPPORTED;
}

bool origins_may_go_on(const struct origins *o, size_t asked, struct strbuf *story,
                       struct error *why, struct error *err)
{
    bool is_last = asked + 1 >= o->count;

    if (is_theirs(why) && !is_last) {
        strbuf_addf(story, "%s%s", story->len ? "; " : "", why->message);
        registry_explain(o->items[0].host->client, "next source: %s", why->message);
        error_clear(why);
        return true;
    }
    if (story->len)
        error_wrap(why, "no source has it: %s; last", story->buf);
    error_move(err, why);
    return false;
}

int origins_push_host(struct registry_client *client, const struct reference *ref,
                      struct registry_host **out, struct error *err)
{
    const struct registries *registries = NULL;

    TRY(registry_client_registries(client, &registries, err));
    const struct registries_rule *rule = registries_find(registries, ref);
    if (rule && rule->blocked)
        return error_set(err, ERROR_USER, 0, "%s blocks %s", rule->file, rule->prefix);
    return registry_host_get(client, ref->host, ref->repository, rule && rule->insecure, out, err);
}
