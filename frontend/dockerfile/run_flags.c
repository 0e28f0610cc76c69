/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/run_flags.h"

#include "frontend/dockerfile/go_text.h"
#include "frontend/dockerfile/mounts.h"
#include "frontend/dockerfile/words.h"
#include "lib/base/str.h"

static const char *const network_names[] = {
    [RUN_NETWORK_DEFAULT] = "default", [RUN_NETWORK_NONE] = "none", [RUN_NETWORK_HOST] = "host"
};

static const char *const security_names[] = { "sandbox", "insecure" };

static int hint_near(const struct flag *flag, const char *const *names, size_t count,
                     struct error *err)
{
    const char *near = str_nearest(flag->value, names, count);
    return near ? error_hint(err, "did you mean --%s=%s?", flag->spec->name, near) : -1;
}

static int parse_network(const struct flag *flag, struct run_flags *out, struct error *err)
{
    for (size_t i = 0; i < COUNT(network_names); i++) {
        out->network = (enum run_network)i;
        if (strcmp(network_names[i], flag->value) == 0)
            return 0;
    }
    error_set(err, ERROR_USER, 0, "invalid network mode: %s; it is one of default, none, host",
              flag->value);
    return hint_near(flag, network_names, COUNT(network_names), err);
}

static int parse_security(const struct flag *flag, struct run_flags *out, struct error *err)
{
    out->insecure = strcmp(flag->value, "insecure") == 0;
    if (out->insecure || strcmp(flag->value, "sandbox") == 0)
        return 0;
    error_set(err, ERROR_USER, 0, "security \"%s\" is not valid; it is sandbox or insecure",
              flag->value);
    return hint_near(flag, security_names, COUNT(security_names), err);
}

/* "required", "required=BOOL", "name=..." or the name itself, which may hold a '='. */
static int parse_device_field(const char *field, struct arena *arena, struct exec_device *device,
                              struct error *err)
{
    const char *equals = strchr(field, '=');
    if (strcasecmp(field, "required") == 0) {
        device->required = true;
        return 0;
    }
    if (strncasecmp(field, "required=", 9) == 0) {
        if (go_bool_parse(field + 9, &device->required))
            return 0;
        return error_set(err, ERROR_USER, 0, "invalid value for required: %s", field + 9);
    }
    bool named = strncasecmp(field, "name=", 5) == 0;
    if (device->name && named)
        return error_set(err, ERROR_USER, 0, "device name already set to %s", device->name);
    if (device->name && !equals)
        return error_set(err, ERROR_USER, 0, "invalid field '%s' must be a key=value pair", field);
    if (device->name)
        return error_set(err, ERROR_USER, 0, "unexpected key '%.*s' in '%s'", (int)(equals - field),
                         field, field);
    device->name = arena_strdup(arena, named ? field + 5 : field);
    return 0;
}

static int parse_device(const struct flag *flag, struct arena *arena, struct exec_device *out,
                        struct error *err)
{
    auto_(strvec) struct strvec fields = { 0 };
    if (words_parse_csv(flag->value, &fields, err) < 0)
        return error_wrap(err, "failed to parse csv devices");
    for (size_t i = 0; i < fields.count; i++)
        TRY(parse_device_field(fields.items[i], arena, out, err));
    if (out->name && *out->name)
        return 0;
    error_set(err, ERROR_USER, 0, "--device=%s names no device", flag->value);
    return error_hint(err, "write --device=VENDOR/CLASS=NAME");
}

static int parse_flag(const struct flag *flag, struct arena *arena, struct exec_device *devices,
                      struct run_flags *out, struct error *err)
{
    const char *from = NULL;
    if (flag->spec->kind == FLAG_NETWORK)
        return parse_network(flag, out, err);
    if (flag->spec->kind == FLAG_SECURITY)
        return parse_security(flag, out, err);
    if (flag->spec->kind == FLAG_DEVICE)
        return parse_device(flag, arena, &devices[out->device_count++], err);
    return mount_find_from(flag, arena, &from, err);
}

int run_flags_parse(const struct instruction *in, struct arena *arena, struct run_flags *out,
                    struct error *err)
{
    struct exec_device *devices = arena_alloc(arena, in->flag_count, sizeof *devices);
    *out = (struct run_flags){ .devices = devices };
    for (size_t i = 0; i < in->flag_count; i++)
        if (parse_flag(&in->flags[i], arena, devices, out, err) < 0)
            return error_at(err, instruction_at(in, in->flags[i].offset));
    return 0;
}
