/* SPDX-License-Identifier: Apache-2.0 */
/* A frequent slip is COPY without --from: the path is not in the context because a stage makes it.
 * So the absolute paths that stages mention are kept, each with its folders, for the error message.
 */
#include <ctype.h>

#include "frontend/dockerfile/lower_internal.h"
#include "lib/base/mem.h"

enum { PATH_MAX_BYTES = 1024, MENTIONS_MAX = 200000 };

struct mention {
    const struct stage_state *stage;
    int line;
};

static bool is_path_byte(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("/._-+@~", c));
}

/* The latest stage wins, and in it the first line. */
static void mention_add(struct lowering *l, const char *path, const struct stage_state *s, int line)
{
    struct mention *m = map_find(&l->mentions, path);
    if (m && m->stage == s)
        return;
    if (!m) {
        if (l->mentions.count == MENTIONS_MAX)
            return;
        m = ARENA_NEW(l->arena, struct mention);
        map_set(&l->mentions, path, m);
    }
    *m = (struct mention){ s, line };
}

/* `path` starts with a slash. The folders above it are as good as mentioned. */
static void add_with_parents(struct lowering *l, struct str path, const struct stage_state *s,
                             int line)
{
    char text[PATH_MAX_BYTES];
    if (path.len >= sizeof text)
        return;
    memcpy(text, path.ptr, path.len);
    text[path.len] = '\0';
    while (path.len > 1 && (text[path.len - 1] == '/' || text[path.len - 1] == '.'))
        text[--path.len] = '\0';
    for (char *slash = text + path.len; slash && slash > text; slash = strrchr(text, '/')) {
        *slash = '\0';
        mention_add(l, text, s, line);
    }
}

static void add_text(struct lowering *l, const struct stage_state *s, const struct instruction *in)
{
    const char *text = in->line.text;
    for (const char *c = text; *c; c++) {
        if (*c != '/' || (c > text && is_path_byte(c[-1])))
            continue;
        struct str path = { c, 0 };
        while (is_path_byte(c[path.len]))
            path.len++;
        add_with_parents(l, path, s, instruction_at(in, (size_t)(c - text)).line);
        c += path.len - 1;
    }
}

void hints_add_stage(struct lowering *l, const struct stage_state *s)
{
    for (size_t i = 0; i < s->stage->count; i++)
        if (s->stage->first[i].verb->properties & VERB_STEP)
            add_text(l, s, &s->stage->first[i]);
}

const char *hints_find(struct lowering *l, const char *source, const char *dest)
{
    auto_free char *path = xasprintf("/%s", source);
    const struct mention *m = map_find(&l->mentions, path);
    if (!m)
        return NULL;
    const char *from = m->stage->stage->name;
    if (!from)
        from = arena_printf(l->arena, "%u", m->stage->stage->index);
    return arena_printf(l->arena,
                        "stage `%s` writes %s (line %d): did you mean COPY --from=%s %s %s?",
                        m->stage->display_name, path, m->line, from, path, dest);
}

void hints_release(struct lowering *l)
{
    map_release(&l->mentions);
}
