/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inflate: gzip members, one after the other, whatever their length, in flat memory. Two libraries
 * give the same bytes: ISA-L, twice as fast, and zlib. ISA-L is asked on x86-64 only: on arm64 its
 * releases before 2.32 damage data (intel/isa-l issue 316), and Debian 12 has 2.30.
 *
 *     state = method->open()
 *     method->run(state, &io, &why) ...    again and again
 *     method->close(state)
 */
#ifndef LIB_CODEC_INFLATE_INTERNAL_H
#define LIB_CODEC_INFLATE_INTERNAL_H

#include <stddef.h>

enum inflate_status {
    INFLATE_GOES_ON, /* wants room, or input */
    INFLATE_MEMBER_ENDED,
    INFLATE_DAMAGED,
};

/* What is there to read and where there is room; run() moves both on. */
struct inflate_io {
    const unsigned char *in;
    size_t in_len;
    unsigned char *out;
    size_t out_len;
};

struct inflate_method {
    const char *name;
    void *(*open)(void); /* never fails */
    /* Goes on until input or room is used up, or a member has ended: then input stands right behind
     * it, and the next call begins another. May hold back plain bytes for want of room although all
     * input is used up. *out_why is a constant text and says what is DAMAGED. */
    enum inflate_status (*run)(void *state, struct inflate_io *io, const char **out_why);
    void (*close)(void *state);
};

extern const struct inflate_method inflate_zlib;
#ifdef __x86_64__
extern const struct inflate_method inflate_isal;
#define INFLATE_FASTEST inflate_isal
#else
#define INFLATE_FASTEST inflate_zlib
#endif

#endif
