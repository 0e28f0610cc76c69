/* SPDX-License-Identifier: Apache-2.0 */
/* curl: libcurl's functions as a table that is filled when the first request is made. */
#ifndef LIB_NET_CURL_INTERNAL_H
#define LIB_NET_CURL_INTERNAL_H

#include <curl/curl.h>

#include "lib/base/error.h"

struct curl_table {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_reset) *easy_reset;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
};

/* Loads libcurl for the rest of the process's life and initialises it. Errors: HOST. */
int curl_table_load(struct curl_table *table, struct error *err) MUST_CHECK;

#endif
