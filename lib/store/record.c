/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/record.h"

#include <fcntl.h>

#include "lib/base/atomic_file.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/store/use.h"

/* Nanoseconds since a boot are too large for a document's integers after a hundred days. */
enum { RECORD_MAX = 4 * 1024 * 1024, NS_PER_US = 1000 };

void record_stamp(const struct store *store, js *body)
{
    js_set_text(body, "boot", store->boot_id);
    js_set_take(body, "at_us", js_new_int((int64_t)(clock_monotonic_ns() / NS_PER_US + 1)));
}

bool record_is_durable(const struct store *store, const js *body)
{
    const char *boot = js_text(js_member(body, "boot"));
    uint64_t at_us = 0;
    auto_(error) struct error unknown = { 0 };
    return boot && js_get_u64(body, "at_us", true, &at_us, &unknown) == 0 &&
           store_is_durable(store, boot, at_us * NS_PER_US);
}

js *record_find(const struct store *store, const struct digest *key)
{
    char hex[DIGEST_HEX_SIZE];
    struct stat st;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error ignored = { 0 };
    auto_(js) js *body = NULL;
    digest_hex(key, hex);
    if (fstatat(store->cache_fd, hex, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !store_use(store, store->cache_fd, hex, &st))
        return NULL;
    if (fd_read_file(store->cache_fd, hex, RECORD_MAX, &text, &ignored) < 0 ||
        js_parse(text.buf, text.len, hex, &body, &ignored) < 0 || !record_is_durable(store, body))
        return NULL;
    return take_ptr(body);
}

int record_put_take(const struct store *store, const struct digest *key, js *body,
                    struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    auto_(js) js *owned = body;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    digest_hex(key, hex);
    record_stamp(store, owned);
    js_print(owned, 0, &text);
    return atomic_file_write(store->cache_fd, hex, text.buf, text.len, 0600, err);
}
