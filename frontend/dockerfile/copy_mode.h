/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_mode: what --chmod accepts: an octal number up to 07777, or clauses as of chmod(1):
 * "u=rwX,go=rX", "+x", "g=u". Applying one to a file is the solver's.
 */
#ifndef FRONTEND_DOCKERFILE_COPY_MODE_H
#define FRONTEND_DOCKERFILE_COPY_MODE_H

#include <stdbool.h>

bool copy_mode_is_valid(const char *text);

#endif
