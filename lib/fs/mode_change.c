/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/mode_change.h"

#include "lib/base/mem.h"
#include "lib/base/str.h"

enum {
    MODE_MAX = 07777,
    EXECUTE = 0111,
    SPECIAL = 06000, /* what "=" keeps on a directory */
};

/* The letters in front of an operator. */
static const struct {
    char letter;
    unsigned bits;
} classes[] = { { 'u', 04700 }, { 'g', 02070 }, { 'o', 01007 }, { 'a', 07777 } };

/* The letters behind it. */
static const struct {
    char letter;
    unsigned bits;
} permissions[] = { { 'r', 0444 }, { 'w', 0222 }, { 'x', 0111 }, { 's', 06000 }, { 't', 01000 } };

static unsigned class_bits(char letter)
{
    for (size_t i = 0; i < COUNT(classes); i++) {
        if (letter == classes[i].letter)
            return classes[i].bits;
    }
    return 0;
}

/* Nobody named means everybody. */
static unsigned parse_who(const char **p)
{
    unsigned who = 0;
    while (class_bits(**p))
        who |= class_bits(*(*p)++);
    return who ? who : MODE_MAX;
}

static bool parse_permission(char letter, struct mode_step *step)
{
    for (size_t i = 0; i < COUNT(permissions); i++) {
        if (letter == permissions[i].letter) {
            step->bits |= permissions[i].bits;
            return true;
        }
    }
    /* A class as permission means what that class has; "a" is none. */
    if (letter != 'a' && class_bits(letter)) {
        step->copied |= class_bits(letter) & 0777;
        return true;
    }
    step->search = step->search || letter == 'X';
    return letter == 'X';
}

/* "go=rX" or "u+x-w": classes, then one operator or more. */
static bool parse_clause(const char **p, struct mode_change *out)
{
    unsigned who = parse_who(p);
    if (!**p || !strchr("+-=", **p))
        return false;
    while (**p && strchr("+-=", **p)) {
        struct mode_step step = { .op = *(*p)++, .who = who };
        while (**p && !strchr("+-=,", **p)) {
            if (!parse_permission(*(*p)++, &step))
                return false;
        }
        GROW(out->steps, out->count, out->cap);
        out->steps[out->count++] = step;
    }
    return true;
}

static bool parse_symbolic(const char *p, struct mode_change *out)
{
    while (parse_clause(&p, out)) {
        if (!*p)
            return true;
        if (*p++ != ',')
            return false;
    }
    return false;
}

int mode_change_parse(const char *text, struct mode_change *out, struct error *err)
{
    uint64_t octal = 0;
    *out = (struct mode_change){ 0 };
    if (str_to_u64(str_of(text), 8, MODE_MAX, &octal)) {
        out->is_octal = true;
        out->octal = (unsigned)octal;
        return 0;
    }
    if (parse_symbolic(text, out))
        return 0;
    mode_change_release(out);
    error_set(err, ERROR_USER, 0,
              "invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777",
              text);
    return error_hint(err, "or symbolic, as chmod takes it: u=rwX,go=rX");
}

/* The permissions of class `from`, for everybody. */
static unsigned spread(unsigned mode, unsigned from)
{
    unsigned bits = 0;
    for (unsigned shift = 0; shift <= 6; shift += 3) {
        if (from & (07U << shift))
            bits |= (mode >> shift & 07U) * EXECUTE;
    }
    return bits;
}

unsigned mode_change_apply(const struct mode_change *change, unsigned mode, bool is_dir)
{
    bool searchable = is_dir || (mode & EXECUTE);
    mode &= MODE_MAX;
    if (change->is_octal)
        return change->octal;
    for (size_t i = 0; i < change->count; i++) {
        const struct mode_step *s = &change->steps[i];
        unsigned bits = s->bits | spread(mode, s->copied);
        if (s->search && searchable)
            bits |= EXECUTE;
        bits &= s->who;
        unsigned kept = is_dir && !(s->bits & SPECIAL) ? SPECIAL : 0;
        if (s->op == '=')
            mode &= ~s->who | kept;
        mode = s->op == '-' ? mode & ~bits : mode | bits;
    }
    return mode;
}

void mode_change_release(struct mode_change *change)
{
    free(change->steps);
    *change = (struct mode_change){ 0 };
}
