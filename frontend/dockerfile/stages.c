/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/stages.h"

#include <ctype.h>

#include "frontend/dockerfile/mounts.h"
#include "lib/base/mem.h"
#include "lib/oci/reference.h"

/* What a misspelt FROM may have meant. */
static const char *const known_images[] = { "alpine", "busybox", "centos", "debian",
                                            "golang", "ubuntu",  "fedora" };

/* The last stage called `name` (any case) among the first `count`, or NULL. */
static struct stage_state *find_name(const struct lowering *l, const char *name, size_t count)
{
    auto_free char *key = xstrdup(name);
    for (char *c = key; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    struct stage_state *s = map_find(&l->stage_names, key);
    while (s && s->stage->index >= count)
        s = s->same_name;
    return s;
}

int stages_hint(const struct lowering *l, const struct stage_state *s, const char *name,
                struct error *err)
{
    size_t count = 0;
    auto_free const char **names = xcalloc(l->df->stage_count + COUNT(known_images), sizeof *names);
    const struct stage_state *later = find_name(l, name, l->df->stage_count);
    if (later && s && later->stage->index >= s->stage->index)
        return error_hint(err, "stage `%s` starts on line %d; only earlier stages can be used",
                          later->display_name, later->stage->from->line.where.line);
    for (size_t i = 0; i < (s ? s->stage->index : l->df->stage_count); i++)
        if (l->df->stages[i].name)
            names[count++] = l->df->stages[i].name;
    for (size_t i = 0; s && i < COUNT(known_images); i++)
        names[count++] = known_images[i];
    const char *near = str_nearest(name, names, count);
    return near ? error_hint(err, "did you mean %s?", near) : -1;
}

/* The name that was meant says more than how a platform is written. */
static void error_replace_hint(struct error *err, const char *near)
{
    free(err->hint);
    err->hint = xasprintf("did you mean %s?", near);
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
    auto_(map) struct map met = { 0 };
    e->met = &met;
    int rc = expand_word(e, flag->value, &text, err);
    e->met = NULL;
    if (rc < 0)
        return error_word(from, flag->offset, err);
    const char *near = lint_undefined_args(l, s, &met);
    if (!*text)
        error_set(err, ERROR_USER, 0, "empty platform value from expression %s", flag->value);
    else if (platform_parse(text, &s->platform, err) < 0)
        error_wrap(err, "failed to parse platform %s", flag->value);
    if (error_is_set(err)) {
        if (near)
            error_replace_hint(err, near);
        return error_word(from, flag->offset, err);
    }
    s->platform_given = true;
    lint_platform(l, s, &met, flag->value, text);
    return 0;
}

static int check_reference(const struct stage_state *s, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    if (reference_parse(s->base_name, &ref, err) == 0)
        return 0;
    error_wrap(err, "failed to parse stage name \"%s\"", s->base_name);
    return error_word(s->stage->from, s->stage->from->words[0].offset, err);
}

/* `FROM x AS name` where a named context is called so: that is the stage, x is not looked at. */
static bool replace_stage(struct lowering *l, struct stage_state *s)
{
    struct image_resolver *resolver = l->options->resolver;
    const char *name = s->stage->name;
    if (!name || !resolver->has_context(resolver, name))
        return false;
    struct stage *empty = ARENA_NEW(l->arena, struct stage);
    *empty = *s->stage;
    empty->count = 0;
    s->stage = empty;
    s->replaced = true;
    s->base_name = name;
    s->local_base = resolver->local_context(resolver, name);
    s->base_kind = s->local_base ? BASE_LOCAL : BASE_IMAGE;
    return true;
}

static int find_base(struct lowering *l, struct stage_state *s, struct error *err)
{
    struct image_resolver *resolver = l->options->resolver;
    s->base = find_name(l, s->base_name, s->stage->index);
    s->local_base = s->base ? NULL : resolver->local_context(resolver, s->base_name);
    if (s->base) {
        s->base_kind = BASE_STAGE;
        s->platform = s->base->platform;
    } else if (strcmp(s->base_name, "scratch") == 0) {
        s->base_kind = BASE_SCRATCH;
    } else if (s->local_base) {
        s->base_kind = BASE_LOCAL;
    } else {
        s->base_kind = BASE_IMAGE;
        return check_reference(s, err);
    }
    return 0;
}

static int resolve_stage(struct lowering *l, struct stage_state *s, struct error *err)
{
    const struct instruction *from = s->stage->from;
    auto_(map) struct map met = { 0 };
    struct expander e = global_expander(l);
    e.met = &met;
    if (expand_word(&e, from->words[0].text, &s->base_name, err) < 0)
        return error_word(from, from->words[0].offset, err);
    e.met = NULL;
    lint_base(l, s, &met);
    TRY(resolve_platform(l, s, &e, err));
    l->expansion_left = e.left;
    if (replace_stage(l, s))
        return 0;
    if (s->base_name[strspn(s->base_name, " \t\r\n")] == '\0') {
        error_set(err, ERROR_USER, 0, "base name (%s) should not be blank", from->words[0].text);
        error_hint(err, "declare the variable with ARG above the first FROM, with a default");
        return error_word(from, from->words[0].offset, err);
    }
    return find_base(l, s, err);
}

int stages_resolve(struct lowering *l, struct error *err)
{
    for (size_t i = 0; i < l->df->stage_count; i++) {
        struct stage_state *s = &l->stages[i];
        const char *name = l->df->stages[i].name;
        s->stage = &l->df->stages[i];
        s->display_name = name ? name : arena_printf(l->arena, "stage-%zu", i);
    }
    /* A base is an earlier stage: a name is known from the end of its own FROM on. */
    for (size_t i = 0; i < l->df->stage_count; i++) {
        struct stage_state *s = &l->stages[i];
        TRY(resolve_stage(l, s, err));
        const char *name = l->df->stages[i].name;
        if (!name)
            continue;
        s->same_name = map_find(&l->stage_names, name);
        map_set(&l->stage_names, name, s);
    }
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

/* A name that says what to copy from; NULL if the flag says nothing of it. */
static int use_of_flag(struct lowering *l, const struct flag *flag, const char **out,
                       struct error *err)
{
    *out = NULL;
    if (flag->spec->kind == FLAG_MOUNT)
        return mount_find_from(flag, l->arena, out, err);
    if (flag->spec->kind != FLAG_FROM)
        return 0;
    *out = flag->value;
    if (!strchr(flag->value, '$'))
        return 0;
    return error_set(err, ERROR_USER, 0,
                     "variable expansion is not supported for --from, define a new stage with FROM "
                     "using ARG from global scope as a workaround");
}

int stages_list_uses(struct lowering *l, const struct instruction *in, struct stage_use **out,
                     size_t *out_count, struct error *err)
{
    *out_count = 0;
    *out = in->flag_count ? arena_alloc(l->arena, in->flag_count, sizeof **out) : NULL;
    for (size_t i = 0; i < in->flag_count; i++) {
        struct stage_use use = { .offset = in->flags[i].offset,
                                 .mount = in->flags[i].spec->kind == FLAG_MOUNT };
        if (use_of_flag(l, &in->flags[i], &use.name, err) < 0)
            return error_word(in, use.offset, err);
        if (use.name)
            (*out)[(*out_count)++] = use;
    }
    return 0;
}

static void search_uses(struct lowering *l, struct search *q, const struct instruction *in)
{
    auto_(error) struct error ignored = { 0 };
    struct stage_use *uses = NULL;
    size_t count = 0;
    (void)!stages_list_uses(l, in, &uses, &count, &ignored);
    for (size_t i = 0; i < count; i++)
        search_add(q, find_name(l, uses[i].name, l->df->stage_count));
}

/* Does stage `from` reach stage `to` by FROM, COPY --from or a mount, whatever their order? */
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
        for (size_t i = 0; i < s->stage->count; i++)
            search_uses(l, &q, &s->stage->first[i]);
    }
    return seen[to->stage->index];
}

/* The first stage that leads to this one, for its name in an error. */
static const char *first_that_reaches(struct lowering *l, const struct stage_state *s)
{
    size_t i = 0;
    while (!reaches(l, &l->stages[i], s))
        i++;
    return l->stages[i].display_name;
}

static int not_earlier(struct lowering *l, const struct stage_state *s, const struct stage_use *use,
                       const struct stage_state *named, struct error *err)
{
    if (named == s || reaches(l, named, s))
        return error_set(err, ERROR_USER, 0, "circular dependency detected on stage: %s",
                         first_that_reaches(l, s));
    return error_set(
        err, ERROR_USER, 0,
        "cannot %s from stage \"%s\", it needs to be defined before current stage \"%s\"",
        use->mount ? "mount" : "copy", named->display_name, s->display_name);
}

int stages_find(struct lowering *l, const struct stage_state *s, const struct instruction *in,
                const struct stage_use *use, struct stage_state **out, struct error *err)
{
    *out = find_name(l, use->name, s->stage->index);
    if (!*out)
        *out = find_name(l, use->name, l->df->stage_count);
    if (!*out && !use->mount && find_number(l, use->name, out, err) < 0)
        return error_word(in, use->offset, err);
    if (!*out || (*out)->stage->index < s->stage->index)
        return 0;
    not_earlier(l, s, use, *out, err);
    return error_word(in, use->offset, err);
}

static int mark_instruction(struct lowering *l, struct stage_state *s, const struct instruction *in,
                            struct error *err)
{
    struct stage_use *uses = NULL;
    size_t count = 0;
    TRY(stages_list_uses(l, in, &uses, &count, err));
    for (size_t i = 0; i < count; i++) {
        struct stage_state *named = NULL;
        TRY(stages_find(l, s, in, &uses[i], &named, err));
        if (named)
            named->needed = true;
    }
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

/* Each registry takes some time to answer. */
static void expect_images(struct lowering *l)
{
    struct image_resolver *resolver = l->options->resolver;
    size_t count = 0;
    struct expected_image *images = arena_alloc(l->arena, l->df->stage_count, sizeof *images);
    for (size_t i = 0; i < l->df->stage_count; i++) {
        const struct stage_state *s = &l->stages[i];
        if (s->needed && s->base_kind == BASE_IMAGE)
            images[count++] = (struct expected_image){ s->base_name, &s->platform };
    }
    if (resolver->expect)
        resolver->expect(resolver, images, count);
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
    expect_images(l);
    /* Triggers of images can need stages that nothing else needs. */
    for (size_t i = target->stage->index + 1; i > 0; i--) {
        struct stage_state *s = &l->stages[i - 1];
        if (!s->needed)
            continue;
        if (s->base_kind == BASE_IMAGE) {
            TRY(from_resolve_image(l, s, err));
            if (!s->replaced)
                TRY(collect_image_triggers(l, s, err));
        } else if (s->base && !s->triggers) {
            collect_stage_triggers(l, s);
        }
        TRY(mark_stage(l, s, err));
    }
    return 0;
}
