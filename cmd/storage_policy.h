/* SPDX-License-Identifier: Apache-2.0 */
/* storage_policy: how much of the cache is to be kept, as prune's options and the environment say
 * it: in buildx's words, sizes as docker writes them ("10GB" is 10 GiB) or as a part of the file
 * system
 * ("5%"). */
#ifndef CMD_STORAGE_POLICY_H
#define CMD_STORAGE_POLICY_H

#include "lib/base/strvec.h"
#include "lib/store/gc.h"

struct storage_policy_texts {
    const char *max_used, *reserved, *min_free; /* NULL: not given */
    struct strvec filters;                      /* "until=24h" */
};

/* Errors: USAGE. */
int storage_policy_read(const struct storage_policy_texts *texts, const struct store *store,
                        struct gc_policy *out, struct error *err) MUST_CHECK;
/* For builds: MLBUILD_MAX_USED_SPACE, MLBUILD_RESERVED_SPACE, MLBUILD_MIN_FREE_SPACE and
 * MLBUILD_MIN_FREE_INODES. Without the third 1 GiB, but no more than 5% of the file system, is kept
 * free, without the fourth 2% of its inodes. */
int storage_policy_from_environment(const struct store *store, struct gc_policy *out,
                                    struct error *err) MUST_CHECK;

#endif
