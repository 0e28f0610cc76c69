/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive_ahead: a tarball is written while a builder makes layers, as far as its lowest ones are
 * there, so that in the end only the highest are left. It has no name before it is whole: a build
 * that fails, or is killed, leaves nothing. Steps want room, too: no more than a quarter of what
 * the file system has free is taken before the end.
 *
 *     archive_ahead_open                  planner
 *     builder_run_beside(... archive_ahead_begin ...)
 *         archive_ahead_blob              builder, any thread: one more is in the store
 *     archive_ahead_finish                planner, when the image is known
 *     archive_ahead_free
 *
 * It is the planner that writes: outputs are the caller's (design 5). What goes wrong meanwhile is
 * not told: the tarball is then written as if nothing had been there.
 */
#ifndef CMD_ARCHIVE_AHEAD_H
#define CMD_ARCHIVE_AHEAD_H

#include "cmd/session.h"
#include "lib/exporter/image.h"
#include "lib/exporter/oci_layout.h"

struct archive_ahead;

/* *out is NULL if `dest` is not of a kind that can wait for its name. What would keep it from being
 * written in the end is told at once. Errors: USER (no such directory), SYSTEM. */
int archive_ahead_open(struct session *s, const char *dest, struct archive_ahead **out,
                       struct error *err) MUST_CHECK;
/* The builder has begun. This and the next take a struct archive_ahead, and are what an
 * export_listener calls. */
void archive_ahead_begin(void *a);
void archive_ahead_blob(void *a, const struct image_blob *blob);
/* So many bytes are there by now. */
uint64_t archive_ahead_size(const struct archive_ahead *a);
/* Writes the rest, or all of it if what is there does not fit, and gives the file its name. */
int archive_ahead_finish(struct archive_ahead *a, const struct layout_export *e,
                         struct error *err) MUST_CHECK;
/* NULL is allowed. */
void archive_ahead_free(struct archive_ahead *a);
DEFINE_AUTO(archive_ahead, struct archive_ahead *, archive_ahead_free(*value))

#endif
