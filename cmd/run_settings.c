/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/run_settings.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <strings.h>
#include <sys/resource.h>

#include "frontend/dockerfile/lower.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

#ifndef RLIMIT_LOCKS
#define RLIMIT_LOCKS 10
#endif

enum { HOST_NAME_LIMIT = 64, NO_NUMBER = -1 };

static bool is_address(const char *text)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* A host name that cannot break out of its line. */
static bool is_host_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= ' ' || c == '#' || c == 127)
            return false;
    }
    return name.len > 0;
}

/* "NAME:IP" or "NAME=IP"; names may be joined by ';'; the address may stand in brackets. */
static int add_host(struct str entry, struct run_settings *s, struct strbuf *key, struct error *err)
{
    size_t at = 0;
    while (at < entry.len && entry.ptr[at] != '=')
        at++;
    struct str address = entry;
    struct str names = str_cut(&address, at < entry.len ? '=' : ':');
    if (address.len > 2 && address.ptr[0] == '[' && address.ptr[address.len - 1] == ']')
        address = (struct str){ address.ptr + 1, address.len - 2 };
    /* A step on the host's network finds the host at its own loopback address. */
    if (str_equal(address, STR("host-gateway")))
        address = STR("127.0.0.1");
    auto_free char *text = xstrndup(address.ptr, address.len);
    bool valid = names.len > 0 && is_address(text);
    while (valid && names.len) {
        struct str name = str_cut(&names, ';');
        valid = is_host_name(name);
        strbuf_addf(&s->hosts, "%s\t%.*s\n", text, (int)name.len, name.ptr);
        strbuf_addf(key, "host=%.*s\n", (int)name.len, name.ptr);
    }
    if (valid)
        return 0;
    error_set(err, ERROR_USAGE, 0, "--add-host %.*s: invalid host", (int)entry.len, entry.ptr);
    return error_hint(err, "NAME:ADDRESS, as in db:10.0.0.5 or db=[2001:db8::5]");
}

static int read_hosts(const struct strvec *texts, struct run_settings *s, struct strbuf *key,
                      struct error *err)
{
    s->hosts = (struct strbuf)STRBUF_INIT;
    for (size_t i = 0; i < texts->count; i++) {
        struct str rest = str_of(texts->items[i]);
        do
            TRY(add_host(str_cut(&rest, ','), s, key, err));
        while (rest.len);
    }
    s->sandbox.extra_hosts = s->hosts.len ? s->hosts.buf : NULL;
    return 0;
}

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

static void add_volume(struct run_settings *s, struct sandbox_volume volume)
{
    GROW(s->volumes, s->sandbox.volume_count, s->volume_cap);
    s->volumes[s->sandbox.volume_count++] = volume;
    s->sandbox.volumes = s->volumes;
}

static int read_volume_flags(const char *text, struct str flags, bool *out_writable,
                             struct error *err)
{
    *out_writable = true;
    while (flags.len) {
        struct str flag = str_cut(&flags, ',');
        bool is_known =
            str_equal(flag, STR("rw")) || str_equal(flag, STR("z")) || str_equal(flag, STR("Z"));
        if (str_equal(flag, STR("ro"))) {
            *out_writable = false;
        } else if (!is_known) {
            return error_set(err, ERROR_UNSUPPORTED, 0,
                             "--volume %s: %.*s is not done; ro and rw are", text, (int)flag.len,
                             flag.ptr);
        }
    }
    return 0;
}

static int read_volume(const char *text, struct run_settings *s, struct strbuf *key,
                       struct error *err)
{
    struct str rest = str_of(text);
    struct str source = str_cut(&rest, ':');
    struct str target = str_cut(&rest, ':');
    struct sandbox_volume v = { 0 };
    if (!source.len || !target.len || target.ptr[0] != '/') {
        error_set(err, ERROR_USAGE, 0, "--volume %s: what is to be mounted where?", text);
        return error_hint(err, "HOST-PATH:/PATH/IN/STEP[:ro]");
    }
    TRY(read_volume_flags(text, rest, &v.writable, err));
    auto_free char *host = xstrndup(source.ptr, source.len);
    auto_free char *inside = xstrndup(target.ptr, target.len);
    auto_free char *real = realpath(host, NULL);
    auto_free char *clean = path_clean(inside);
    if (!real)
        return error_set(err, ERROR_USER, errno, "--volume %s", text);
    v.source = arena_strdup(&s->arena, real);
    v.target = arena_strdup(&s->arena, clean);
    strbuf_addf(key, "volume=%s:%s:%s\n", v.source, v.target, v.writable ? "rw" : "ro");
    add_volume(s, v);
    return 0;
}

/* A device of the host, HOST[:INSIDE][:rwm], or the name of one in a CDI specification. */
static int read_device(const char *text, struct run_settings *s, struct strbuf *key,
                       struct error *err)
{
    strbuf_addf(key, "device=%s\n", text);
    if (text[0] != '/') {
        strvec_push(&s->sandbox.devices, text);
        return 0;
    }
    struct str rest = str_of(text);
    struct str source = str_cut(&rest, ':');
    struct str target = str_cut(&rest, ':');
    if (!target.len || target.ptr[0] != '/')
        target = source;
    auto_free char *host = xstrndup(source.ptr, source.len);
    auto_free char *inside = xstrndup(target.ptr, target.len);
    auto_free char *clean = path_clean(inside);
    auto_free char *real = realpath(host, NULL);
    if (!real)
        return error_set(err, ERROR_USER, errno, "--device %s", text);
    add_volume(s, (struct sandbox_volume){ .source = arena_strdup(&s->arena, real),
                                           .target = arena_strdup(&s->arena, clean),
                                           .writable = true,
                                           .is_device = true });
    return 0;
}

static int read_dns(const struct run_setting_texts *t, struct run_settings *s, struct error *err)
{
    const struct {
        const char *option;
        const struct strvec *from;
        struct strvec *to;
    } lists[] = { { "dns", &t->dns, &s->sandbox.dns.servers },
                  { "dns-search", &t->dns_searches, &s->sandbox.dns.searches },
                  { "dns-option", &t->dns_options, &s->sandbox.dns.options } };
    for (size_t i = 0; i < COUNT(lists); i++) {
        for (size_t k = 0; k < lists[i].from->count; k++) {
            const char *text = lists[i].from->items[k];
            bool valid = i == 0 ? is_address(text) : is_host_name(str_of(text));
            if (!valid)
                return error_set(err, ERROR_USAGE, 0, "--%s %s: not %s", lists[i].option, text,
                                 i == 0 ? "an address" : "a name or option of resolv.conf");
            strvec_push(lists[i].to, text);
        }
    }
    return 0;
}

static int read_allow(const char *text, struct run_settings *s, struct error *err)
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = { { "network.host", ALLOW_NETWORK_HOST },
                  { "security.insecure", ALLOW_SECURITY_INSECURE },
                  { "device", ALLOW_DEVICE } };
    struct str value = str_of(text);
    struct str name = str_cut(&value, '=');
    for (size_t i = 0; i < COUNT(names); i++) {
        bool takes_value = names[i].bit == ALLOW_DEVICE;
        if (!str_equal(name, str_of(names[i].name)) || (value.len && !takes_value))
            continue;
        s->allow |= names[i].bit;
        s->sandbox.allow_insecure |= names[i].bit == ALLOW_SECURITY_INSECURE;
        if (value.len)
            strvec_push(&s->sandbox.allowed_devices, value.ptr);
        else if (takes_value)
            s->sandbox.allow_all_devices = true;
        return 0;
    }
    error_set(err, ERROR_USAGE, 0, "--allow %s: invalid entitlement", text);
    return error_hint(err, "network.host, security.insecure, device or device=NAME");
}

static int read_hostname(const struct map *build_args, struct run_settings *s, struct strbuf *key,
                         struct error *err)
{
    const char *name = build_args ? map_find(build_args, "BUILDKIT_SANDBOX_HOSTNAME") : NULL;
    if (!name || !*name)
        return 0;
    if (strlen(name) > HOST_NAME_LIMIT || !is_host_name(str_of(name)))
        return error_set(err, ERROR_USER, 0,
                         "--build-arg BUILDKIT_SANDBOX_HOSTNAME=%s: not a host name", name);
    s->sandbox.hostname = arena_strdup(&s->arena, name);
    strbuf_addf(key, "hostname=%s\n", name);
    return 0;
}

typedef int read_text_fn(const char *text, struct run_settings *s, struct strbuf *key,
                         struct error *err);

static int read_each(const struct strvec *texts, read_text_fn *read, struct run_settings *s,
                     struct strbuf *key, struct error *err)
{
    for (size_t i = 0; i < texts->count; i++)
        TRY(read(texts->items[i], s, key, err));
    return 0;
}

int run_settings_read(const struct run_setting_texts *texts, const struct map *build_args,
                      struct run_settings *out, struct error *err)
{
    auto_(strbuf) struct strbuf key = STRBUF_INIT;
    TRY(read_hostname(build_args, out, &key, err));
    TRY(read_hosts(&texts->add_hosts, out, &key, err));
    TRY(read_shm_size(texts->shm_size, out, &key, err));
    TRY(read_each(&texts->ulimits, add_limit, out, &key, err));
    TRY(read_all_caps(texts, out, &key, err));
    TRY(read_each(&texts->security_opts, read_security_opt, out, &key, err));
    TRY(read_each(&texts->devices, read_device, out, &key, err));
    TRY(read_each(&texts->volumes, read_volume, out, &key, err));
    TRY(read_dns(texts, out, err));
    for (size_t i = 0; i < texts->allows.count; i++)
        TRY(read_allow(texts->allows.items[i], out, err));
    out->key = key.len ? strbuf_detach(&key) : NULL;
    return 0;
}

void run_settings_release(struct run_settings *s)
{
    struct sandbox_options *o = &s->sandbox;
    strvec_release(&o->dns.servers);
    strvec_release(&o->dns.searches);
    strvec_release(&o->dns.options);
    strvec_release(&o->devices);
    strvec_release(&o->allowed_devices);
    if (s->hosts.buf)
        strbuf_release(&s->hosts);
    free(s->limits);
    free(s->volumes);
    free(s->key);
    arena_release(&s->arena);
    *s = (struct run_settings){ 0 };
}
