/* SPDX-License-Identifier: Apache-2.0 */
/* platform: "os/arch[/variant]", normalised as containerd does (x86_64 is amd64, arm64/v8 is
 * arm64). */
#ifndef LIB_OCI_PLATFORM_H
#define LIB_OCI_PLATFORM_H

#include <stdbool.h>

#include "lib/base/error.h"

enum { PLATFORM_FIELD = 32, PLATFORM_TEXT_SIZE = 3 * PLATFORM_FIELD };

struct platform {
    char os[PLATFORM_FIELD];
    char arch[PLATFORM_FIELD];
    char variant[PLATFORM_FIELD]; /* "" if none */
};

/* The platform that this program runs on. */
struct platform platform_host(void);
/* "linux/amd64", "amd64", "linux", "linux/arm/v7", "local". Errors: USER. */
int platform_parse(const char *text, struct platform *out, struct error *err) MUST_CHECK;
void platform_normalize(struct platform *p);
void platform_print(const struct platform *p, char text[static PLATFORM_TEXT_SIZE]);
/* Can `wanted` run an image made for `offered`? Larger is a better match, 0 is none; arm/v7 takes
 * v7, then v6, then v5. */
int platform_match(const struct platform *wanted, const struct platform *offered);

#endif
