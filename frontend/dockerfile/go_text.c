/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/go_text.h"

#include <ctype.h>

#include "lib/base/cleanup.h"

static const struct unit {
    const char *name;
    int64_t ns;
} units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "\xc2\xb5s", 1000 },
    { "\xce\xbcs", 1000 },
    { "ms", 1000000 },
    { "s", 1000000000 },
    { "m", 60 * INT64_C(1000000000) },
    { "h", 3600 * INT64_C(1000000000) },
};

/* Bytes of the valid UTF-8 sequence at `s`, 0 if there is none. */
static size_t utf8_length(const unsigned char *s)
{
    size_t len = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (s[0] >= 0xf5)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool too_large = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || too_large ? 0 : len;
}

static unsigned utf8_code(const unsigned char *s, size_t len)
{
    unsigned code = len > 1 ? s[0] & (0x7fU >> len) : s[0];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (s[i] & 0x3fU);
    return code;
}

/* Not so: controls, formats, private use, every space but the first. What Unicode has not assigned
 * counts as printable here. */
static bool is_print(unsigned code)
{
    static const struct {
        unsigned first, last;
    } no[] = {
        { 0x80, 0xa0 },     { 0xad, 0xad },     { 0x600, 0x605 },     { 0x61c, 0x61c },
        { 0x6dd, 0x6dd },   { 0x70f, 0x70f },   { 0x890, 0x891 },     { 0x8e2, 0x8e2 },
        { 0x1680, 0x1680 }, { 0x180e, 0x180e }, { 0x2000, 0x200f },   { 0x2028, 0x202f },
        { 0x205f, 0x206f }, { 0x3000, 0x3000 }, { 0xe000, 0xf8ff },   { 0xfeff, 0xfeff },
        { 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0xe0000, 0xe00ff }, { 0xe01f0, 0x10ffff },
    };
    for (size_t i = 0; i < COUNT(no); i++) {
        if (code >= no[i].first && code <= no[i].last)
            return false;
    }
    return true;
}

void go_quote(struct strbuf *out, const char *text)
{
    static const char special[] = "\a\b\f\n\r\t\v\"\\";
    static const char letters[] = "abfnrtv\"\\";
    unsigned code = 0;
    strbuf_addch(out, '"');
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        const char *hit = strchr(special, *s);
        size_t len = *s >= 0x80 ? utf8_length(s) : 1;
        if (hit)
            strbuf_addf(out, "\\%c", letters[hit - special]);
        else if (len == 0 || *s < 0x20 || *s == 0x7f)
            strbuf_addf(out, "\\x%02x", *s);
        else if (len > 1 && !is_print(code = utf8_code(s, len)))
            strbuf_addf(out, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
        else
            strbuf_add(out, s, len);
        s += len ? len : 1;
    }
    strbuf_addch(out, '"');
}

static const struct unit *find_unit(struct str *rest)
{
    size_t len = 0;
    while (len < rest->len && !isdigit((unsigned char)rest->ptr[len]) && rest->ptr[len] != '.')
        len++;
    for (size_t i = 0; i < COUNT(units); i++) {
        if (str_equal(str_of(units[i].name), (struct str){ rest->ptr, len })) {
            rest->ptr += len;
            rest->len -= len;
            return &units[i];
        }
    }
    return NULL;
}

static struct str take_digits(struct str *rest)
{
    struct str digits = { rest->ptr, 0 };
    while (rest->len && isdigit((unsigned char)rest->ptr[0])) {
        rest->ptr++;
        rest->len--;
        digits.len++;
    }
    return digits;
}

/* One "1.5h" of a duration. */
static bool parse_part(struct str *rest, int64_t *total)
{
    uint64_t whole = 0;
    struct str before = take_digits(rest);
    struct str after = { rest->ptr, 0 };
    if (rest->len && rest->ptr[0] == '.') {
        rest->ptr++;
        rest->len--;
        after = take_digits(rest);
    }
    if (before.len + after.len == 0 || (before.len && !str_to_u64(before, 10, INT64_MAX, &whole)))
        return false;
    const struct unit *unit = find_unit(rest);
    int64_t value = 0;
    if (!unit || __builtin_mul_overflow((int64_t)whole, unit->ns, &value))
        return false;
    double scale = (double)unit->ns;
    double fraction = 0;
    for (size_t i = 0; i < after.len && i < 18; i++) {
        scale /= 10;
        fraction += (after.ptr[i] - '0') * scale;
    }
    return !__builtin_add_overflow(value, (int64_t)(fraction + 0.5), &value) &&
           !__builtin_add_overflow(*total, value, total);
}

bool go_duration_parse(const char *text, int64_t *out_ns)
{
    struct str rest = str_of(text);
    bool negative = rest.len && rest.ptr[0] == '-';
    int64_t total = 0;
    if (rest.len && (rest.ptr[0] == '-' || rest.ptr[0] == '+')) {
        rest.ptr++;
        rest.len--;
    }
    *out_ns = 0;
    if (str_equal(rest, STR("0")))
        return true;
    if (rest.len == 0)
        return false;
    while (rest.len)
        if (!parse_part(&rest, &total))
            return false;
    *out_ns = negative ? -total : total;
    return true;
}

/* `value` / `unit` with as many decimals as it needs. */
static void print_decimal(struct strbuf *out, int64_t value, int64_t unit, const char *name)
{
    strbuf_addf(out, "%lld", (long long)(value / unit));
    int64_t rest = value % unit;
    if (rest)
        strbuf_addch(out, '.');
    for (int64_t scale = unit / 10; rest; scale /= 10) {
        strbuf_addch(out, (char)('0' + rest / scale));
        rest %= scale;
    }
    strbuf_addstr(out, name);
}

void go_duration_print(struct strbuf *out, int64_t ns)
{
    const int64_t second = 1000000000;
    if (ns < 0) {
        strbuf_addch(out, '-');
        ns = -ns;
    }
    if (ns == 0) {
        strbuf_addstr(out, "0s");
    } else if (ns < 1000) {
        print_decimal(out, ns, 1, "ns");
    } else if (ns < 1000000) {
        print_decimal(out, ns, 1000, "\xc2\xb5s");
    } else if (ns < second) {
        print_decimal(out, ns, 1000000, "ms");
    } else {
        int64_t minutes = ns / (60 * second);
        if (minutes >= 60)
            strbuf_addf(out, "%lldh", (long long)(minutes / 60));
        if (minutes)
            strbuf_addf(out, "%lldm", (long long)(minutes % 60));
        print_decimal(out, ns % (60 * second), second, "s");
    }
}

bool go_bool_parse(const char *text, bool *out)
{
    static const char *const words[] = { "0", "f", "F", "false", "FALSE", "False",
                                         "1", "t", "T", "true",  "TRUE",  "True" };
    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i >= COUNT(words) / 2;
            return true;
        }
    }
    return false;
}

/* "", "b", "k", "kb", "KiB": the power of two in *out. */
static bool parse_size_unit(struct str unit, unsigned *out)
{
    static const char letters[] = "kmgtp";
    const char *hit = unit.len ? strchr(letters, tolower((unsigned char)unit.ptr[0])) : NULL;
    *out = 0;
    if (hit && *hit) {
        *out = 10 * (unsigned)(hit - letters + 1);
        unit.ptr++;
        unit.len--;
        if (unit.len && tolower((unsigned char)unit.ptr[0]) == 'i') {
            unit.ptr++;
            unit.len--;
        }
    }
    return unit.len == 0 || (unit.len == 1 && tolower((unsigned char)unit.ptr[0]) == 'b');
}

bool go_size_parse(const char *text, uint64_t *out)
{
    struct str rest = str_of(text);
    struct str before = take_digits(&rest);
    struct str after = { rest.ptr, 0 };
    unsigned shift = 0;
    uint64_t whole = 0;
    if (rest.len && rest.ptr[0] == '.') {
        rest.ptr++;
        rest.len--;
        after = take_digits(&rest);
        if (after.len == 0)
            return false;
    }
    if (rest.len && rest.ptr[0] == ' ') {
        rest.ptr++;
        rest.len--;
    }
    if (!parse_size_unit(rest, &shift) || !str_to_u64(before, 10, INT64_MAX >> shift, &whole))
        return false;
    double scale = (double)(UINT64_C(1) << shift);
    double fraction = 0;
    for (size_t i = 0; i < after.len && i < 18; i++) {
        scale /= 10;
        fraction += (after.ptr[i] - '0') * scale;
    }
    *out = (whole << shift) + (uint64_t)fraction;
    return true;
}
