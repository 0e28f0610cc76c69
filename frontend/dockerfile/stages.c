/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/stages.h"

#include "frontend/dockerfile/flags.h"
#include "lib/base/mem.h"

/* The last stage called `name` (any case) among the first `count`, or NULL. */
static struct stage_state *find_name(const struct lowering *l, const char *name, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        const char *candidate = l->df->stages[i - 1].name;
        if (candidate && strcasecmp(candidate, name) == 0)
            return &l->stages[i - 1];
    }
    return NULL;
}

int stages_hint(const struct lowering *l, const struct stage_state *s, const char *name,
                struct error *err)
{
    size_t count = 0;
    auto_free const char **names = xcalloc(l->df->stage_count, sizeof *names);
    const struct stage_state *later = find_name(l, name, l->df->stage_count);
    if (later && s && later->stage->index >= s->stage->index)
        return error_hint(err, "stage `%s` starts on line %d; only earlier stages can be used",
                          later->display_name, later->stage->from->line.where.line);
    for (size_t i = 0; i < (s ? s->stage->index : l->df->stage_count); i++)
        if (l->df->stages[i].name)
            names[count++] = l->df->stages[i].name;
    const char *near = str_nearest(name, names, count);
    return near ? error_hint(err, "did you mean %s?", near) : -1;
}

static int resolve_platform(struct lowering *l, struct stage_state *s, struct expander *e,
                            struct error *err)
{
    const struct instruction *from = s->stage->from;
    const struct flag *flag = instruction_flag(from, FLAG_PLATFORM);
    const char *text = NULL;
    s->platform = l->options->platform;
    if (!flag)
        return 0;
    if (expand_word(e, flag->value, &text, err) < 0)
        return error_word(from, flag->offset, err);
    if (!*text) {
        error_set(err, ERROR_USER, 0, "empty platform value from expression %s", flag->value);
        return error_word(from, flag->offset, err);
    }
    if (platform_parse(text, &s->platform, err) < 0) {
        error_wrap(err, "failed to parse platform %s", text);
        return error_word(from, flag->offset, err);
    }
    s->platform_given = true;
    return 0;
}

static int resolve_stage(struct lowering *l, struct stage_state *s, struct error *err)
{
    const struct instruction *from = s->stage->from;
    struct expander e = { l->arena, &l->globals, l->df->directives.escape, l->expansion_left };
    if (expand_word(&e, from->words[0].text, &s->base_name, err) < 0)
        return error_word(from, from->words[0].offset, err);
    TRY(resolve_platform(l, s, &e, err));
    l->expansion_left = e.left;
    if (s->base_name[strspn(s->base_name, " \t\r\n")] == '\0') {
        error_set(err, ERROR_USER, 0, "base name (%s) should not be blank", from->words[0].text);
        error_hint(err, "declare the variable with ARG above the first FROM, with a default");
        return error_word(from, from->words[0].offset, err);
    }
    s->base = find_name(l, s->base_name, s->stage->index);
    struct image_resolver *resolver = l->options->resolver;
    if (s->base) {
        s->base_kind = BASE_STAGE;
        s->platform = s->base->platform;
    } else if (strcmp(s->base_name, "scratch") == 0) {
        s->base_kind = BASE_SCRATCH;
    } else {
        s->base_kind = resolver->is_local_context(resolver, s->base_name) ? BASE_LOCAL : BASE_IMAGE;
    }
    return 0;
}

int stages_resolve(struct lowering *l, struct error *err)
{
    for (size_t i = 0; i < l->df->stage_count; i++) {
        struct stage_state *s = &l->stages[i];
        s->stage = &l->df->stages[i];
        s->display_name = s->stage->name ? s->stage->name : arena_printf(l->arena, "stage-%zu", i);
    }
    for (size_t i = 0; i < l->df->stage_count; i++)
        TRY(resolve_stage(l, &l->stages[i], err));
    return 0;
}

/* 1 and *out if `text` is a stage's number, 0 if it is no number, -1 if there is no such stage. */
static int find_number(struct lowering *l, const char *text, struct stage_state **out,
                       struct error *err)
{
    uint64_t number = 0;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return 0;
    if (!str_to_u64(str_of(text), 10, l->df->stage_count - 1, &number))
        return error_set(err, ERROR_USER, 0, "invalid stage index %s: the last stage is %zu", text,
                         l->df->stage_count - 1);
    *out = &l->stages[number];
    return 1;
}

int stages_find_target(struct lowering *l, struct stage_state **out, struct error *err)
{
    const char *target = l->options->target;
    *out = &l->stages[l->df->stage_count - 1];
    if (!target || !*target)
        return 0;
    *out = find_name(l, target, l->df->stage_count);
    auto_(error) struct error ignored = { 0 };
    if (*out || find_number(l, target, out, &ignored) > 0)
        return 0;
    error_set(err, ERROR_USER, 0, "target stage \"%s\" could not be found", target);
    return stages_hint(l, NULL, target, err);
}

struct search {
    bool *seen;
    size_t *queue;
    size_t head, tail;
};

static void search_add(struct search *q, const struct stage_state *s)
{
    if (!s || q->seen[s->stage->index])
        return;
    q->seen[s->stage->index] = true;
    q->queue[q->tail++] = s->stage->index;
}

/* Does stage `from` reach stage `to` by FROM or COPY --from, whatever their order? */
static bool reaches(struct lowering *l, const struct stage_state *from,
                    const struct stage_state *to)
{
    size_t count = l->df->stage_count;
    auto_free bool *seen = xcalloc(count, sizeof *seen);
    auto_free size_t *queue = xcalloc(count, sizeof *queue);
    struct search q = { .seen = seen, .queue = queue };
    search_add(&q, from);
    while (q.head < q.tail) {
        const struct stage_state *s = &l->stages[q.queue[q.head++]];
        search_add(&q, s->base);
        for (size_t i = 0; i < s->stage->count; i++) {
            const struct flag *flag = instruction_flag(&s->stage->first[i], FLAG_FROM);
            search_add(&q, flag ? find_name(l, flag->value, count) : NULL);
        }
    }
    return seen[to->stage->index];
}

static int not_earlier(struct lowering *l, const struct stage_state *s,
                       const struct instruction *in, const struct stage_state *named,
                       struct error *err)
{
    const struct flag *flag = instruction_flag(in, FLAG_FROM);
    if (named == s || reaches(l, named, s)) {
        error_set(err, ERROR_USER, 0, "circular dependency detected on stage: %s",
                  named->display_name);
    } else {
        error_set(err, ERROR_USER, 0,
                  "cannot copy from stage \"%s\": it must come before stage \"%s\"",
                  named->display_name, s->display_name);
    }
    return error_word(in, flag->offset, err);
}

int stages_find_from(struct lowering *l, const struct stage_state *s, const struct instruction *in,
                     struct stage_state **out, struct error *err)
{
    const struct flag *flag = instruction_flag(in, FLAG_FROM);
    if (strchr(flag->value, '$')) {
        error_set(err, ERROR_USER, 0, "variable expansion is not supported for --from");
        error_hint(err, "define a new stage with FROM, using an ARG from the global scope");
        return error_word(in, flag->offset, err);
    }
    *out = find_name(l, flag->value, s->stage->index);
    if (!*out)
        *out = find_name(l, flag->value, l->df->stage_count);
    if (!*out && find_number(l, flag->value, out, err) < 0)
        return error_word(in, flag->offset, err);
    if (*out && (*out)->stage->index >= s->stage->index)
        return not_earlier(l, s, in, *out, err);
    return 0;
}

static int mark_instruction(struct lowering *l, struct stage_state *s, const struct instruction *in,
                            struct error *err)
{
    struct stage_state *named = NULL;
    TRY(flags_check_supported(in, err));
    if (!instruction_flag(in, FLAG_FROM))
        return 0;
    TRY(stages_find_from(l, s, in, &named, err));
    if (named)
        named->needed = true;
    return 0;
}

static void collect_stage_triggers(struct lowering *l, struct stage_state *s)
{
    const struct stage *base = s->base->stage;
    s->triggers = arena_alloc(l->arena, base->count, sizeof *s->triggers);
    for (size_t i = 0; i < base->count; i++)
        if (base->first[i].inner)
            s->triggers[s->trigger_count++] = base->first[i].inner;
}

static int collect_image_triggers(struct lowering *l, struct stage_state *s, struct error *err)
{
    const struct strvec *texts = &s->image->config.on_build;
    struct position where = s->stage->from->line.where;
    s->triggers = arena_alloc(l->arena, texts->count, sizeof *s->triggers);
    for (size_t i = 0; i < texts->count; i++) {
        if (dockerfile_parse_trigger(texts->items[i], where, l->arena, &s->triggers[i], err) < 0) {
            error_wrap(err, "ONBUILD trigger of %s", s->base_name);
            return error_at(err, where);
        }
        s->trigger_count++;
    }
    return 0;
}

static int mark_stage(struct lowering *l, struct stage_state *s, struct error *err)
{
    if (s->base)
        s->base->needed = true;
    for (size_t i = 0; i < s->stage->count; i++)
        TRY(mark_instruction(l, s, &s->stage->first[i], err));
    for (size_t i = 0; i < s->trigger_count; i++)
        if (mark_instruction(l, s, s->triggers[i], err) < 0)
            return error_at(err, s->stage->from->line.where);
    return 0;
}

int stages_mark_needed(struct lowering *l, struct stage_state *target, struct error *err)
{
    target->needed = true;
    /* All that can be refused without the network comes first. */
    for (size_t i = target->stage->index + 1; i > 0; i--) {
        struct stage_state *s = &l->stages[i - 1];
        if (s->needed && s->base)
            collect_stage_triggers(l, s);
        if (s->needed)
            TRY(mark_stage(l, s, err));
    }
    /* Triggers of images can need stages that nothing else needs. */
    for (size_t i = target->stage->index + 1; i > 0; i--) {
        struct stage_state *s = &l->stages[i - 1];
        if (!s->needed)
            continue;
        if (s->base_kind == BASE_IMAGE) {
            TRY(from_resolve_image(l, s, err));
            TRY(collect_image_triggers(l, s, err));
        } else if (s->base && !s->triggers) {
            collect_stage_triggers(l, s);
        }
        TRY(mark_stage(l, s, err));
    }
    return 0;
}
