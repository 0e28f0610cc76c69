/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff: a layer's tree in overlayfs form -> its tar stream: entries sorted by path, a directory
 * before its content, the root not listed, whiteouts as `.wh.` files, an opaque directory's
 * `.wh..wh..opq` right behind it, further names of a file as hard links to the first. (spec 6.3)
 *
 * The same tree and epoch give the same bytes.
 */
#ifndef SNAPSHOTTER_DIFF_H
#define SNAPSHOTTER_DIFF_H

#include "lib/layer/snapshotter.h"

int diff_write(int tree_fd, const struct diff_options *options, struct tar_writer *out,
               struct error *err) MUST_CHECK;

#endif
