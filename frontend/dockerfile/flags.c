/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/flags.h"

#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"

enum { SPECS_MAX = 16 };

static const struct flag_spec *spec_find(const struct flag_spec *specs, struct str name)
{
    for (; specs->name; specs++)
        if (str_equal(str_of(specs->name), name))
            return specs;
    return NULL;
}

static int unknown_flag(const struct verb *verb, struct str name, struct error *err)
{
    const char *names[SPECS_MAX];
    size_t count = 0;
    for (const struct flag_spec *s = verb->flags; s->name; s++)
        names[count++] = s->name;
    auto_free char *text = xstrndup(name.ptr, name.len);
    const char *near = str_nearest(text, names, count);
    error_set(err, ERROR_USER, 0, "unknown flag: --%s", text);
    return near ? error_hint(err, "did you mean %s?", near) : -1;
}

static int check_value(const struct flag *f, struct error *err)
{
    const char *name = f->spec->name;
    if (f->spec->type == FLAG_BOOL) {
        if (!f->value || strcasecmp(f->value, "true") == 0 || strcasecmp(f->value, "false") == 0)
            return 0;
        if (!*f->value)
            return error_set(err, ERROR_USER, 0, "missing a value on flag: --%s", name);
        return error_set(err, ERROR_USER, 0, "expecting boolean value for flag --%s, not: %s", name,
                         f->value);
    }
    if (!f->value)
        return error_set(err, ERROR_USER, 0, "missing a value on flag: --%s", name);
    return 0;
}

static bool is_repeated(const struct flag *flags, size_t count, const struct flag *f)
{
    if (f->spec->type == FLAG_LIST)
        return false;
    for (size_t i = 0; i < count; i++)
        if (flags[i].spec == f->spec)
            return true;
    return false;
}

/* `text` is what follows the dashes. */
static int parse_flag(const struct verb *verb, const char *text, struct flag *f, struct error *err)
{
    struct str value = str_of(text);
    struct str name = str_cut(&value, '=');
    f->spec = spec_find(verb->flags, name);
    if (!f->spec)
        return unknown_flag(verb, name, err);
    f->value = name.len < strlen(text) ? value.ptr : NULL;
    return check_value(f, err);
}

int flags_parse(struct instruction *in, struct str *rest, char escape, struct arena *arena,
                struct error *err)
{
    struct flag found[256];
    size_t count = 0;
    for (;;) {
        *rest = str_trim(*rest, WHITESPACE);
        if (rest->len < 2 || rest->ptr[0] != '-' || rest->ptr[1] != '-')
            break;
        struct flag f = { .offset = (size_t)(rest->ptr - in->line.text) };
        const char *text = words_next_flag(rest, escape, arena) + 2;
        if (!*text)
            break;
        if (in->verb->properties & VERB_DROPS_FLAGS)
            continue;
        int rc = parse_flag(in->verb, text, &f, err);
        if (rc == 0 && is_repeated(found, count, &f))
            rc = error_set(err, ERROR_USER, 0, "duplicate flag specified: --%s", f.spec->name);
        if (rc == 0 && count == COUNT(found))
            rc = error_set(err, ERROR_USER, 0, "more than %zu flags", COUNT(found));
        if (rc < 0)
            return error_at(err, instruction_at(in, f.offset));
        found[count++] = f;
    }
    *rest = str_trim(*rest, WHITESPACE);
    struct flag *kept = arena_alloc(arena, count, sizeof *kept);
    if (count)
        memcpy(kept, found, count * sizeof *kept);
    in->flags = kept;
    in->flag_count = count;
    return 0;
}

const struct flag *instruction_flag(const struct instruction *in, enum flag_kind kind)
{
    for (size_t i = in->flag_count; i > 0; i--)
        if (in->flags[i - 1].spec->kind == kind)
            return &in->flags[i - 1];
    return NULL;
}
