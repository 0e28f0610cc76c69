/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/digest.h"

#include <openssl/evp.h>

#include "lib/base/mem.h"

void digest_list_add(struct digest_list *list, const struct digest *digest)
{
    GROW(list->items, list->count, list->cap);
    list->items[list->count++] = *digest;
}

struct hasher {
    EVP_MD_CTX *ctx;
};

static const char hex_digits[] = "0123456789abcdef";

void digest_hex(const struct digest *d, char hex[static DIGEST_HEX_SIZE])
{
    for (size_t i = 0; i < sizeof d->bytes; i++) {
        hex[2 * i] = hex_digits[d->bytes[i] >> 4];
        hex[2 * i + 1] = hex_digits[d->bytes[i] & 15];
    }
    hex[DIGEST_HEX_SIZE - 1] = '\0';
}

void digest_print(const struct digest *d, char text[static DIGEST_TEXT_SIZE])
{
    memcpy(text, "sha256:", 7);
    digest_hex(d, text + 7);
}

static int nibble(char c)
{
    const char *at = c ? strchr(hex_digits, c) : NULL;
    return at ? (int)(at - hex_digits) : -1;
}

bool digest_parse_hex(const char *hex, struct digest *out)
{
    struct digest d;
    if (strlen(hex) != DIGEST_HEX_SIZE - 1)
        return false;
    for (size_t i = 0; i < sizeof d.bytes; i++) {
        int high = nibble(hex[2 * i]);
        int low = nibble(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        d.bytes[i] = (unsigned char)(high << 4 | low);
    }
    *out = d;
    return true;
}

bool digest_parse(const char *text, struct digest *out)
{
    return strncmp(text, "sha256:", 7) == 0 && digest_parse_hex(text + 7, out);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void must(int ok)
{
    if (ok != 1)
        abort();
}

struct hasher *hasher_new(void)
{
    struct hasher *h = xcalloc(1, sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    must(h->ctx != NULL);
    must(EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
    return h;
}

void hasher_add(struct hasher *h, const void *data, size_t len)
{
    must(EVP_DigestUpdate(h->ctx, data, len));
}

void hasher_add_text(struct hasher *h, const char *text)
{
    if (text)
        hasher_add(h, text, strlen(text) + 1);
    else
        hasher_add(h, "\xff", 1);
}

void hasher_add_u64(struct hasher *h, uint64_t value)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    hasher_add(h, bytes, sizeof bytes);
}

void hasher_finish(struct hasher *h, struct digest *out)
{
    must(EVP_DigestFinal_ex(h->ctx, out->bytes, NULL));
    must(EVP_DigestInit_ex(h->ctx, NULL, NULL)); /* the same again, without a search for it */
}

void hasher_free(struct hasher *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void digest_of(const void *data, size_t len, struct digest *out)
{
    must(EVP_Digest(data, len, out->bytes, NULL, EVP_sha256(), NULL));
}

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len, struct digest *out)
{
    size_t size = 0;
    must(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len, data, len, out->bytes,
                   sizeof out->bytes, &size) != NULL);
}

static int digest_writer_write(struct writer *w, const void *data, size_t len, struct error *err)
{
    struct digest_writer *self = (struct digest_writer *)w;
    hasher_add(self->hasher, data, len);
    self->size += len;
    return self->next ? writer_write(self->next, data, len, err) : 0;
}

struct digest_writer digest_writer_init(struct writer *next)
{
    return (struct digest_writer){ .base = { digest_writer_write },
                                   .next = next,
                                   .hasher = hasher_new() };
}

void digest_writer_finish(struct digest_writer *w, struct digest *out)
{
    hasher_finish(w->hasher, out);
}

void digest_writer_release(struct digest_writer *w)
{
    hasher_free(take_ptr(w->hasher));
}
