/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature: AWS Signature Version 4 of a request, as the value of its Authorization header. The
 * secret key signs and never travels.
 *
 *     strvec_push(&headers, "host:bucket.s3.amazonaws.com"); ... in order of their names
 *     char *text = signature_print(&scope, &keys, &request);
 */
#ifndef LIB_S3_SIGNATURE_H
#define LIB_S3_SIGNATURE_H

#include "lib/base/strvec.h"
#include "lib/s3/keys.h"

enum { SIGNATURE_TIME_SIZE = 17 }; /* "20130524T000000Z" */

struct signature_scope {
    const char *region, *service;
    char time[SIGNATURE_TIME_SIZE]; /* what x-amz-date says */
};

/* All as it is sent, but that the path and the query are what the server decodes: escaped once. */
struct signature_request {
    const char *method;
    const char *path;
    const char *query;            /* "a=1&b=", in order of the names; "" if there is none */
    const struct strvec *headers; /* "name:value", names in lower case and in order */
    const char *payload;          /* hex digits of the body's SHA-256 */
};

void signature_time(time_t when, char text[static SIGNATURE_TIME_SIZE]);
/* The caller frees it. */
char *signature_print(const struct signature_scope *scope, const struct s3_keys *keys,
                      const struct signature_request *request) __attribute__((returns_nonnull));

#endif
