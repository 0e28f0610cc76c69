/* SPDX-License-Identifier: Apache-2.0 */
/* One record of comma-separated values, as Go's csv package reads it. */
#include "frontend/dockerfile/words.h"

/* At an opening quote: its text goes to `out`. */
static int read_quoted(struct str *rest, struct strbuf *out, struct error *err)
{
    rest->ptr++;
    rest->len--;
    while (rest->len) {
        char c = rest->ptr[0];
        rest->ptr++;
        rest->len--;
        if (c != '"') {
            strbuf_addch(out, c);
        } else if (rest->len && rest->ptr[0] == '"') {
            strbuf_addch(out, '"');
            rest->ptr++;
            rest->len--;
        } else if (rest->len && rest->ptr[0] != ',') {
            break;
        } else {
            return 0;
        }
    }
    return error_set(err, ERROR_USER, 0, "extraneous or missing \" in quoted-field");
}

static int read_field(struct str *rest, struct strbuf *out, struct error *err)
{
    strbuf_clear(out);
    if (rest->len && rest->ptr[0] == '"')
        return read_quoted(rest, out, err);
    while (rest->len && rest->ptr[0] != ',') {
        if (rest->ptr[0] == '"')
            return error_set(err, ERROR_USER, 0, "bare \" in non-quoted-field");
        strbuf_addch(out, rest->ptr[0]);
        rest->ptr++;
        rest->len--;
    }
    return 0;
}

int words_parse_csv(const char *text, struct strvec *out, struct error *err)
{
    auto_(strbuf) struct strbuf field = STRBUF_INIT;
    struct str rest = str_of(text);
    if (rest.len == 0)
        return error_set(err, ERROR_USER, 0, "nothing in it");
    for (;;) {
        TRY(read_field(&rest, &field, err));
        strvec_push(out, field.buf);
        if (rest.len == 0)
            return 0;
        rest.ptr++; /* the comma; one at the end makes an empty field */
        rest.len--;
    }
}
