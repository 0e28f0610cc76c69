/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "frontend/dockerfile/dockerfile.h"
#include "frontend/dockerfile/flags.h"
#include "frontend/dockerfile/heredoc.h"
#include "frontend/dockerfile/run_flags.h"
#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"

struct parser {
    struct arena *arena;
    char escape;
    struct line_reader *reader;     /* stands behind the instruction: here-documents follow there */
    struct heredoc_opener *openers; /* in the instruction's text */
    size_t opener_count, opener_seen;
};

typedef int grammar_fn(struct parser *p, struct instruction *in, struct str rest,
                       struct error *err);

struct word_list {
    struct word *items;
    size_t count, cap;
};

static void word_add(struct parser *p, struct instruction *in, struct word_list *list,
                     struct str text)
{
    GROW(list->items, list->count, list->cap);
    list->items[list->count++] = (struct word){ .text = arena_strndup(p->arena, text.ptr, text.len),
                                                .offset = (size_t)(text.ptr - in->line.text) };
}

static void words_keep(struct parser *p, struct instruction *in, struct word_list *list)
{
    struct word *kept = arena_alloc(p->arena, list->count, sizeof *kept);
    if (list->count)
        memcpy(kept, list->items, list->count * sizeof *kept);
    in->words = kept;
    in->word_count = list->count;
    free(list->items);
}

static int error_in(const struct instruction *in, size_t offset, struct error *err)
{
    return error_at(err, instruction_at(in, offset));
}

/* 1: it was a JSON array; 0: it was not. */
static int try_json(struct parser *p, struct instruction *in, struct str rest, struct error *err)
{
    auto_(strvec) struct strvec texts = { 0 };
    auto_free size_t *offsets = NULL;
    size_t base = (size_t)(rest.ptr - in->line.text);
    switch (words_parse_json(rest, &texts, &offsets)) {
    case JSON_WORDS_NONE: return 0;
    case JSON_WORDS_NOT_TEXT:
        error_set(err, ERROR_USER, 0, "%s: array elements must be strings", in->verb->name);
        return error_in(in, base, err);
    case JSON_WORDS_OK: break;
    }
    struct word *words = arena_alloc(p->arena, texts.count, sizeof *words);
    for (size_t i = 0; i < texts.count; i++)
        words[i] = (struct word){ .text = arena_strdup(p->arena, texts.items[i]),
                                  .offset = base + offsets[i] };
    in->words = words;
    in->word_count = texts.count;
    in->json = true;
    return 1;
}

static int parse_text(struct parser *p, struct instruction *in, struct str rest, struct error *err)
{
    struct word_list list = { 0 };
    (void)err;
    if (rest.len)
        word_add(p, in, &list, rest);
    words_keep(p, in, &list);
    return 0;
}

/* If a here-document is opened where `word` starts, takes all of the opener: `<< "a b"` is one
 * word.
 */
static struct str complete_opener(struct parser *p, struct str word, size_t index, struct str *rest)
{
    while (p->opener_seen < p->opener_count && p->openers[p->opener_seen].word.ptr < word.ptr)
        p->opener_seen++;
    if (p->opener_seen == p->opener_count || p->openers[p->opener_seen].word.ptr != word.ptr)
        return word;
    struct heredoc_opener *opener = &p->openers[p->opener_seen];
    const char *end = rest->ptr + rest->len;
    opener->index = index;
    rest->ptr = opener->word.ptr + opener->word.len;
    rest->len = (size_t)(end - rest->ptr);
    return opener->word;
}

static int parse_words(struct parser *p, struct instruction *in, struct str rest, struct error *err)
{
    struct word_list list = { 0 };
    struct str word = { 0 };
    (void)err;
    while (words_next(&rest, &word))
        word_add(p, in, &list, complete_opener(p, word, list.count, &rest));
    words_keep(p, in, &list);
    return 0;
}

static int parse_command(struct parser *p, struct instruction *in, struct str rest,
                         struct error *err)
{
    int json = try_json(p, in, rest, err);
    return json == 0 ? parse_text(p, in, rest, err) : json < 0 ? -1 : 0;
}

static int parse_list(struct parser *p, struct instruction *in, struct str rest, struct error *err)
{
    int json = try_json(p, in, rest, err);
    return json == 0 ? parse_words(p, in, rest, err) : json < 0 ? -1 : 0;
}

static int parse_legacy_pair(struct parser *p, struct instruction *in, struct str name,
                             struct str value, struct error *err)
{
    struct word_list list = { 0 };
    value = str_trim(value, WHITESPACE);
    if (value.len == 0) {
        error_set(err, ERROR_USER, 0, "%s must have two arguments", in->verb->name);
        return error_in(in, (size_t)(name.ptr - in->line.text), err);
    }
    word_add(p, in, &list, name);
    list.items[0].value = arena_strndup(p->arena, value.ptr, value.len);
    in->legacy = true;
    words_keep(p, in, &list);
    return 0;
}

/* Splits each word at its first '='. */
static int split_pairs(struct instruction *in, struct word_list *list, bool need_value,
                       struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct word *w = &list->items[i];
        char *equals = strchr((char *)w->text, '=');
        if (!equals && !need_value)
            continue;
        if (!equals) {
            error_set(err, ERROR_USER, 0,
                      "Syntax error - can't find = in \"%s\". Must be of the form: name=value",
                      w->text);
            return error_in(in, w->offset, err);
        }
        if (equals == w->text) {
            error_set(err, ERROR_USER, 0, "%s names can not be blank", in->verb->name);
            return error_in(in, w->offset, err);
        }
        *equals = '\0';
        w->value = equals + 1;
    }
    return 0;
}

static int parse_pair_words(struct parser *p, struct instruction *in, struct str rest,
                            bool need_value, struct error *err)
{
    struct word_list list = { 0 };
    struct str word = { 0 };
    while (words_next_quoted(&rest, p->escape, &word))
        word_add(p, in, &list, word);
    int rc = split_pairs(in, &list, need_value, err);
    words_keep(p, in, &list);
    return rc;
}

static int parse_pairs(struct parser *p, struct instruction *in, struct str rest, struct error *err)
{
    struct str ahead = rest;
    struct str first = { 0 };
    if (!words_next_quoted(&ahead, p->escape, &first))
        return 0;
    if (!memchr(first.ptr, '=', first.len)) {
        words_next(&rest, &first);
        return parse_legacy_pair(p, in, first, rest, err);
    }
    return parse_pair_words(p, in, rest, true, err);
}

static int parse_args(struct parser *p, struct instruction *in, struct str rest, struct error *err)
{
    return parse_pair_words(p, in, rest, false, err);
}

static int parse_healthcheck(struct parser *p, struct instruction *in, struct str rest,
                             struct error *err)
{
    struct str type = { 0 };
    if (!words_next(&rest, &type)) {
        error_set(err, ERROR_USER, 0, "HEALTHCHECK requires at least one argument");
        return error_in(in, 0, err);
    }
    TRY(parse_command(p, in, str_trim(rest, WHITESPACE), err));
    struct word *words = arena_alloc(p->arena, in->word_count + 1, sizeof *words);
    words[0] = (struct word){ .text = arena_strndup(p->arena, type.ptr, type.len),
                              .offset = (size_t)(type.ptr - in->line.text) };
    if (in->word_count)
        memcpy(words + 1, in->words, in->word_count * sizeof *words);
    in->words = words;
    in->word_count++;
    return 0;
}

static int unknown_instruction(struct instruction *in, struct str word, struct error *err)
{
    auto_free char *text = xstrndup(word.ptr, word.len);
    const char *near = verb_nearest(text);
    error_set(err, ERROR_USER, 0, "unknown instruction: %s", text);
    if (near)
        error_hint(err, "did you mean %s?", near);
    return error_in(in, in->offset, err);
}

static int read_heredocs(struct parser *p, struct instruction *in, struct error *err)
{
    struct heredoc *docs = arena_alloc(p->arena, p->opener_count, sizeof *docs);
    if (in->json)
        return 0;
    for (size_t i = 0; i < p->opener_count; i++) {
        TRY(heredoc_read(&p->openers[i], p->reader, p->arena, &docs[i], err));
        docs[i].word = p->openers[i].index;
        in->line.where.end_line = p->reader->next - 1;
        bool copies = in->verb->grammar == GRAMMAR_LIST;
        if (copies && in->word_count > 1 && docs[i].word == in->word_count - 1) {
            error_set(err, ERROR_USER, 0, "%s cannot accept a heredoc as a destination",
                      in->verb->name);
            return error_in(in, in->words[docs[i].word].offset, err);
        }
    }
    in->heredocs = docs;
    in->heredoc_count = p->opener_count;
    return 0;
}

/* Whether an instruction has as many words as it needs. */
static int check_words(const struct instruction *i, struct error *err)
{
    switch (i->verb->kind) {
    case VERB_ARG:
    case VERB_ENV:
    case VERB_EXPOSE:
    case VERB_LABEL:
    case VERB_VOLUME:
        if (i->word_count == 0)
            error_set(err, ERROR_USER, 0, "%s requires at least one argument", i->verb->name);
        break;
    case VERB_MAINTAINER:
    case VERB_STOPSIGNAL:
    case VERB_USER:
    case VERB_WORKDIR:
        if (i->word_count == 0)
            error_set(err, ERROR_USER, 0, "%s requires exactly one argument", i->verb->name);
        break;
    case VERB_ADD:
    case VERB_COPY:
        if (i->word_count < 2) {
            error_set(err, ERROR_USER, 0,
                      "%s requires at least two arguments, but only one was provided. Destination "
                      "could not be determined",
                      i->verb->name);
        }
        break;
    case VERB_SHELL:
        if (!i->json || i->word_count == 0)
            error_set(err, ERROR_USER, 0, "SHELL requires the arguments to be in JSON form");
        break;
    case VERB_RUN:
        if (i->json && i->word_count == 0)
            error_set(err, ERROR_USER, 0, "RUN requires a command: [] is empty");
        break;
    case VERB_CMD:
    case VERB_ENTRYPOINT:
    case VERB_FROM:
    case VERB_HEALTHCHECK:
    case VERB_ONBUILD:
    case VERB_COUNT: break;
    }
    return error_is_set(err) ? error_in(i, i->offset, err) : 0;
}

/* Reads verb and flags, the same for all instructions; leaves the rest in `text`. */
static int parse_head(struct parser *p, struct instruction *in, struct str *text, struct error *err)
{
    struct str word = { 0 };
    words_next(text, &word);
    in->spelling = arena_strndup(p->arena, word.ptr, word.len);
    in->offset = (size_t)(word.ptr - in->line.text);
    in->verb = verb_find(word);
    if (!in->verb)
        return unknown_instruction(in, word, err);
    *text = str_trim(*text, WHITESPACE);
    TRY(flags_parse(in, text, p->escape, p->arena, err));
    in->rest = arena_strndup(p->arena, text->ptr, text->len);
    in->rest_offset = (size_t)(text->ptr - in->line.text);
    return 0;
}

static grammar_fn parse_onbuild;

static grammar_fn *const grammars[] = {
    [GRAMMAR_COMMAND] = parse_command, [GRAMMAR_LIST] = parse_list,
    [GRAMMAR_WORDS] = parse_words,     [GRAMMAR_TEXT] = parse_text,
    [GRAMMAR_PAIRS] = parse_pairs,     [GRAMMAR_ARGS] = parse_args,
    [GRAMMAR_ONBUILD] = parse_onbuild, [GRAMMAR_HEALTHCHECK] = parse_healthcheck,
};

/* `text` is a part of in->line.text. */
static int parse_instruction(struct parser *p, struct instruction *in, struct str text,
                             struct error *err)
{
    struct run_flags ignored;
    TRY(parse_head(p, in, &text, err));
    p->opener_count = p->opener_seen = 0;
    if (in->verb->properties & VERB_HEREDOC)
        p->opener_count = heredoc_find(text, p->arena, &p->openers);
    TRY(grammars[in->verb->grammar](p, in, text, err));
    if (in->verb->kind == VERB_RUN)
        TRY(run_flags_parse(in, p->arena, &ignored, err));
    TRY(check_words(in, err));
    return in->inner ? 0 : read_heredocs(p, in, err);
}

static int not_a_trigger(const struct verb *verb, struct error *err)
{
    return error_set(err, ERROR_USER, 0,
                     verb->kind == VERB_ONBUILD ? "Chaining ONBUILD via `ONBUILD %s` isn't allowed"
                                                : "%s isn't allowed as an ONBUILD trigger",
                     verb->name);
}

static int parse_onbuild(struct parser *p, struct instruction *in, struct str rest,
                         struct error *err)
{
    if (rest.len == 0) {
        error_set(err, ERROR_USER, 0, "ONBUILD requires at least one argument");
        return error_in(in, 0, err);
    }
    struct str ahead = rest;
    struct str word = { 0 };
    words_next(&ahead, &word);
    const struct verb *verb = verb_find(word);
    if (verb && verb->properties & VERB_NOT_IN_ONBUILD) {
        not_a_trigger(verb, err);
        return error_in(in, in->rest_offset, err);
    }
    struct instruction *inner = ARENA_NEW(p->arena, struct instruction);
    inner->line = in->line;
    inner->line.comment_count = 0;
    in->inner = inner;
    TRY(parse_instruction(p, inner, rest, err));
    in->line.where = inner->line.where;
    return 0;
}

/* All places in it are `where`. */
static int parse_trigger(const char *text, struct position where, struct arena *arena,
                         const struct instruction **out, struct error *err)
{
    struct source source;
    struct line_reader reader;
    struct parser p = { .arena = arena, .escape = '\\', .reader = &reader };
    struct instruction *in = ARENA_NEW(arena, struct instruction);
    TRY(source_init(&source, arena, str_of(text), "ONBUILD", err));
    TRY(line_reader_init(&reader, &source, arena, err));
    if (!line_reader_next(&reader, &in->line))
        return error_set(err, ERROR_USER, 0, "it is empty");
    in->line.pieces = NULL;
    in->line.piece_count = 0;
    in->line.where = where;
    TRY(parse_instruction(&p, in, str_of(in->line.text), err));
    if (in->verb->properties & VERB_NOT_IN_ONBUILD)
        return not_a_trigger(in->verb, err);
    in->line.where = where;
    struct logical_line more;
    if (line_reader_next(&reader, &more))
        return error_set(err, ERROR_USER, 0, "onbuild trigger should be a single expression");
    *out = in;
    return 0;
}

int dockerfile_parse_trigger(const char *text, struct position where, struct arena *arena,
                             const struct instruction **out, struct error *err)
{
    if (parse_trigger(text, where, arena, out, err) == 0)
        return 0;
    err->where = where;
    return -1;
}

struct instruction_list {
    struct instruction *items;
    size_t count, cap;
};

static int parse_failed(const struct logical_line *line, struct error *err)
{
    error_at(err, line->where);
    return error_wrap(err, "dockerfile parse error on line %d", line->where.line);
}

static int parse_lines(struct dockerfile *df, struct instruction_list *list, struct error *err)
{
    struct line_reader reader;
    TRY(line_reader_init(&reader, &df->source, &df->arena, err));
    df->directives = reader.directives;
    struct parser p = { .arena = &df->arena, .escape = df->directives.escape, .reader = &reader };
    struct logical_line line = { 0 };
    while (line_reader_next(&reader, &line)) {
        if (list->count == INSTRUCTIONS_MAX) {
            error_set(err, ERROR_USER, 0, "more than %d instructions", INSTRUCTIONS_MAX);
            return error_at(err, line.where);
        }
        GROW(list->items, list->count, list->cap);
        struct instruction *in = &list->items[list->count++];
        *in = (struct instruction){ .line = line };
        if (parse_instruction(&p, in, str_of(line.text), err) < 0)
            return parse_failed(&line, err);
    }
    return 0;
}

static bool is_stage_name(const char *name)
{
    if (!islower((unsigned char)name[0]))
        return false;
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0';
}

/* FROM image [AS name] */
static int parse_stage(struct dockerfile *df, struct stage *stage, const struct instruction *from,
                       struct error *err)
{
    const struct word *w = from->words;
    stage->from = from;
    if (from->word_count != 1 && (from->word_count != 3 || strcasecmp(w[1].text, "as") != 0)) {
        error_set(err, ERROR_USER, 0, "FROM requires either one or three arguments");
        error_hint(err, "write FROM image, or FROM image AS name");
        return error_in(from, from->word_count > 1 ? w[1].offset : 0, err);
    }
    if (from->word_count == 1)
        return 0;
    char *name = arena_strdup(&df->arena, w[2].text);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!is_stage_name(name)) {
        error_set(err, ERROR_USER, 0, "invalid name for build stage: \"%s\"", w[2].text);
        error_hint(err,
                   "a stage name starts with a letter and holds letters, digits, '-', '_' and '.'");
        return error_in(from, w[2].offset, err);
    }
    stage->name = name;
    return 0;
}

static int check_globals(const struct dockerfile *df, struct error *err)
{
    for (size_t i = 0; i < df->global_count; i++) {
        const struct instruction *in = &df->globals[i];
        if (in->verb->kind == VERB_ARG)
            continue;
        error_set(err, ERROR_USER, 0, "no build stage in current context: %s stands before FROM",
                  in->verb->name);
        return error_at(err, in->line.where);
    }
    return 0;
}

static int group_stages(struct dockerfile *df, const struct instruction *all, size_t count,
                        struct error *err)
{
    size_t stage_count = 0;
    for (size_t i = 0; i < count; i++)
        stage_count += all[i].verb->kind == VERB_FROM;
    struct stage *stages = arena_alloc(&df->arena, stage_count, sizeof *stages);
    df->globals = all;
    df->stages = stages;
    for (size_t i = 0; i < count; i++) {
        if (all[i].verb->kind == VERB_FROM) {
            struct stage *stage = &stages[df->stage_count];
            stage->index = (unsigned)df->stage_count++;
            stage->first = &all[i] + 1;
            if (parse_stage(df, stage, &all[i], err) < 0)
                return parse_failed(&all[i].line, err);
        } else if (df->stage_count) {
            stages[df->stage_count - 1].count++;
        } else {
            df->global_count++;
        }
    }
    TRY(check_globals(df, err));
    if (stage_count == 0)
        return error_set(err, ERROR_USER, 0,
                         "dockerfile contains no stages to build: %s has no FROM", df->source.name);
    return 0;
}

static int parse_all(struct dockerfile *df, struct instruction_list *list, struct error *err)
{
    TRY(parse_lines(df, list, err));
    if (list->count == 0)
        return error_set(err, ERROR_USER, 0, "file with no instructions: %s", df->source.name);
    struct instruction *kept = arena_alloc(&df->arena, list->count, sizeof *kept);
    memcpy(kept, list->items, list->count * sizeof *kept);
    return group_stages(df, kept, list->count, err);
}

int dockerfile_parse(const char *text, size_t len, const char *name, struct dockerfile **out,
                     struct error *err)
{
    if (len == 0)
        return error_set(err, ERROR_USER, 0, "the Dockerfile cannot be empty: %s", name);
    auto_(dockerfile) struct dockerfile *df = xcalloc(1, sizeof *df);
    struct instruction_list list = { 0 };
    TRY(source_init(&df->source, &df->arena, (struct str){ text, len }, name, err));
    int rc = parse_all(df, &list, err);
    free(list.items);
    if (rc == 0)
        *out = take_ptr(df);
    return rc;
}

void dockerfile_free(struct dockerfile *df)
{
    if (!df)
        return;
    arena_release(&df->arena);
    free(df);
}
