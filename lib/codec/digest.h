/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest: SHA-256 (OpenSSL EVP, so the CPU's own instructions) and its text form "sha256:<64 hex>".
 *
 *     struct hasher *h = hasher_new();
 *     hasher_add(h, data, len);
 *     hasher_finish(h, &digest);      the hasher is ready for the next one
 *     hasher_free(h);
 */
#ifndef LIB_CODEC_DIGEST_H
#define LIB_CODEC_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/stream.h"

struct digest {
    unsigned char bytes[32];
};

enum { DIGEST_HEX_SIZE = 65, DIGEST_TEXT_SIZE = 72 };

void digest_hex(const struct digest *d, char hex[static DIGEST_HEX_SIZE]);
void digest_print(const struct digest *d, char text[static DIGEST_TEXT_SIZE]);
/* Accepts exactly "sha256:" and 64 lower-case hex digits. */
bool digest_parse(const char *text, struct digest *out);
/* The digits alone. */
bool digest_parse_hex(const char *hex, struct digest *out);
bool digest_equal(const struct digest *a, const struct digest *b);
void digest_of(const void *data, size_t len, struct digest *out);
/* HMAC-SHA256 of `len` bytes under a key. */
void digest_hmac(const void *key, size_t key_len, const void *data, size_t len, struct digest *out);

/* A growing list; the caller frees `items`. */
struct digest_list {
    struct digest *items;
    size_t count, cap;
};
void digest_list_add(struct digest_list *list, const struct digest *digest);

struct hasher;
struct hasher *hasher_new(void);
void hasher_add(struct hasher *h, const void *data, size_t len);
/* Adds the text and its terminator, so that neighbours cannot run together. NULL adds one 0xff. */
void hasher_add_text(struct hasher *h, const char *text);
void hasher_add_u64(struct hasher *h, uint64_t value);
void hasher_finish(struct hasher *h, struct digest *out);
void hasher_free(struct hasher *h);
DEFINE_AUTO(hasher, struct hasher *, hasher_free(*value))

/* A link of a writer chain: counts and hashes what passes, then hands it to `next` (NULL: nowhere).
 */
struct digest_writer {
    struct writer base;
    struct writer *next;
    struct hasher *hasher;
    uint64_t size;
};
struct digest_writer digest_writer_init(struct writer *next);
void digest_writer_finish(struct digest_writer *w, struct digest *out);
void digest_writer_release(struct digest_writer *w);

#endif
