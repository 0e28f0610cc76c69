/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/storage_policy.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#include "frontend/dockerfile/go_text.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { PERCENT = 100, MIN_FREE_PERCENT = 5, MIN_FREE_INODES_PERCENT = 2 };
#define MIN_FREE_SPACE (UINT64_C(1) << 30)
#define NS_PER_S       INT64_C(1000000000)

static uint64_t part_of(uint64_t whole, uint64_t percent)
{
    return whole / PERCENT * percent;
}

/* `text` NULL: *out is left alone. */
static int read_amount(const char *name, const char *text, uint64_t whole, uint64_t *out,
                       struct error *err)
{
    uint64_t percent = 0;
    if (!text)
        return 0;
    struct str digits = { text, strlen(text) };
    if (str_ends_with(text, "%")) {
        digits.len--;
        if (str_to_u64(digits, 10, PERCENT, &percent)) {
            *out = part_of(whole, percent);
            return 0;
        }
    } else if (go_size_parse(text, out)) {
        return 0;
    }
    return error_set(err, ERROR_USAGE, 0, "%s=%s: an amount like 10GB, 512MB or 5%%", name, text);
}

static int read_filter(const char *text, struct gc_policy *out, struct error *err)
{
    const char *value = strchr(text, '=');
    int64_t ns = 0;
    auto_free char *key = xstrndup(text, strcspn(text, "="));
    if (!value || (strcmp(key, "until") != 0 && strcmp(key, "unused-for") != 0)) {
        error_set(err, ERROR_USAGE, 0, "--filter %s is not known", text);
        return error_hint(err, "--filter until=24h: what nobody used for a day");
    }
    if (!go_duration_parse(value + 1, &ns) || ns < 0) {
        error_set(err, ERROR_USAGE, 0, "--filter %s: not a duration", text);
        return error_hint(err, "for example 24h, 1h30m, 720h");
    }
    out->unused_for_s = (ns + NS_PER_S - 1) / NS_PER_S;
    return 0;
}

static int file_system_of(const struct store *store, struct statvfs *out, struct error *err)
{
    if (fstatvfs(store->fd, out) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "ask for the free space of %s", store->path);
    return 0;
}

int storage_policy_read(const struct storage_policy_texts *texts, const struct store *store,
                        struct gc_policy *out, struct error *err)
{
    struct statvfs fs;
    TRY(file_system_of(store, &fs, err));
    uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
    *out = (struct gc_policy){ 0 };
    TRY(read_amount("--max-used-space", texts->max_used, size, &out->max_used, err));
    TRY(read_amount("--reserved-space", texts->reserved, size, &out->reserved, err));
    TRY(read_amount("--min-free-space", texts->min_free, size, &out->min_free, err));
    for (size_t i = 0; i < texts->filters.count; i++)
        TRY(read_filter(texts->filters.items[i], out, err));
    return 0;
}

int storage_policy_from_environment(const struct store *store, struct gc_policy *out,
                                    struct error *err)
{
    static const char space[] = "MLBUILD_MIN_FREE_SPACE";
    static const char inodes[] = "MLBUILD_MIN_FREE_INODES";
    static const char used[] = "MLBUILD_MAX_USED_SPACE";
    static const char reserved[] = "MLBUILD_RESERVED_SPACE";
    struct statvfs fs;
    TRY(file_system_of(store, &fs, err));
    uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t usual = part_of(size, MIN_FREE_PERCENT);
    *out = (struct gc_policy){ .min_free = usual < MIN_FREE_SPACE ? usual : MIN_FREE_SPACE,
                               .min_free_inodes = part_of(fs.f_files, MIN_FREE_INODES_PERCENT),
                               .own_counts = true };
    TRY(read_amount(space, getenv(space), size, &out->min_free, err));
    TRY(read_amount(inodes, getenv(inodes), fs.f_files, &out->min_free_inodes, err));
    TRY(read_amount(used, getenv(used), size, &out->max_used, err));
    return read_amount(reserved, getenv(reserved), size, &out->reserved, err);
}
