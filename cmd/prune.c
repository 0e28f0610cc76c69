/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild prune: frees what no image needs. */
#include "cmd/builder.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/size_text.h"
#include "lib/store/cache_mount.h"
#include "lib/store/gc.h"

struct prune_values {
    bool mounts;
};

static const struct option options[] = {
    { "mounts", 0, OPTION_FLAG, offsetof(struct prune_values, mounts), NULL,
      "also the directories that RUN --mount=type=cache keeps" },
    { .name = NULL },
};

static int sweep(struct session *s, const struct solver_workers *workers, void *arg,
                 struct error *err)
{
    char size[SIZE_TEXT];
    struct gc_result result;
    const struct prune_values *v = arg;
    size_t mounts = 0;
    (void)workers;
    TRY(gc_run(&s->store, &result, err));
    if (v->mounts)
        TRY(cache_mount_remove_all(&s->store, &mounts, err));
    size_print(result.blob_bytes, size);
    printf("removed %zu layers, %zu blobs (%s), %zu records\n", result.layers, result.blobs, size,
           result.records);
    if (v->mounts)
        printf("removed %zu cache mounts\n", mounts);
    return 0;
}

static int prune_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    if (args->count)
        return error_set(err, ERROR_USAGE, 0, "mlbuild prune takes no argument");
    TRY(session_open_progress(s, "quiet", err));
    TRY(session_open_store(s, err));
    TRY(store_lock_for_gc(&s->store, err));
    return builder_run(s, sweep, values, NULL, err);
}

const struct command command_prune = {
    .name = "prune",
    .usage = "[OPTIONS]",
    .summary = "remove layers, blobs and cached steps that no image needs",
    .options = options,
    .values_size = sizeof(struct prune_values),
    .run = prune_run,
};
