/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_ahead: what an image will need, made beside the steps that still run: blobs of the base are
 * fetched from the start, a layer that is cached or just finished is packed (or hashed) at once.
 * image_assemble then finds it all. What goes wrong here is not told: image_assemble meets it
 * again. Nor is request->on_blob told of layers of a shared cache, of a base that has no blobs, and
 * of one whose layers are to be packed anew.
 *
 *     image_ahead_start -> image_ahead_result, from any thread ... -> image_ahead_wait
 */
#ifndef LIB_EXPORTER_IMAGE_AHEAD_H
#define LIB_EXPORTER_IMAGE_AHEAD_H

#include "lib/exporter/image.h"

struct image_ahead;

/* `request` is borrowed, and complete but for its result; its solver has a plan: what that will
 * unpack it fetches itself. */
struct image_ahead *image_ahead_start(const struct image_request *request);
/* `v`, of the target, has made its layer. */
void image_ahead_result(struct image_ahead *a, const struct vertex *v);
/* Waits for all, and frees it. */
void image_ahead_wait(struct image_ahead *a);
DEFINE_AUTO(image_ahead, struct image_ahead *, image_ahead_wait(*value))

#endif
