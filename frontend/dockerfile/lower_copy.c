/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lower_internal.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"
#include "lib/fs/mode_change.h"

static int expand_flag(struct lowering *l, struct stage_state *s, const struct instruction *in,
                       const struct flag *flag, const char **out, struct error *err)
{
    if (!flag)
        return 0;
    struct word w = { .text = flag->value, .offset = flag->offset };
    TRY(stage_expand(l, s, in, &w, out, err));
    if (!**out)
        *out = NULL;
    return 0;
}

static int check_mode(const struct instruction *in, const char *text, struct error *err)
{
    auto_(mode_change) struct mode_change change = { 0 };
    if (!text || mode_change_parse(text, &change, err) == 0)
        return 0;
    error_hint(err, "or symbolic, as in u=rwX,go=rX");
    return error_word(in, instruction_flag(in, FLAG_CHMOD)->offset, err);
}

static int check_owner(const struct instruction *in, const char *text, struct error *err)
{
    const char *colon = text ? strchr(text, ':') : NULL;
    if (!colon || !strchr(colon + 1, ':'))
        return 0;
    error_set(err, ERROR_USER, 0, "invalid chown parameter: '%s'. it should be user:group", text);
    return error_word(in, instruction_flag(in, FLAG_CHOWN)->offset, err);
}

static bool is_on(const struct instruction *in, enum flag_kind kind)
{
    const struct flag *flag = instruction_flag(in, kind);
    return flag && (!flag->value || strcasecmp(flag->value, "true") == 0);
}

static const char *const *exclude_patterns(struct lowering *l, const struct instruction *in)
{
    size_t count = 0;
    const char **patterns = arena_alloc(l->arena, in->flag_count + 1, sizeof *patterns);
    for (size_t i = 0; i < in->flag_count; i++)
        if (in->flags[i].spec->kind == FLAG_EXCLUDE)
            patterns[count++] = in->flags[i].value;
    return count ? patterns : NULL;
}

static int lower_flags(struct lowering *l, struct stage_state *s, const struct instruction *in,
                       struct op_copy *op, struct error *err)
{
    TRY(expand_flag(l, s, in, instruction_flag(in, FLAG_CHOWN), &op->chown, err));
    TRY(expand_flag(l, s, in, instruction_flag(in, FLAG_CHMOD), &op->chmod, err));
    TRY(check_owner(in, op->chown, err));
    TRY(check_mode(in, op->chmod, err));
    op->parents = is_on(in, FLAG_PARENTS);
    op->exclude = exclude_patterns(l, in);
    return 0;
}

/* The slash (or "/.") at the end says that a directory is meant, so it stays. */
static const char *make_dest(struct lowering *l, const struct stage_state *s, const char *dest)
{
    auto_free char *path = path_absolute(stage_working_dir(s), dest);
    bool folder =
        !*dest || strcmp(dest, ".") == 0 || str_ends_with(dest, "/") || str_ends_with(dest, "/.");
    return arena_printf(l->arena, "%s%s", path, folder && path[1] ? "/" : "");
}

/* All words expanded, but those that open here-documents; the last is the destination. */
static int expand_words_of(struct lowering *l, struct stage_state *s, const struct instruction *in,
                           struct copy_words *out, struct error *err)
{
    const char **files = arena_alloc(l->arena, in->word_count, sizeof *files);
    const struct word **origins = arena_alloc(l->arena, in->word_count, sizeof *origins);
    *out = (struct copy_words){ .files = files, .origins = origins };
    size_t seen = 0;
    for (size_t i = 0; i + 1 < in->word_count; i++) {
        if (seen < in->heredoc_count && in->heredocs[seen].word == i) {
            seen++;
            continue;
        }
        origins[out->file_count] = &in->words[i];
        TRY(stage_expand(l, s, in, &in->words[i], &files[out->file_count++], err));
    }
    return stage_expand(l, s, in, &in->words[in->word_count - 1], &out->dest, err);
}

static char *created_by(const struct instruction *in, const struct op_copy *op,
                        const struct copy_words *words)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addstr(&text, in->verb->name);
    if (op->parents)
        strbuf_addstr(&text, " --parents");
    if (op->chown)
        strbuf_addf(&text, " --chown=%s", op->chown);
    if (op->chmod)
        strbuf_addf(&text, " --chmod=%s", op->chmod);
    for (size_t i = 0; i < words->file_count; i++)
        strbuf_addf(&text, " %s", words->files[i]);
    for (size_t i = 0; i < in->heredoc_count; i++)
        strbuf_addf(&text, " <<%s", in->heredocs[i].name);
    strbuf_addf(&text, " %s # buildkit", words->dest);
    return strbuf_detach(&text);
}

/* Like BuildKit, a copy with --chmod is never linked. */
static bool is_linked(const struct instruction *in, const struct op_copy *op)
{
    return is_on(in, FLAG_LINK) && !op->chmod;
}

/* Returns the vertex that makes the layer; the stage's root is what it gives. */
static struct vertex *add_vertices(struct lowering *l, struct stage_state *s,
                                   const struct instruction *in, const struct copy_inputs *inputs,
                                   const struct op_copy *op)
{
    bool linked = is_linked(in, op);
    const char *prefix = stage_step_prefix(l, s);
    const char *text = stage_step_text(l, s, in, NULL);
    struct vertex copy = { .kind = OP_COPY,
                           .name = arena_printf(l->arena, "%s %s", prefix, text),
                           .where = in->line.where,
                           .inputs = inputs->items,
                           .input_count = inputs->count,
                           .no_cache = s->no_cache,
                           .copy = *op };
    inputs->items[0] = linked ? NULL : s->root;
    struct vertex *made = graph_add(&l->out->graph, &copy);
    if (!linked || !s->root) {
        s->root = made;
        return made;
    }
    s->root =
        graph_add(&l->out->graph,
                  &(struct vertex){ .kind = OP_MERGE,
                                    .name = arena_printf(l->arena, "%s LINK %s", prefix, text),
                                    .where = in->line.where,
                                    .inputs = VERTICES(s->root, made),
                                    .input_count = 2 });
    return made;
}

int lower_copy(struct lowering *l, struct stage_state *s, const struct instruction *in,
               struct error *err)
{
    struct op_copy op = { 0 };
    struct copy_words words;
    auto_(copy_inputs) struct copy_inputs inputs = { 0 };
    TRY(lower_flags(l, s, in, &op, err));
    TRY(expand_words_of(l, s, in, &words, err));
    copy_inputs_init(&inputs);
    TRY(sources_lower(l, s, in, &words, &inputs, &op, err));
    op.dest = make_dest(l, s, words.dest);
    struct vertex *made = add_vertices(l, s, in, &inputs, &op);
    auto_free char *text = created_by(in, &op, &words);
    stage_add_history(l, s, text, made);
    return 0;
}
