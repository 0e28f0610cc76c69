/* SPDX-License-Identifier: Apache-2.0 */
/* apply: a layer's plain tar stream -> the entries and whiteouts of a tree_writer (spec 6.12). */
#ifndef SNAPSHOTTER_APPLY_H
#define SNAPSHOTTER_APPLY_H

#include "snapshotter/tree_writer.h"

/* Unpacks `in` and reads it to its end. `name` is for messages. Errors: CORRUPT for a stream that
 * lies or climbs. */
int apply_tar(struct reader *in, const char *name, struct tree_writer *to,
              struct error *err) MUST_CHECK;

#endif
