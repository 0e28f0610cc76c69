/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/yaml.h"

#include <string.h>
#include <yaml.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

struct reading {
    yaml_parser_t *parser;
    const char *name;
};

static int corrupt(const struct reading *r, const yaml_mark_t *at, const char *what,
                   struct error *err)
{
    return error_set(err, ERROR_CORRUPT, 0, "%s:%zu:%zu: %s", r->name, at->line + 1, at->column + 1,
                     what);
}

/* The caller deletes the event. */
static int next_event(const struct reading *r, yaml_event_t *out, struct error *err)
{
    if (yaml_parser_parse(r->parser, out))
        return 0;
    const char *problem = r->parser->problem;
    return corrupt(r, &r->parser->problem_mark, problem ? problem : "not YAML", err);
}

/* NULL: null. */
static js *plain_value(const char *text)
{
    static const char *const truths[] = { "true", "True", "TRUE" };
    static const char *const lies[] = { "false", "False", "FALSE" };
    static const char *const nothings[] = { "", "~", "null", "Null", "NULL" };
    uint64_t number = 0;
    bool is_negative = text[0] == '-';
    for (size_t i = 0; i < COUNT(nothings); i++) {
        if (strcmp(text, nothings[i]) == 0)
            return NULL;
    }
    for (size_t i = 0; i < COUNT(truths); i++) {
        if (strcmp(text, truths[i]) == 0)
            return js_new_bool(true);
        if (strcmp(text, lies[i]) == 0)
            return js_new_bool(false);
    }
    if (str_to_u64(str_of(text + is_negative), 10, INT64_MAX, &number))
        return js_new_int(is_negative ? -(int64_t)number : (int64_t)number);
    return js_new_text(text);
}

/* *out is NULL for null. */
static int read_scalar(const struct reading *r, const yaml_event_t *event, js **out,
                       struct error *err)
{
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.anchor)
        return corrupt(r, &event->start_mark, "anchors are not read", err);
    if (memchr(text, '\0', event->data.scalar.length))
        return corrupt(r, &event->start_mark, "a NUL byte in a text", err);
    *out =
        event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_value(text) : js_new_text(text);
    return 0;
}

static int read_value(const struct reading *r, yaml_event_t *event, unsigned depth, js **out,
                      struct error *err);

static int read_sequence(const struct reading *r, unsigned depth, js *array, struct error *err)
{
    for (;;) {
        yaml_event_t event;
        js *value = NULL;
        TRY(next_event(r, &event, err));
        bool ends = event.type == YAML_SEQUENCE_END_EVENT;
        int rc = ends ? 0 : read_value(r, &event, depth, &value, err);
        yaml_event_delete(&event);
        if (ends || rc < 0)
            return rc;
        if (value)
            js_push_take(array, value);
    }
}

static int read_member(const struct reading *r, const yaml_event_t *key, unsigned depth, js *object,
                       struct error *err)
{
    yaml_event_t event;
    js *value = NULL;
    if (key->type != YAML_SCALAR_EVENT)
        return corrupt(r, &key->start_mark, "a key that is no text", err);
    const char *name = (const char *)key->data.scalar.value;
    if (js_member(object, name))
        return corrupt(r, &key->start_mark, "a key for the second time", err);
    TRY(next_event(r, &event, err));
    int rc = read_value(r, &event, depth, &value, err);
    yaml_event_delete(&event);
    if (value)
        js_set_take(object, name, value);
    return rc;
}

static int read_mapping(const struct reading *r, unsigned depth, js *object, struct error *err)
{
    for (;;) {
        yaml_event_t key;
        TRY(next_event(r, &key, err));
        bool ends = key.type == YAML_MAPPING_END_EVENT;
        int rc = ends ? 0 : read_member(r, &key, depth, object, err);
        yaml_event_delete(&key);
        if (ends || rc < 0)
            return rc;
    }
}

static int read_value(const struct reading *r, yaml_event_t *event, unsigned depth, js **out,
                      struct error *err)
{
    if (event->type == YAML_SCALAR_EVENT)
        return read_scalar(r, event, out, err);
    bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    if (!is_list && event->type != YAML_MAPPING_START_EVENT)
        return corrupt(r, &event->start_mark, "aliases are not read", err);
    if (is_list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor)
        return corrupt(r, &event->start_mark, "anchors are not read", err);
    if (depth == 0)
        return corrupt(r, &event->start_mark, "nested too deeply", err);
    auto_(js) js *value = is_list ? js_new_array() : js_new_object();
    TRY(is_list ? read_sequence(r, depth - 1, value, err) : read_mapping(r, depth - 1, value, err));
    *out = take_ptr(value);
    return 0;
}

/* The events around a document, one of `wanted`. */
static int expect(const struct reading *r, yaml_event_type_t wanted, const char *what,
                  struct error *err)
{
    yaml_event_t event;
    TRY(next_event(r, &event, err));
    int rc = event.type == wanted ? 0 : corrupt(r, &event.start_mark, what, err);
    yaml_event_delete(&event);
    return rc;
}

static int read_document(const struct reading *r, js **out, struct error *err)
{
    yaml_event_t event;
    js *value = NULL;
    TRY(expect(r, YAML_STREAM_START_EVENT, "not YAML", err));
    TRY(expect(r, YAML_DOCUMENT_START_EVENT, "an empty document", err));
    TRY(next_event(r, &event, err));
    int rc = event.type == YAML_MAPPING_START_EVENT
                 ? read_value(r, &event, JS_DEPTH_MAX, &value, err)
                 : corrupt(r, &event.start_mark, "not a mapping", err);
    yaml_event_delete(&event);
    auto_(js) js *document = value;
    TRY(rc);
    TRY(expect(r, YAML_DOCUMENT_END_EVENT, "more than one value", err));
    TRY(expect(r, YAML_STREAM_END_EVENT, "more than one document", err));
    *out = take_ptr(document);
    return 0;
}

int yaml_parse(const char *text, size_t len, const char *name, js **out, struct error *err)
{
    yaml_parser_t parser;
    const struct reading r = { &parser, name };
    if (!yaml_parser_initialize(&parser))
        abort(); /* no memory */
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int rc = read_document(&r, out, err);
    yaml_parser_delete(&parser);
    return rc;
}
