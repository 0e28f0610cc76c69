/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/pattern.h"

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/glob_internal.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define BLANKS          " \t\v\f\r\n"

struct pattern {
    char *text;
    const char *file; /* the list's */
    int line;
    bool is_exception; /* "!text": takes paths back in */
    struct glob *glob;
};

/* The pattern without what does not matter: "./", doubled slashes, a leading and a trailing one. */
static char *clean_text(struct str text)
{
    auto_free char *copy = xstrndup(text.ptr, text.len);
    auto_free char *clean = path_clean(copy);
    return xstrdup(clean[0] == '/' && clean[1] ? clean + 1 : clean);
}

static int add_pattern(struct pattern_list *list, struct str text, bool is_exception, int number,
                       struct error *err)
{
    struct pattern p = { .file = list->file, .line = number, .is_exception = is_exception };
    p.text = clean_text(text);
    p.glob = glob_new(p.text, GLOB_IGNORE_FILE);
    if (!p.glob) {
        error_set(err, ERROR_USER, 0, "failed parsing %s: line %d: syntax error in pattern: %s",
                  list->file, number, p.text);
        free(p.text);
        return -1;
    }
    list->has_exceptions = list->has_exceptions || is_exception;
    GROW(list->patterns, list->count, list->cap);
    list->patterns[list->count++] = p;
    return 0;
}

static int add_line(struct pattern_list *list, struct str line, int number, struct error *err)
{
    line = str_trim(line, BLANKS);
    if (line.len == 0)
        return 0;
    if (line.ptr[0] != '!')
        return add_pattern(list, line, false, number, err);
    line = str_trim((struct str){ line.ptr + 1, line.len - 1 }, BLANKS);
    if (line.len == 0) {
        return error_set(err, ERROR_USER, 0,
                         "failed parsing %s: line %d: illegal exclusion pattern: \"!\"", list->file,
                         number);
    }
    return add_pattern(list, line, true, number, err);
}

int pattern_list_parse(const char *text, size_t len, const char *name, struct pattern_list *out,
                       struct error *err)
{
    struct str rest = { text, len };
    *out = (struct pattern_list){ 0 };
    if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0)
        rest = (struct str){ text + 3, len - 3 };
    if (rest.len && memchr(rest.ptr, '\0', rest.len))
        return error_set(err, ERROR_USER, 0, "failed parsing %s: it holds a NUL byte", name);
    out->file = xstrdup(name);
    for (int number = 1; rest.len; number++) {
        struct str line = str_cut(&rest, '\n');
        if ((line.len == 0 || line.ptr[0] != '#') && add_line(out, line, number, err) < 0) {
            pattern_list_release(out);
            return -1;
        }
    }
    return 0;
}

int pattern_list_from(const char *const *patterns, const char *name, struct pattern_list *out,
                      struct error *err)
{
    *out = (struct pattern_list){ .file = xstrdup(name) };
    for (int i = 0; patterns && patterns[i]; i++) {
        if (add_line(out, str_of(patterns[i]), i + 1, err) < 0) {
            pattern_list_release(out);
            return -1;
        }
    }
    return 0;
}

int pattern_list_only(const char *pattern, const char *name, struct pattern_list *out,
                      struct error *err)
{
    *out = (struct pattern_list){ .file = xstrdup(name) };
    if (add_pattern(out, STR("*"), false, 1, err) == 0 &&
        add_pattern(out, str_of(pattern), true, 1, err) == 0)
        return 0;
    pattern_list_release(out);
    return -1;
}

bool pattern_list_excludes(const struct pattern_list *list, const char *path,
                           const struct pattern **out_why)
{
    const struct pattern *why = NULL;
    bool excluded = false;
    bool is_root = !*path || strcmp(path, ".") == 0;
    /* Only a pattern that would change the answer is looked at. */
    for (size_t i = 0; !is_root && i < list->count; i++) {
        const struct pattern *p = &list->patterns[i];
        if (p->is_exception != excluded || !glob_matches(p->glob, path, true))
            continue;
        excluded = !excluded;
        why = p;
    }
    if (out_why)
        *out_why = why;
    return excluded;
}

bool pattern_list_may_reinclude_below(const struct pattern_list *list, const char *dir)
{
    for (size_t i = 0; list->has_exceptions && i < list->count; i++)
        if (list->patterns[i].is_exception && glob_may_match_below(list->patterns[i].glob, dir))
            return true;
    return false;
}

const char *pattern_file(const struct pattern *pattern)
{
    return pattern->file;
}

int pattern_line(const struct pattern *pattern)
{
    return pattern->line;
}

const char *pattern_text(const struct pattern *pattern)
{
    return pattern->text;
}

void pattern_list_release(struct pattern_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->patterns[i].text);
        glob_free(list->patterns[i].glob);
    }
    free(list->patterns);
    free(list->file);
    *list = (struct pattern_list){ 0 };
}

bool glob_match(const char *pattern, const char *name)
{
    struct glob *g = glob_new(pattern, GLOB_FILE_NAME);
    bool match = g && glob_matches(g, name, false);
    glob_free(g);
    return match;
}

bool glob_is_pattern(const char *pattern)
{
    for (; *pattern; pattern++) {
        if (strchr("*?[", *pattern))
            return true;
        if (*pattern == '\\' && !*++pattern)
            break;
    }
    return false;
}

bool pattern_list_has(const struct pattern_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(pattern_text(&list->patterns[i]), text) == 0)
            return true;
    }
    return false;
}
