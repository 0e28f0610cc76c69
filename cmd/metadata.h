/* SPDX-License-Identifier: Apache-2.0 */
/* metadata: the file of --metadata-file: what a build led to, for the next program (spec 6.10). */
#ifndef CMD_METADATA_H
#define CMD_METADATA_H

#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"
#include "lib/store/image_store.h"

/* JSON with sorted keys, two spaces deep. What there is no manifest of has the digest of its
 * configuration alone. */
void metadata_print(const struct image_record *image, const struct strvec *names,
                    struct strbuf *out);

#endif
