/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/curl_internal.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define ROW(name)                                                                                  \
    {                                                                                              \
        "curl_" #name, offsetof(struct curl_table, name)                                           \
    }

static const struct {
    const char *symbol;
    size_t offset;
} rows[] = {
    ROW(global_init),  ROW(easy_init),      ROW(easy_reset),   ROW(easy_setopt),
    ROW(easy_perform), ROW(easy_getinfo),   ROW(easy_cleanup), ROW(easy_strerror),
    ROW(slist_append), ROW(slist_free_all),
};

int curl_table_load(struct curl_table *table, struct error *err)
{
    /* NODELETE: OpenSSL has registered handlers that run at exit */
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!library) {
        error_set(err, ERROR_HOST, 0, "load libcurl: %s", dlerror());
        return error_hint(err, "install libcurl (Debian: libcurl4)");
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        void *function = dlsym(library, rows[i].symbol);
        if (!function)
            return error_set(err, ERROR_HOST, 0, "libcurl is too old: it has no %s",
                             rows[i].symbol);
        memcpy((char *)table + rows[i].offset, &function, sizeof function);
    }
    if (table->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, ERROR_HOST, 0, "libcurl does not start");
    return 0;
}
