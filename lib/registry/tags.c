/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/tags.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"

enum { TAGS_ANSWER_MAX = 1024 * 1024, TAG_LENGTH_MAX = 128, TAGS_SHOWN = 4 };

static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[TAG_LENGTH_MAX + 1];
    size_t b_len = strlen(b);

    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < b_len; j++) {
            unsigned best = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            row[j + 1] = best;
        }
    }
    return row[b_len];
}

size_t tags_rank(struct strvec *tags, const char *wanted, size_t count)
{
    if (tags->count == 0)
        return 0;
    auto_free unsigned *distance = xcalloc(tags->count, sizeof *distance);

    for (size_t i = 0; i < tags->count; i++) {
        bool is_short = strlen(tags->items[i]) <= TAG_LENGTH_MAX;
        distance[i] = is_short ? edit_distance(wanted, tags->items[i]) : TAG_LENGTH_MAX;
    }
    size_t done = 0;
    for (; done < count && done < tags->count; done++) {
        size_t best = done;
        for (size_t i = done + 1; i < tags->count; i++)
            if (distance[i] < distance[best])
                best = i;
        char *tag = tags->items[best];
        unsigned value = distance[best];
        tags->items[best] = tags->items[done];
        distance[best] = distance[done];
        tags->items[done] = tag;
        distance[done] = value;
    }
    return done;
}

static void collect(const struct http_response *response, struct strvec *tags)
{
    auto_(error) struct error ignored = { 0 };
    auto_(js) js *doc = NULL;

    if (js_parse(response->body.buf, response->body.len, "tags", &doc, &ignored) < 0)
        return;
    const js *list = js_member(doc, "tags");
    for (size_t i = 0; i < js_count(list); i++) {
        const char *tag = js_text(js_item(list, i));
        if (tag)
            strvec_push(tags, tag);
    }
}

void tags_hint(const struct origin *origin, const char *wanted, struct error *err)
{
    struct registry_host *host = origin->host;
    auto_free char *target = xasprintf("/v2/%s/tags/list?n=1000", origin->repository);
    const struct registry_request request = {
        .method = "GET", .target = target, .scope = origin->scope, .bodies.limit = TAGS_ANSWER_MAX
    };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    auto_(error) struct error ignored = { 0 };
    auto_(strvec) struct strvec tags = { 0 };
    auto_(strbuf) struct strbuf list = STRBUF_INIT;

    if (registry_call(host, &request, &response, &ignored) < 0)
        return;
    if (response.status == 404) {
        error_hint(err, "%s has no repository %s, or does not show it to you", host->name,
                   origin->repository);
        return;
    }
    if (response.status != 200)
        return;
    collect(&response, &tags);
    size_t shown = tags_rank(&tags, wanted, TAGS_SHOWN);
    for (size_t i = 0; i < shown; i++) {
        auto_free char *tag = str_clean(tags.items[i], TAG_LENGTH_MAX);
        strbuf_addf(&list, "%s%s", i ? ", " : "", tag);
    }
    if (shown > 0)
        error_hint(err, "nearest tags that exist: %s", list.buf);
}
