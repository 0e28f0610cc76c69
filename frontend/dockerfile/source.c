/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/source.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static size_t count_lines(struct str text)
{
    size_t count = 0;
    while (text.len) {
        str_cut(&text, '\n');
        count++;
    }
    return count;
}

static int check_line(struct str line, size_t number, struct error *err)
{
    struct position where = { (int)number, (int)number, 0 };
    if (line.len > SOURCE_LINE_MAX) {
        error_set(err, ERROR_USER, 0, "dockerfile line greater than max allowed size of %d",
                  SOURCE_LINE_MAX);
        error_hint(err, "line %zu has %zu bytes; break it with a \\ at the end", number, line.len);
        return error_at(err, where);
    }
    const char *nul = line.len ? memchr(line.ptr, '\0', line.len) : NULL;
    if (nul) {
        where.column = (int)(nul - line.ptr) + 1;
        error_set(err, ERROR_USER, 0, "line %zu holds a NUL byte", number);
        error_hint(err, "a Dockerfile is UTF-8 text");
        return error_at(err, where);
    }
    return 0;
}

int source_init(struct source *source, struct arena *arena, struct str text, const char *name,
                struct error *err)
{
    if (text.len > SOURCE_MAX)
        return error_set(err, ERROR_USER, 0, "%s is larger than the limit of %d MiB", name,
                         SOURCE_MAX / (1024 * 1024));
    if (text.len >= 3 && memcmp(text.ptr, BYTE_ORDER_MARK, 3) == 0) {
        text.ptr += 3;
        text.len -= 3;
    }

    *source = (struct source){ .name = arena_strdup(arena, name), .len = text.len };
    source->text = arena_strndup(arena, text.ptr, text.len);
    struct str rest = { source->text, source->len };
    size_t count = count_lines(rest);
    source->lines = arena_alloc(arena, count, sizeof *source->lines);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        source->lines[source->line_count++] = line.ptr;
        TRY(check_line(line, source->line_count, err));
    }
    return 0;
}

struct str source_line(const struct source *source, int number)
{
    if (number < 1 || (size_t)number > source->line_count)
        return (struct str){ "", 0 };
    const char *start = source->lines[number - 1];
    struct str rest = { start, (size_t)(source->text + source->len - start) };
    struct str line = str_cut(&rest, '\n');
    while (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}
