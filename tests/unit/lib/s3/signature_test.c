/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/s3/signature.h"

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "tests/support/test.h"

#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* What Amazon publishes: the first of the suite of Signature Version 4, the others are the examples
 * of S3's reference, "Authenticating Requests: Using the Authorization Header". */
static const struct vector {
    const char *name;
    const char *region, *service, *time, *id, *secret;
    const char *method, *path, *query, *headers, *payload;
    const char *signature;
} vectors[] = {
    { "get-vanilla", "us-east-1", "service", "20150830T123600Z", "AKIDEXAMPLE",
      "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "GET", "/", "",
      "host:example.amazonaws.com\nx-amz-date:20150830T123600Z", NOTHING,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { "GET Object", "us-east-1", "s3", "20130524T000000Z", "AKIAIOSFODNN7EXAMPLE",
      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "GET", "/test.txt", "",
      "host:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:" NOTHING
      "\nx-amz-date:20130524T000000Z",
      NOTHING, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
    { "PUT Object", "us-east-1", "s3", "20130524T000000Z", "AKIAIOSFODNN7EXAMPLE",
      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "PUT", "/test%24file.text", "",
      "date:Fri, 24 May 2013 00:00:00 GMT\nhost:examplebucket.s3.amazonaws.com\n"
      "x-amz-content-sha256:44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n"
      "x-amz-date:20130524T000000Z\nx-amz-storage-class:REDUCED_REDUNDANCY",
      "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
    { "GET Bucket Lifecycle", "us-east-1", "s3", "20130524T000000Z", "AKIAIOSFODNN7EXAMPLE",
      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "GET", "/", "lifecycle=",
      "host:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:" NOTHING
      "\nx-amz-date:20130524T000000Z",
      NOTHING, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
    { "GET Bucket (List Objects)", "us-east-1", "s3", "20130524T000000Z", "AKIAIOSFODNN7EXAMPLE",
      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "GET", "/", "max-keys=2&prefix=J",
      "host:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:" NOTHING
      "\nx-amz-date:20130524T000000Z",
      NOTHING, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static void signs_as_published(void **state)
{
    const struct vector *v = *state;
    auto_(strvec) struct strvec headers = { 0 };
    struct str rest = str_of(v->headers);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        strvec_push_take(&headers, xstrndup(line.ptr, line.len));
    }
    struct signature_scope scope = { .region = v->region, .service = v->service };
    snprintf(scope.time, sizeof scope.time, "%s", v->time);
    const struct s3_keys keys = { .id = (char *)v->id, .secret = (char *)v->secret };
    const struct signature_request request = { v->method, v->path, v->query, &headers, v->payload };
    auto_free char *text = signature_print(&scope, &keys, &request);
    auto_free char *start = xasprintf("AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request,"
                                      "SignedHeaders=",
                                      v->id, v->time, v->region, v->service);
    auto_free char *end = xasprintf(",Signature=%s", v->signature);
    assert_true(str_starts_with(text, start));
    if (!str_ends_with(text, end))
        fail_msg("%s does not end in %s", text, end);
}

static void time_is_utc(void **state)
{
    (void)state;
    char text[SIGNATURE_TIME_SIZE];
    signature_time(1369353600, text);
    assert_string_equal(text, "20130524T000000Z");
}

int main(void)
{
    enum { OTHERS = 1 };
    struct CMUnitTest tests[COUNT(vectors) + OTHERS] = { cmocka_unit_test(time_is_utc) };
    for (size_t i = 0; i < COUNT(vectors); i++)
        tests[OTHERS + i] = (struct CMUnitTest){ vectors[i].name, signs_as_published, NULL, NULL,
                                                 (void *)&vectors[i] };
    return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
