/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/json.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>

#include "lib/base/mem.h"

#define JS_INTEGER_MAX ((json_int_t)1 << 53)

/* jansson's own limit is 2048 levels, too deep for code that recurses on small thread stacks. */
static bool depth_is_bounded(const char *text, size_t len)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JS_DEPTH_MAX)
                return false;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

static int parse(const char *text, size_t len, const char *name, js **out, struct error *err)
{
    json_error_t why;

    if (!depth_is_bounded(text, len))
        return error_set(err, ERROR_CORRUPT, 0, "%s: nested more than %d levels deep", name,
                         JS_DEPTH_MAX);
    json_t *doc = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!doc)
        return error_set(err, ERROR_CORRUPT, 0, "%s: line %d, column %d: %s", name, why.line,
                         why.column, why.text);
    *out = doc;
    return 0;
}

int js_parse(const char *text, size_t len, const char *name, js **out, struct error *err)
{
    auto_(js) js *doc = NULL;
    TRY(parse(text, len, name, &doc, err));
    if (!json_is_object(doc))
        return error_set(err, ERROR_CORRUPT, 0, "%s: not a JSON object", name);
    *out = take_ptr(doc);
    return 0;
}

int js_parse_list(const char *text, size_t len, const char *name, js **out, struct error *err)
{
    auto_(js) js *doc = NULL;
    TRY(parse(text, len, name, &doc, err));
    if (!json_is_array(doc))
        return error_set(err, ERROR_CORRUPT, 0, "%s: not a JSON array", name);
    *out = take_ptr(doc);
    return 0;
}

void js_free(js *doc)
{
    json_decref(doc);
}

const js *js_member(const js *object, const char *key)
{
    const js *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

size_t js_count(const js *array_or_object)
{
    return json_is_object(array_or_object) ? json_object_size(array_or_object)
                                           : json_array_size(array_or_object);
}

const js *js_item(const js *array, size_t index)
{
    return json_array_get(array, index);
}

const char *js_text(const js *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

bool js_is_object(const js *value)
{
    return json_is_object(value);
}

bool js_is_array(const js *value)
{
    return json_is_array(value);
}

bool js_is_true(const js *value)
{
    return json_is_true(value);
}

int js_get_text(const js *object, const char *key, bool required, const char **out,
                struct error *err)
{
    const js *value = js_member(object, key);
    if (!value) {
        if (required)
            return error_set(err, ERROR_CORRUPT, 0, "\"%s\" is missing", key);
        return 0;
    }
    const char *text = js_text(value);
    if (!text)
        return error_set(err, ERROR_CORRUPT, 0, "\"%s\" is not a string", key);
    *out = text;
    return 0;
}

int js_get_digest(const js *object, const char *key, struct digest *out, struct error *err)
{
    const char *text = NULL;
    TRY(js_get_text(object, key, true, &text, err));
    if (!digest_parse(text, out))
        return error_set(err, ERROR_CORRUPT, 0, "%s is not a digest", key);
    return 0;
}

int js_get_u64(const js *object, const char *key, bool required, uint64_t *out, struct error *err)
{
    const js *value = js_member(object, key);
    if (!value) {
        if (required)
            return error_set(err, ERROR_CORRUPT, 0, "\"%s\" is missing", key);
        return 0;
    }
    return js_to_u64(value, out, err) < 0 ? error_wrap(err, "\"%s\"", key) : 0;
}

int js_to_u64(const js *value, uint64_t *out, struct error *err)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > JS_INTEGER_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "not a whole number from 0 to 2^53");
    *out = (uint64_t)number;
    return 0;
}

int js_get_i64(const js *object, const char *key, int64_t *out, struct error *err)
{
    const js *value = js_member(object, key);
    if (!value)
        return 0;
    if (!json_is_integer(value))
        return error_set(err, ERROR_CORRUPT, 0, "\"%s\" is not a whole number", key);
    *out = json_integer_value(value);
    return 0;
}

void *js_iter(const js *object)
{
    return json_object_iter((js *)object);
}

void *js_next(const js *object, void *iter)
{
    return json_object_iter_next((js *)object, iter);
}

const char *js_iter_key(void *iter)
{
    return json_object_iter_key(iter);
}

const js *js_iter_value(void *iter)
{
    return json_object_iter_value(iter);
}

/* jansson reports lack of memory and nothing else here, so the end is the same as xmalloc's. */
static js *must(js *value)
{
    if (!value)
        abort();
    return value;
}

js *js_new_object(void)
{
    return must(json_object());
}

js *js_new_array(void)
{
    return must(json_array());
}

js *js_new_int(int64_t value)
{
    return must(json_integer(value));
}

js *js_new_bool(bool value)
{
    return must(json_boolean(value));
}

js *js_new_null(void)
{
    return must(json_null());
}

js *js_copy(const js *value)
{
    return must(json_deep_copy(value));
}

/* The length of the valid UTF-8 sequence at `s`, or 0. */
static size_t utf8_length(const unsigned char *s)
{
    static const struct {
        unsigned char first, last; /* range of the first byte */
        unsigned char low, high;   /* range of the second: excludes overlong forms and surrogates */
        unsigned char length;
    } rows[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    if (s[0] < 0x80)
        return 1;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (s[0] < rows[i].first || s[0] > rows[i].last)
            continue;
        if (s[1] < rows[i].low || s[1] > rows[i].high)
            return 0;
        for (size_t at = 2; at < rows[i].length; at++)
            if (s[at] < 0x80 || s[at] > 0xbf)
                return 0;
        return rows[i].length;
    }
    return 0;
}

/* Appends `text` with U+FFFD for every byte that is not UTF-8. */
static void add_clean(struct strbuf *out, const char *text)
{
    for (const char *at = text; *at;) {
        size_t length = utf8_length((const unsigned char *)at);
        if (length == 0)
            strbuf_addstr(out, "\xef\xbf\xbd");
        else
            strbuf_add(out, at, length);
        at += length ? length : 1;
    }
}

js *js_new_text(const char *text)
{
    auto_(strbuf) struct strbuf clean = STRBUF_INIT;

    add_clean(&clean, text);
    return must(json_stringn(clean.buf, clean.len));
}

js *js_new_texts(const struct strvec *list)
{
    js *array = js_new_array();

    for (size_t i = 0; i < list->count; i++)
        js_push_take(array, js_new_text(list->items[i]));
    return array;
}

void js_set_take(js *object, const char *key, js *value)
{
    auto_(strbuf) struct strbuf clean = STRBUF_INIT;

    add_clean(&clean, key);
    if (json_object_set_new(object, clean.buf, value) < 0)
        abort();
}

void js_set_text(js *object, const char *key, const char *text)
{
    js_set_take(object, key, js_new_text(text));
}

void js_set_digest(js *object, const char *key, const struct digest *d)
{
    char text[DIGEST_TEXT_SIZE];
    digest_print(d, text);
    js_set_text(object, key, text);
}

void js_push_take(js *array, js *value)
{
    if (json_array_append_new(array, value) < 0)
        abort();
}

struct printer {
    struct strbuf *out;
    size_t indent;
    bool sorted;
};

static void print_value(const struct printer *p, const js *value, size_t level);

static void print_text(struct strbuf *out, const char *text, size_t len)
{
    static const char shorthand[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['\\'] = '\\'
    };

    strbuf_addch(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"') {
            strbuf_addstr(out, "\\\"");
        } else if (c < sizeof shorthand && shorthand[c]) {
            strbuf_addch(out, '\\');
            strbuf_addch(out, shorthand[c]);
        } else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
            strbuf_addf(out, "\\u%04x", c);
        } else if (len - i >= 3 && memcmp(text + i, "\xe2\x80", 2) == 0 &&
                   ((unsigned char)text[i + 2] | 1) == 0xa9) {
            /* U+2028 and U+2029 end a line in JavaScript, so Go escapes them */
            strbuf_addf(out, "\\u202%c", (unsigned char)text[i + 2] == 0xa8 ? '8' : '9');
            i += 2;
        } else {
            strbuf_addch(out, (char)c);
        }
    }
    strbuf_addch(out, '"');
}

static void print_break(const struct printer *p, size_t level)
{
    if (p->indent == 0)
        return;
    strbuf_addch(p->out, '\n');
    for (size_t i = 0; i < level * p->indent; i++)
        strbuf_addch(p->out, ' ');
}

static int compare_keys(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

static void print_object(const struct printer *p, const js *object, size_t level)
{
    size_t count = json_object_size(object);
    auto_free const char **keys = xcalloc(count ? count : 1, sizeof *keys);
    size_t at = 0;

    for (void *i = js_iter(object); i; i = js_next(object, i))
        keys[at++] = js_iter_key(i);
    if (p->sorted)
        qsort(keys, count, sizeof *keys, compare_keys);

    strbuf_addch(p->out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_addch(p->out, ',');
        print_break(p, level + 1);
        print_text(p->out, keys[i], strlen(keys[i]));
        strbuf_addstr(p->out, p->indent ? ": " : ":");
        print_value(p, json_object_get(object, keys[i]), level + 1);
    }
    if (count > 0)
        print_break(p, level);
    strbuf_addch(p->out, '}');
}

static void print_array(const struct printer *p, const js *array, size_t level)
{
    size_t count = json_array_size(array);

    strbuf_addch(p->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_addch(p->out, ',');
        print_break(p, level + 1);
        print_value(p, json_array_get(array, i), level + 1);
    }
    if (count > 0)
        print_break(p, level);
    strbuf_addch(p->out, ']');
}

/* The shortest digits that read back as the same number. */
static void print_real(struct strbuf *out, double value)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (fabs(strtod(text, NULL) - value) <= 0.0)
            break;
    }
    strbuf_addstr(out, text);
}

static void print_value(const struct printer *p, const js *value, size_t level)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: print_object(p, value, level); break;
    case JSON_ARRAY: print_array(p, value, level); break;
    case JSON_STRING:
        print_text(p->out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER: strbuf_addf(p->out, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: print_real(p->out, json_real_value(value)); break;
    case JSON_TRUE: strbuf_addstr(p->out, "true"); break;
    case JSON_FALSE: strbuf_addstr(p->out, "false"); break;
    case JSON_NULL: strbuf_addstr(p->out, "null"); break;
    }
}

void js_print(const js *doc, size_t indent, struct strbuf *out)
{
    struct printer p = { .out = out, .indent = indent, .sorted = true };
    print_value(&p, doc, 0);
}

void js_print_in_order(const js *doc, size_t indent, struct strbuf *out)
{
    struct printer p = { .out = out, .indent = indent };
    print_value(&p, doc, 0);
}
