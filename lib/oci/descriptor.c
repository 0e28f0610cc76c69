/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/descriptor.h"

#include "lib/base/str.h"

int descriptor_parse(const js *object, struct descriptor *out, struct error *err)
{
    struct descriptor d = { 0 };
    const char *type = "";
    const char *digest = "";

    if (!js_is_object(object))
        return error_set(err, ERROR_CORRUPT, 0, "descriptor is missing or not an object");
    TRY(js_get_text(object, "mediaType", false, &type, err));
    TRY(js_get_text(object, "digest", true, &digest, err));
    TRY(js_get_u64(object, "size", true, &d.size, err));
    d.media_type = media_type_parse(type);
    if (!digest_parse(digest, &d.digest)) {
        if (str_starts_with(digest, "sha512:"))
            return error_set(err, ERROR_UNSUPPORTED, 0, "only sha256 digests are supported");
        return error_set(err, ERROR_CORRUPT, 0, "\"%.80s\" is not a sha256 digest", digest);
    }
    *out = d;
    return 0;
}

js *descriptor_print(const struct descriptor *d)
{
    char digest[DIGEST_TEXT_SIZE];
    js *object = js_new_object();

    digest_print(&d->digest, digest);
    js_set_text(object, "mediaType", media_type_print(d->media_type));
    js_set_text(object, "digest", digest);
    js_set_take(object, "size", js_new_int((int64_t)d->size));
    return object;
}
