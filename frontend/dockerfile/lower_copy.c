/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lower_internal.h"

#include "frontend/dockerfile/stages.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

enum { MODE_MAX = 07777 };

static bool is_symbolic_mode(const char *text)
{
    return *text && text[strspn(text, "ugoarwxXst+-=,01234567")] == '\0' && strpbrk(text, "+-=");
}

static int check_mode(const struct instruction *in, const struct flag *flag, const char *text,
                      struct error *err)
{
    uint64_t mode = 0;
    if (str_to_u64(str_of(text), 8, MODE_MAX, &mode))
        return 0;
    if (is_symbolic_mode(text)) {
        error_set(err, ERROR_UNSUPPORTED, 0,
                  "line %d: %s --chmod=%s: symbolic modes are not supported, write it in octal",
                  in->line.where.line, in->verb->name, text);
    } else {
        error_set(
            err, ERROR_USER, 0,
            "invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777",
            text);
    }
    return error_word(in, flag->offset, err);
}

/* --chown and --chmod, expanded. */
static int lower_flags(struct lowering *l, struct stage_state *s, const struct instruction *in,
                       struct op_copy *op, struct error *err)
{
    const struct flag *chown_flag = instruction_flag(in, FLAG_CHOWN);
    const struct flag *chmod_flag = instruction_flag(in, FLAG_CHMOD);
    if (chown_flag) {
        struct word w = { .text = chown_flag->value, .offset = chown_flag->offset };
        TRY(stage_expand(l, s, in, &w, &op->chown, err));
    }
    if (chmod_flag) {
        struct word w = { .text = chmod_flag->value, .offset = chmod_flag->offset };
        TRY(stage_expand(l, s, in, &w, &op->chmod, err));
        TRY(check_mode(in, chmod_flag, op->chmod, err));
    }
    return 0;
}

static bool is_url(const char *source)
{
    return strncasecmp(source, "http://", 7) == 0 || strncasecmp(source, "https://", 8) == 0;
}

static bool is_git(const char *source)
{
    static const char *const prefixes[] = { "git://", "ssh://", "git@" };
    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (str_starts_with(source, prefixes[i]))
            return true;
    if (!is_url(source))
        return false;
    auto_free char *address = xstrndup(source, strcspn(source, "#?"));
    return str_ends_with(address, ".git");
}

static int check_source(const struct instruction *in, const struct word *word, const char *source,
                        struct error *err)
{
    const char *what = is_git(source) ? "git ref" : is_url(source) ? "URL" : NULL;
    if (!what)
        return 0;
    if (in->verb->kind == VERB_COPY) {
        error_set(err, ERROR_USER, 0, "source can't be a %s for COPY: %s", what, source);
        error_hint(err, "ADD takes those");
    } else {
        error_set(err, ERROR_UNSUPPORTED, 0, "line %d: ADD of a %s is not supported: %s",
                  in->line.where.line, what, source);
    }
    return error_word(in, word->offset, err);
}

/* Relative to the root of the source, whatever it was written like; the root itself is ".". */
static const char *clean_source(struct lowering *l, const char *source)
{
    auto_free char *rooted = xasprintf("/%s", source);
    auto_free char *clean = path_clean(rooted);
    return arena_strdup(l->arena, clean[1] ? clean + 1 : ".");
}

/* The slash (or "/.") at the end says that a directory is meant, so it stays. */
static const char *make_dest(struct lowering *l, const struct stage_state *s, const char *dest)
{
    auto_free char *path = path_absolute(stage_working_dir(s), dest);
    bool folder =
        !*dest || strcmp(dest, ".") == 0 || str_ends_with(dest, "/") || str_ends_with(dest, "/.");
    return arena_printf(l->arena, "%s%s", path, folder && path[1] ? "/" : "");
}

static int source_vertex(struct lowering *l, struct stage_state *s, const struct instruction *in,
                         struct vertex **out, struct error *err)
{
    const struct flag *from = instruction_flag(in, FLAG_FROM);
    struct stage_state *stage = NULL;
    if (!from)
        return from_source(l, s, NULL, in, out, err);
    TRY(stages_find_from(l, s, in, &stage, err));
    if (!stage)
        return from_source(l, s, from->value, in, out, err);
    *out = stage->root;
    return 0;
}

static char *created_by(const struct instruction *in, const struct op_copy *op,
                        const char *const *words)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_free char *paths = list_join(words);
    strbuf_addstr(&text, in->verb->name);
    if (op->chown)
        strbuf_addf(&text, " --chown=%s", op->chown);
    if (op->chmod)
        strbuf_addf(&text, " --chmod=%s", op->chmod);
    strbuf_addf(&text, " %s # buildkit", paths);
    return strbuf_detach(&text);
}

/* All words expanded, the destination last. */
static int expand_paths(struct lowering *l, struct stage_state *s, const struct instruction *in,
                        const char *const **out, struct error *err)
{
    const char **words = arena_alloc(l->arena, in->word_count + 1, sizeof *words);
    for (size_t i = 0; i < in->word_count; i++) {
        TRY(stage_expand(l, s, in, &in->words[i], &words[i], err));
        if (i + 1 < in->word_count)
            TRY(check_source(in, &in->words[i], words[i], err));
    }
    *out = words;
    return 0;
}

static void set_paths(struct lowering *l, const struct stage_state *s, const struct instruction *in,
                      const char *const *words, struct op_copy *op)
{
    size_t count = in->word_count - 1;
    struct copy_source *sources = arena_alloc(l->arena, count, sizeof *sources);
    for (size_t i = 0; i < count; i++) {
        sources[i] = (struct copy_source){ .input = 1,
                                           .path = clean_source(l, words[i]),
                                           .unpack = in->verb->kind == VERB_ADD };
        if (!op->missing_hint && !instruction_flag(in, FLAG_FROM))
            op->missing_hint = hints_find(l, sources[i].path, words[count]);
    }
    op->sources = sources;
    op->source_count = count;
    op->dest = make_dest(l, s, words[count]);
}

int lower_copy(struct lowering *l, struct stage_state *s, const struct instruction *in,
               struct error *err)
{
    struct op_copy op = { 0 };
    const char *const *words = NULL;
    struct vertex *from = NULL;
    TRY(lower_flags(l, s, in, &op, err));
    TRY(expand_paths(l, s, in, &words, err));
    TRY(source_vertex(l, s, in, &from, err));
    set_paths(l, s, in, words, &op);

    const char *name = stage_step_name(l, s, stage_step_text(l, s, in));
    s->root = graph_add(&l->out->graph, &(struct vertex){ .kind = OP_COPY,
                                                          .name = name,
                                                          .where = in->line.where,
                                                          .inputs = VERTICES(s->root, from),
                                                          .input_count = 2,
                                                          .no_cache = s->no_cache,
                                                          .copy = op });
    auto_free char *text = created_by(in, &op, words);
    stage_add_history(l, s, text, s->root);
    return 0;
}
