/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer says, for those who asked. */
#include "lib/base/str.h"
#include "lib/net/http.h"

/* "bytes 100-199/200" */
bool http_range_starts_at(const struct http_response *response, uint64_t offset)
{
    const char *header = response->headers[HTTP_CONTENT_RANGE];
    struct str rest = str_of(header ? header : "");
    uint64_t start = 0;

    return str_equal(str_cut(&rest, ' '), STR("bytes")) &&
           str_to_u64(str_cut(&rest, '-'), 10, UINT64_MAX, &start) && start == offset;
}

bool http_status_is_transient(int status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
           status == 504;
}
