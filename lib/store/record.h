/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record: small facts under a key, `cache/<hex>`: what a step's key led to, the digest of a
 * selection, a packed variant of a layer. A record is a hint that its reader verifies; one that
 * cannot be read, or that a crash may have torn, is absent.
 */
#ifndef LIB_STORE_RECORD_H
#define LIB_STORE_RECORD_H

#include "lib/codec/digest.h"
#include "lib/codec/json.h"
#include "lib/store/store.h"

/* The record under `key`, or NULL if there is none. The caller js_free()s it. */
js *record_find(const struct store *store, const struct digest *key);
/* Writes or replaces the record; `body` is taken. */
int record_put_take(const struct store *store, const struct digest *key, js *body,
                    struct error *err) MUST_CHECK;

/* Stamps `body` with this boot and moment, when all that it is about is there; the other says
 * whether a stamped body may be believed. */
void record_stamp(const struct store *store, js *body);
bool record_is_durable(const struct store *store, const js *body);

#endif
