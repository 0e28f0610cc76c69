/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/run_settings_internal.h"

#include <strings.h>
#include <sys/resource.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

#ifndef RLIMIT_LOCKS
#define RLIMIT_LOCKS 10
#endif

enum { NO_NUMBER = -1 };

/* Bytes: a number with b, k, m, g, t, kb, kib ..., powers of 1024. */
static bool parse_bytes(const char *text, uint64_t *out)
{
    static const char units[] = "bkmgt";
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;
    if (!str_to_u64((struct str){ text, digits }, 10, INT64_MAX, out))
        return false;
    if (!*unit)
        return true;
    const char *at = strchr(units, unit[0] | 0x20);
    if (!at || !*at ||
        (unit[1] && strcasecmp(unit + 1, "b") != 0 && strcasecmp(unit + 1, "ib") != 0))
        return false;
    unsigned shift = (unsigned)(at - units) * 10;
    if (*out > (UINT64_C(1) << 62) >> shift)
        return false;
    *out <<= shift;
    return true;
}

static int read_shm_size(const char *text, struct run_settings *s, struct strbuf *key,
                         struct error *err)
{
    uint64_t size = 0;
    if (!text)
        return 0;
    if (!parse_bytes(text, &size) || size == 0)
        return error_set(err, ERROR_USAGE, 0, "--shm-size %s: not a size, as 64m or 1g", text);
    s->sandbox.shm_size = (unsigned long)size;
    strbuf_addf(key, "shm-size=%lu\n", s->sandbox.shm_size);
    return 0;
}

static const struct {
    const char *name;
    int resource;
} limit_names[] = {
    { "core", RLIMIT_CORE },         { "cpu", RLIMIT_CPU },
    { "data", RLIMIT_DATA },         { "fsize", RLIMIT_FSIZE },
    { "locks", RLIMIT_LOCKS },       { "memlock", RLIMIT_MEMLOCK },
    { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
    { "nofile", RLIMIT_NOFILE },     { "nproc", RLIMIT_NPROC },
    { "rss", RLIMIT_RSS },           { "rtprio", RLIMIT_RTPRIO },
    { "rttime", RLIMIT_RTTIME },     { "sigpending", RLIMIT_SIGPENDING },
    { "stack", RLIMIT_STACK },
};

static bool parse_limit(struct str text, uint64_t *out)
{
    if (str_equal(text, STR("-1")) || str_equal(text, STR("unlimited"))) {
        *out = UINT64_MAX;
        return true;
    }
    return str_to_u64(text, 10, INT64_MAX, out);
}

static int find_resource(const char *option, struct str name, struct error *err)
{
    const char *known[COUNT(limit_names)];
    for (size_t i = 0; i < COUNT(limit_names); i++) {
        if (str_equal(name, str_of(limit_names[i].name)))
            return limit_names[i].resource;
        known[i] = limit_names[i].name;
    }
    auto_free char *word = xstrndup(name.ptr, name.len);
    const char *near = str_nearest(word, known, COUNT(known));
    error_set(err, ERROR_USAGE, 0, "--ulimit %s: invalid ulimit type: %s", option, word);
    if (near)
        error_hint(err, "did you mean %s?", near);
    return NO_NUMBER;
}

static int add_limit(const char *text, struct run_settings *s, struct strbuf *key,
                     struct error *err)
{
    struct str values = str_of(text);
    struct str name = str_cut(&values, '=');
    struct str hard = values;
    struct str soft = str_cut(&hard, ':');
    struct sandbox_limit limit = { .resource = find_resource(text, name, err) };
    if (limit.resource == NO_NUMBER)
        return -1;
    if (!parse_limit(soft, &limit.soft) || !parse_limit(hard.len ? hard : soft, &limit.hard)) {
        error_set(err, ERROR_USAGE, 0, "--ulimit %s: invalid ulimit argument", text);
        return error_hint(err, "TYPE=SOFT[:HARD], as in nofile=1024:4096");
    }
    if (limit.soft > limit.hard) {
        return error_set(err, ERROR_USAGE, 0,
                         "--ulimit %s: ulimit soft limit must be less than or equal to hard limit",
                         text);
    }
    GROW(s->limits, s->sandbox.limit_count, s->limit_cap);
    s->limits[s->sandbox.limit_count++] = limit;
    s->sandbox.limits = s->limits;
    strbuf_addf(key, "ulimit=%s\n", text);
    return 0;
}

static const char *const cap_names[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

static int add_cap(const char *option, const char *word, uint64_t *mask, struct error *err)
{
    const char *name = strncasecmp(word, "CAP_", 4) == 0 ? word + 4 : word;
    if (strcasecmp(name, "ALL") == 0) {
        *mask = UINT64_MAX;
        return 0;
    }
    for (size_t i = 0; i < COUNT(cap_names); i++) {
        if (strcasecmp(name, cap_names[i]) != 0)
            continue;
        *mask |= UINT64_C(1) << i;
        return 0;
    }
    const char *near = str_nearest(name, cap_names, COUNT(cap_names));
    error_set(err, ERROR_USAGE, 0, "--%s %s: no capability is called that", option, word);
    return near ? error_hint(err, "did you mean %s?", near) : -1;
}

static int read_caps(const char *option, const struct strvec *texts, uint64_t *mask,
                     struct strbuf *key, struct error *err)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct str rest = str_of(texts->items[i]);
        while (rest.len) {
            struct str one = str_cut(&rest, ',');
            auto_free char *word = xstrndup(one.ptr, one.len);
            TRY(add_cap(option, word, mask, err));
        }
    }
    if (*mask)
        strbuf_addf(key, "%s=%llx\n", option, (unsigned long long)*mask);
    return 0;
}

/* What is asked for beside a drop of all is what is wanted, as in other builders. */
static int read_all_caps(const struct run_setting_texts *t, struct run_settings *s,
                         struct strbuf *key, struct error *err)
{
    struct sandbox_options *o = &s->sandbox;
    TRY(read_caps("cap-add", &t->cap_adds, &o->caps_added, key, err));
    TRY(read_caps("cap-drop", &t->cap_drops, &o->caps_dropped, key, err));
    if (o->caps_dropped == UINT64_MAX)
        o->caps_dropped &= ~o->caps_added;
    return 0;
}

static int read_security_opt(const char *text, struct run_settings *s, struct strbuf *key,
                             struct error *err)
{
    struct str value = str_of(text);
    size_t len = strcspn(text, "=:");
    struct str name = { text, len };
    value = (struct str){ text + len + (text[len] ? 1 : 0), strlen(text + len + !!text[len]) };
    bool is_unconfined = str_equal(value, STR("unconfined"));
    if (str_equal(name, STR("seccomp"))) {
        if (!is_unconfined) {
            return error_set(err, ERROR_UNSUPPORTED, 0,
                             "--security-opt %s: there is one seccomp filter; it can only be "
                             "switched off, with seccomp=unconfined",
                             text);
        }
        s->sandbox.unconfined = true;
        strbuf_addstr(key, "seccomp=unconfined\n");
        return 0;
    }
    if (str_equal(name, STR("no-new-privileges"))) {
        s->sandbox.no_new_privs = !str_equal(value, STR("false"));
        strbuf_addstr(key, s->sandbox.no_new_privs ? "no-new-privileges\n" : "");
        return 0;
    }
    /* What is so in any case. */
    if ((str_equal(name, STR("apparmor")) && is_unconfined) ||
        (str_equal(name, STR("label")) && str_equal(value, STR("disable"))))
        return 0;
    if (str_equal(name, STR("apparmor")) || str_equal(name, STR("label"))) {
        return error_set(err, ERROR_UNSUPPORTED, 0,
                         "--security-opt %s: steps are under the profile and label that mlbuild "
                         "itself is under",
                         text);
    }
    return error_set(err, ERROR_USAGE, 0, "--security-opt %s: unknown", text);
}

int run_texts_read(const struct strvec *texts, read_text_fn *read, struct run_settings *s,
                   struct strbuf *key, struct error *err)
{
    for (size_t i = 0; i < texts->count; i++)
        TRY(read(texts->items[i], s, key, err));
    return 0;
}

int run_limits_read(const struct run_setting_texts *texts, struct run_settings *s,
                    struct strbuf *key, struct error *err)
{
    TRY(read_shm_size(texts->shm_size, s, key, err));
    TRY(run_texts_read(&texts->ulimits, add_limit, s, key, err));
    TRY(read_all_caps(texts, s, key, err));
    return run_texts_read(&texts->security_opts, read_security_opt, s, key, err);
}
