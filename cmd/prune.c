/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild prune: frees what no image needs, all of it or until a policy is met. */
#include <time.h>

#include "cmd/builder.h"
#include "cmd/command.h"
#include "cmd/size_text.h"
#include "cmd/storage_policy.h"
#include "lib/store/cache_mount.h"

struct prune_values {
    struct storage_policy_texts policy;
    bool mounts;
};

#define VALUE(member) offsetof(struct prune_values, member)
static const struct option options[] = {
    { "all", 'a', OPTION_FLAG, VALUE(mounts), NULL, "the same as --mounts" },
    { "mounts", 0, OPTION_FLAG, VALUE(mounts), NULL,
      "also the directories that RUN --mount=type=cache keeps" },
    { "filter", 0, OPTION_LIST, VALUE(policy.filters), "until=DURATION",
      "only what nobody used for so long" },
    { "max-used-space", 0, OPTION_TEXT, VALUE(policy.max_used), "SIZE",
      "only as much as the cache holds beyond that; what was used last stays" },
    { "min-free-space", 0, OPTION_TEXT, VALUE(policy.min_free), "SIZE",
      "only until so much is free" },
    { "reserved-space", 0, OPTION_TEXT, VALUE(policy.reserved), "SIZE",
      "keep so much of the cache in any case" },
    { "keep-storage", 0, OPTION_TEXT, VALUE(policy.reserved), "SIZE",
      "the same as --reserved-space" },
    { .name = "force", .letter = 'f', .kind = OPTION_HOLDS, .help = "nothing is asked" },
    { .name = NULL },
};

struct pruning {
    const struct prune_values *values;
    struct gc_policy policy;
};

static int prune_mounts(const struct store *store, const struct gc_policy *policy,
                        struct error *err)
{
    size_t count = 0;
    int64_t since = policy->unused_for_s ? time(NULL) - policy->unused_for_s : INT64_MAX;
    TRY(cache_mount_remove_unused(store, since, &count, err));
    printf("removed %zu cache mounts\n", count);
    return 0;
}

static int sweep(struct session *s, const struct solver_workers *workers, void *arg,
                 struct error *err)
{
    char size[SIZE_TEXT];
    struct gc_result result;
    const struct pruning *p = arg;
    (void)workers;
    TRY(gc_run(&s->store, &p->policy, &result, err));
    size_print(result.bytes, size);
    printf("removed %zu layers, %zu blobs (%s), %zu records\n", result.layers, result.blobs, size,
           result.records);
    if (p->values->mounts)
        TRY(prune_mounts(&s->store, &p->policy, err));
    size_print(result.kept_bytes, size);
    if (result.was_beside)
        printf("kept %s, which running builds may use\n", size);
    return 0;
}

static int prune_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    struct pruning p = { .values = values };
    if (args->count)
        return error_set(err, ERROR_USAGE, 0, "mlbuild prune takes no argument");
    TRY(session_open_progress(s, "quiet", err));
    TRY(session_open_store(s, err));
    TRY(storage_policy_read(&p.values->policy, &s->store, &p.policy, err));
    return builder_run(s, sweep, &p, NULL, err);
}

const struct command command_prune = {
    .name = "prune",
    .usage = "[OPTIONS]",
    .summary = "remove layers, blobs and cached steps that no image needs",
    .options = options,
    .values_size = sizeof(struct prune_values),
    .run = prune_run,
};
