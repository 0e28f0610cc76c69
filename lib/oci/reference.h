/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference: the name of an image, "[host[:port]/]path[:tag][@digest]", normalised as docker does:
 * `python` is docker.io/library/python:latest. A first component is a host if it holds '.' or ':'
 * or is "localhost". (Distribution reference grammar; spec/dockerfile.md 6.11.)
 */
#ifndef LIB_OCI_REFERENCE_H
#define LIB_OCI_REFERENCE_H

#include <stdbool.h>

#include "lib/base/error.h"

struct reference {
    char *host;       /* "docker.io", "localhost:5000", "[::1]:5000" */
    char *repository; /* "library/python" */
    char *tag;        /* NULL only if there is a digest */
    char *digest;     /* "sha256:<64 hex>", or NULL */
};

/* Parses and normalises. Errors: USER, with what is wrong and a hint. */
int reference_parse(const char *text, struct reference *out, struct error *err) MUST_CHECK;
/* Likewise a name that an image is to get: a digest is not given, it is had. Errors: also USAGE. */
int reference_parse_new(const char *text, struct reference *out, struct error *err) MUST_CHECK;
void reference_release(struct reference *ref);
DEFINE_AUTO(reference, struct reference, reference_release(value))

/* "docker.io/library/python:3.11[@sha256:...]"; the caller frees it. */
char *reference_print(const struct reference *ref) __attribute__((returns_nonnull));
/* As a person writes it: "python:3.11"; the caller frees it. */
char *reference_print_short(const struct reference *ref) __attribute__((returns_nonnull));

#endif
