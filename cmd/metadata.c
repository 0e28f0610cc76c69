/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/metadata.h"

#include "lib/codec/json.h"

static js *print_descriptor(const struct image_record *image)
{
    js *d = js_new_object();
    js_set_text(d, "mediaType", image->manifest_type);
    js_set_digest(d, "digest", &image->manifest);
    js_set_take(d, "size", js_new_int((int64_t)image->manifest_size));
    return d;
}

void metadata_print(const struct image_record *image, const struct strvec *names,
                    struct strbuf *out)
{
    auto_(js) js *doc = js_new_object();
    auto_(strbuf) struct strbuf list = STRBUF_INIT;
    js_set_digest(doc, "containerimage.config.digest", &image->config);
    js_set_digest(doc, "containerimage.digest",
                  image->has_manifest ? &image->manifest : &image->config);
    if (image->has_manifest)
        js_set_take(doc, "containerimage.descriptor", print_descriptor(image));
    for (size_t i = 0; i < names->count; i++)
        strbuf_addf(&list, "%s%s", i ? "," : "", names->items[i]);
    if (names->count)
        js_set_text(doc, "image.name", list.buf);
    js_print(doc, 2, out);
    strbuf_addch(out, '\n');
}
