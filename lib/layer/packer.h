/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packer: a layer's plain tar on its way to a blob:
 *
 *     tar -> digest (diff_id) -> compression -> digest (blob) -> store
 *
 *     packer_open -> writer_write(packer_base(p), ...) ... -> packer_finish -> packer_free
 */
#ifndef LIB_LAYER_PACKER_H
#define LIB_LAYER_PACKER_H

#include "lib/layer/face.h"

struct packer;

/* `wants_blob` false: only the diff_id is made, nothing is stored. `o` is borrowed. */
int packer_open(const struct face_options *o, const struct packing *packing, bool wants_blob,
                struct packer **out, struct error *err) MUST_CHECK;
struct writer *packer_base(struct packer *p);
/* The tar's bytes are counted there from now on; NULL: nowhere. */
void packer_count(struct packer *p, struct meter *meter);
/* The whole tar was written. */
int packer_finish(struct packer *p, struct layer_face *out, struct error *err) MUST_CHECK;
void packer_free(struct packer *p);
DEFINE_AUTO(packer, struct packer *, packer_free(*value))

#endif
