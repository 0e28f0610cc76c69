/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/platform.h"

#include <ctype.h>
#include <sys/utsname.h>

#include "lib/base/str.h"

static const struct alias {
    const char *name, *arch, *variant; /* variant NULL: whatever was given stays */
} aliases[] = {
    { "x86_64", "amd64", NULL },  { "x86-64", "amd64", NULL }, { "i386", "386", "" },
    { "i486", "386", "" },        { "i586", "386", "" },       { "i686", "386", "" },
    { "aarch64", "arm64", NULL }, { "armhf", "arm", "v7" },    { "armel", "arm", "v6" },
    { "armv7l", "arm", "v7" },    { "armv6l", "arm", "v6" },   { "armv8l", "arm", "v7" },
};

static const char *const known_os[] = { "linux",   "windows", "darwin",  "freebsd",
                                        "netbsd",  "openbsd", "solaris", "illumos",
                                        "android", "js",      "wasip1",  "plan9" };
static const char *const known_arch[] = { "386",     "amd64",   "arm",    "arm64",    "loong64",
                                          "mips",    "mipsle",  "mips64", "mips64le", "ppc64",
                                          "ppc64le", "riscv64", "s390x",  "wasm" };

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

static void set_field(char field[static PLATFORM_FIELD], const char *value)
{
    snprintf(field, PLATFORM_FIELD, "%s", value);
}

static void lower(char *field)
{
    for (; *field; field++)
        *field = (char)tolower((unsigned char)*field);
}

/* The variant that an architecture without one stands for, 0 if it has no such numbers. */
static int default_level(const char *arch)
{
    static const struct {
        const char *arch;
        int level;
    } rows[] = { { "amd64", 1 }, { "arm", 7 }, { "arm64", 8 } };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(arch, rows[i].arch) == 0)
            return rows[i].level;
    return 0;
}

void platform_normalize(struct platform *p)
{
    lower(p->os);
    lower(p->arch);
    lower(p->variant);
    if (strcmp(p->os, "macos") == 0)
        set_field(p->os, "darwin");
    for (size_t i = 0; i < COUNT(aliases); i++) {
        if (strcmp(p->arch, aliases[i].name) != 0)
            continue;
        set_field(p->arch, aliases[i].arch);
        if (aliases[i].variant)
            set_field(p->variant, aliases[i].variant);
        break;
    }
    int level = default_level(p->arch);
    if (level != 0 && isdigit((unsigned char)p->variant[0]) && p->variant[1] == '\0') {
        char digit = p->variant[0];
        snprintf(p->variant, sizeof p->variant, "v%c", digit);
    }
    /* "arm" alone means v7 and says so; the others' default goes without saying */
    if (strcmp(p->arch, "arm") == 0 && p->variant[0] == '\0')
        set_field(p->variant, "v7");
    else if ((strcmp(p->arch, "arm64") == 0 && strcmp(p->variant, "v8") == 0) ||
             (strcmp(p->arch, "amd64") == 0 && strcmp(p->variant, "v1") == 0))
        p->variant[0] = '\0';
}

struct platform platform_host(void)
{
    struct utsname name;
    struct platform p = { .os = "linux", .arch = "amd64" };

    if (uname(&name) == 0)
        snprintf(p.arch, sizeof p.arch, "%.*s", PLATFORM_FIELD - 1, name.machine);
    platform_normalize(&p);
    return p;
}

#define PLATFORM_HINT "write os/architecture[/variant], for example linux/arm64"

static bool field_is_valid(struct str field)
{
    for (size_t i = 0; i < field.len; i++)
        if (!isalnum((unsigned char)field.ptr[i]) && !strchr("_.-", field.ptr[i]))
            return false;
    return field.len > 0 && field.len < PLATFORM_FIELD;
}

static int bad_platform(const char *text, struct error *err)
{
    error_set(err, ERROR_USER, 0, "invalid platform \"%s\"", text);
    return error_hint(err, PLATFORM_HINT);
}

static int bad_field(struct str field, const char *text, struct error *err)
{
    error_set(err, ERROR_USER, 0,
              "\"%.*s\" is an invalid component of \"%s\": platform specifier component must match "
              "\"^[A-Za-z0-9_.-]+$\"",
              (int)field.len, field.ptr, text);
    return error_hint(err, PLATFORM_HINT);
}

int platform_parse(const char *text, struct platform *out, struct error *err)
{
    struct platform p = { 0 };
    char *const fields[] = { p.os, p.arch, p.variant };
    struct str rest = str_of(text);
    size_t count = 0;

    if (strcmp(text, "local") == 0) {
        *out = platform_host();
        return 0;
    }
    for (bool more = true; more; count++) {
        more = memchr(rest.ptr, '/', rest.len) != NULL;
        struct str field = str_cut(&rest, '/');
        if (count == COUNT(fields))
            return bad_platform(text, err);
        if (!field_is_valid(field))
            return bad_field(field, text, err);
        memcpy(fields[count], field.ptr, field.len);
    }
    if (count == 1) {
        struct platform host = platform_host();
        struct platform as_arch = { .os = "linux" };
        set_field(as_arch.arch, p.os);
        platform_normalize(&as_arch);
        platform_normalize(&p);
        if (is_one_of(p.os, known_os, COUNT(known_os))) {
            set_field(p.arch, host.arch);
            set_field(p.variant, host.variant);
        } else if (is_one_of(as_arch.arch, known_arch, COUNT(known_arch))) {
            p = as_arch;
        } else {
            error_set(err, ERROR_USER, 0,
                      "\"%s\" is neither an operating system nor an architecture", text);
            return error_hint(err, PLATFORM_HINT);
        }
    }
    platform_normalize(&p);
    *out = p;
    return 0;
}

void platform_print(const struct platform *p, char text[static PLATFORM_TEXT_SIZE])
{
    snprintf(text, PLATFORM_TEXT_SIZE, "%s/%s%s%s", p->os, p->arch, p->variant[0] ? "/" : "",
             p->variant);
}

/* The number in "v7"; without a variant the default one, -1 if it has no number. */
static int variant_level(const struct platform *p)
{
    uint64_t level = 0;

    if (p->variant[0] == '\0')
        return default_level(p->arch);
    if (p->variant[0] != 'v' || !str_to_u64(str_of(p->variant + 1), 10, 99, &level))
        return -1;
    return (int)level;
}

int platform_match(const struct platform *wanted, const struct platform *offered)
{
    enum { EXACT = 1000 };
    struct platform w = *wanted;
    struct platform o = *offered;

    platform_normalize(&w);
    platform_normalize(&o);
    if (strcmp(w.os, o.os) != 0 || strcmp(w.arch, o.arch) != 0)
        return 0;
    if (strcmp(w.variant, o.variant) == 0)
        return EXACT;
    if (default_level(w.arch) == 0)
        return 0;
    int top = variant_level(&w);
    int level = variant_level(&o);
    return level > 0 && level <= top ? 1 + level : 0;
}
