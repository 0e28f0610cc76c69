/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdi: devices by name, as the Container Device Interface describes them in files of the host
 * (/etc/cdi, /var/run/cdi, or the directories of $MLBUILD_CDI_PATH; JSON or YAML): which device
 * nodes, files and variables make up "vendor.com/class=name".
 *
 *     struct cdi *cdi = cdi_load();
 *     if (cdi_find(cdi, "nvidia.com/gpu=all", &edits)) ...
 *     cdi_edits_release(&edits);
 *     cdi_free(cdi);
 *
 * The files are the host's and are believed; one that cannot be read is left out with a warning.
 * Hooks, programs that a runtime would start on the host, are never run: a warning names them.
 */
#ifndef SNAPSHOTTER_CDI_H
#define SNAPSHOTTER_CDI_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/strvec.h"

struct cdi;

struct cdi_bind {
    char *source, *target;
    bool writable, is_device;
};

/* What a step gets with its devices. */
struct cdi_edits {
    struct strvec env; /* NAME=value */
    struct cdi_bind *binds;
    size_t bind_count, bind_cap;
    gid_t *gids;
    size_t gid_count;
    struct strvec names;    /* of the devices that were found */
    struct strvec warnings; /* each once */
};

struct cdi *cdi_load(void) __attribute__((returns_nonnull));
void cdi_free(struct cdi *cdi);
/* The directories that were looked into, with blanks between; borrowed. */
const char *cdi_path(const struct cdi *cdi);

/* Adds what the device `name` needs to `edits`: "vendor/class=name"; "vendor/class", the first of
 * them; "vendor/class=*", all of them; or a class that a device's annotation gives it. False if
 * there is none. */
bool cdi_find(const struct cdi *cdi, const char *name, struct cdi_edits *edits);
void cdi_edits_release(struct cdi_edits *edits);

#endif
