/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/outline.h"

#include "frontend/dockerfile/lower_internal.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

void outline_release(struct outline *o)
{
    free(o->args.items);
    free(o->secrets.items);
    free(o->agents.items);
    *o = (struct outline){ 0 };
}

const char *outline_description(const struct instruction *in, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < in->line.comment_count; i++) {
        const char *text = in->line.comments[i];
        if (strncmp(text, name, len) == 0 && text[len] == ' ')
            return text + len + 1;
    }
    return NULL;
}

static void add_once(struct outline_list *list, const struct outline_item *item)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, item->name) == 0)
            return;
    }
    GROW(list->items, list->count, list->cap);
    list->items[list->count++] = *item;
}

static int by_line(const void *a, const void *b)
{
    const struct outline_item *x = a;
    const struct outline_item *y = b;
    if (x->where.line != y->where.line)
        return x->where.line < y->where.line ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void sort(struct outline_list *list)
{
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, by_line);
}

static void add_arg(struct outline_list *list, const struct instruction *in, const char *name,
                    const struct map *values)
{
    struct outline_item item = { .name = name,
                                 .value = map_find(values, name),
                                 .description = outline_description(in, name),
                                 .where = in->line.where };
    add_once(list, &item);
}

static bool is_given(const struct lowering *l, const char *name)
{
    return l->options->build_args && map_find(l->options->build_args, name);
}

/* An ARG that takes the global value stands for the global one, which goes to `wanted`. */
static void add_stage_args(struct lowering *l, struct outline_list *list,
                           const struct stage_state *s, struct map *wanted)
{
    for (size_t i = s->stage->count; i > 0; i--) {
        const struct instruction *in = &s->stage->first[i - 1];
        for (size_t k = in->verb->kind == VERB_ARG ? in->word_count : 0; k > 0; k--) {
            const struct word *w = &in->words[k - 1];
            if (!w->value && !is_given(l, w->text) && map_find(&l->globals, w->text))
                map_set(wanted, w->text, l);
            else
                add_arg(list, in, w->text, &s->env);
        }
    }
}

/* Puts the names in `text` into `met`. */
static void note_names(struct lowering *l, const char *text, struct map *met)
{
    auto_(error) struct error ignored = { 0 };
    const char *unused = NULL;
    struct expander e = global_expander(l);
    e.met = met;
    (void)!expand_word(&e, text, &unused, &ignored);
    l->expansion_left = e.left;
}

/* Global arguments count if FROM uses them, also by way of another one's default. */
static void note_from(struct lowering *l, struct map *wanted)
{
    for (size_t i = 0; i < l->df->stage_count; i++) {
        const struct instruction *from = l->df->stages[i].from;
        const struct flag *platform = instruction_flag(from, FLAG_PLATFORM);
        if (!l->stages[i].needed)
            continue;
        note_names(l, from->words[0].text, wanted);
        if (platform)
            note_names(l, platform->value, wanted);
    }
}

static void add_globals(struct lowering *l, struct outline_list *list, struct map *wanted)
{
    for (size_t i = l->df->global_count; i > 0; i--) {
        const struct instruction *in = &l->df->globals[i - 1];
        for (size_t k = in->word_count; k > 0; k--) {
            const struct word *w = &in->words[k - 1];
            if (!map_find(wanted, w->text))
                continue;
            if (w->value && !is_given(l, w->text))
                note_names(l, w->value, wanted);
            add_arg(list, in, w->text, &l->globals);
        }
    }
}

static void add_mounts(struct outline *o, const struct vertex *v)
{
    for (size_t i = 0; i < v->exec.mount_count; i++) {
        const struct exec_mount *m = &v->exec.mounts[i];
        struct outline_item item = { .name = m->id, .required = m->required, .where = v->where };
        if (m->type == EXEC_MOUNT_SECRET)
            add_once(&o->secrets, &item);
        if (m->type == EXEC_MOUNT_SSH)
            add_once(&o->agents, &item);
    }
}

void outline_make(struct lowering *l, const struct stage_state *target)
{
    auto_(map) struct map wanted = { 0 };
    struct outline *o = l->options->outline;
    if (!o)
        return;
    o->name = target->stage->name;
    o->description = o->name ? outline_description(target->stage->from, o->name) : NULL;
    for (size_t i = target->stage->index + 1; i > 0; i--) {
        const struct stage_state *s = &l->stages[i - 1];
        if (s->needed)
            add_stage_args(l, &o->args, s, &wanted);
    }
    note_from(l, &wanted);
    add_globals(l, &o->args, &wanted);
    for (size_t i = 0; i < l->out->graph.count; i++) {
        if (l->out->graph.vertices[i]->kind == OP_EXEC)
            add_mounts(o, l->out->graph.vertices[i]);
    }
    sort(&o->args);
    sort(&o->secrets);
    sort(&o->agents);
}
