/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as TOML; what it means is JSON that can be printed and read again. */
#include "lib/codec/toml.h"
#include "lib/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(error) struct error err = { 0 };
    auto_(js) js *doc = NULL;
    auto_(js) js *again = NULL;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    if (toml_parse((const char *)data, size, "fuzz", &doc, &err) < 0)
        return 0;
    js_print(doc, 0, &text);
    if (js_parse(text.buf, text.len, "again", &again, &err) < 0)
        abort();
    return 0;
}
