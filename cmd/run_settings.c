/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/run_settings_internal.h"

#include <arpa/inet.h>

#include "frontend/dockerfile/lower.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

enum { HOST_NAME_LIMIT = 64 };

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

int run_settings_read(const struct run_setting_texts *texts, const struct map *build_args,
                      struct run_settings *out, struct error *err)
{
    auto_(strbuf) struct strbuf key = STRBUF_INIT;
    TRY(read_hostname(build_args, out, &key, err));
    TRY(read_hosts(&texts->add_hosts, out, &key, err));
    TRY(run_limits_read(texts, out, &key, err));
    TRY(run_texts_read(&texts->devices, read_device, out, &key, err));
    TRY(run_texts_read(&texts->volumes, read_volume, out, &key, err));
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
