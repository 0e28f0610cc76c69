/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild prune: frees what no image needs. */
#include "cmd/builder.h"
#include "cmd/command.h"
#include "cmd/size_text.h"
#include "lib/store/gc.h"

static int sweep(struct session *s, const struct solver_workers *workers, void *arg,
                 struct error *err)
{
    char size[SIZE_TEXT];
    struct gc_result result;
    (void)workers;
    (void)arg;
    TRY(gc_run(&s->store, &result, err));
    size_print(result.blob_bytes, size);
    printf("removed %zu layers, %zu blobs (%s), %zu records\n", result.layers, result.blobs, size,
           result.records);
    return 0;
}

static int prune_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    (void)values;
    if (args->count)
        return error_set(err, ERROR_USAGE, 0, "mlbuild prune takes no argument");
    TRY(session_open_progress(s, "quiet", err));
    TRY(session_open_store(s, err));
    TRY(store_lock_for_gc(&s->store, err));
    return builder_run(s, sweep, NULL, NULL, err);
}

const struct command command_prune = {
    .name = "prune",
    .usage = "",
    .summary = "remove layers, blobs and cached steps that no image needs",
    .values_size = 1,
    .run = prune_run,
};
