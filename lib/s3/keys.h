/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys: who we are to an S3 server. The first place that names a key wins:
 *
 *     1. what was said to the option itself
 *     2. $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY, with $AWS_SESSION_TOKEN
 *     3. the profile $AWS_PROFILE ("default") of $AWS_SHARED_CREDENTIALS_FILE, else of
 *        ~/.aws/credentials
 *
 * No server is asked for keys (instance metadata, single sign-on). No secret gets into a message.
 */
#ifndef LIB_S3_KEYS_H
#define LIB_S3_KEYS_H

#include "lib/base/error.h"

struct s3_keys {
    char *id, *secret;
    char *token;  /* of a session; NULL: none */
    char *source; /* for people */
};

/* What of the environment decides; every member may be NULL. Borrowed. */
struct s3_key_places {
    const char *id, *secret, *token;
    const char *source; /* of these three, for people */
    const char *profile;
    const char *file;
    const char *home;
};
/* As this process was started. */
struct s3_key_places s3_key_places_from_environment(void);

/* Errors: USER (no keys, or half of them; a file that cannot be read), SYSTEM. */
int s3_keys_find(const struct s3_key_places *places, struct s3_keys *out,
                 struct error *err) MUST_CHECK;
/* Wipes and frees. */
void s3_keys_release(struct s3_keys *keys);
DEFINE_AUTO(s3_keys, struct s3_keys, s3_keys_release(value))

#endif
