/* SPDX-License-Identifier: Apache-2.0 */
/* The fastest inflate says what zlib says: the same bytes, the same ends, the same refusals. */
#include "lib/codec/inflate_internal.h"

#include <zlib.h>

#include "lib/base/mem.h"
#include "lib/base/strbuf.h"
#include "tests/support/test.h"

enum { PLAIN_MAX = 200 * 1000, STREAMS = 60, DAMAGES = 16, ROOM_MAX = 2 * PLAIN_MAX };

/* The same numbers on every run. */
static uint32_t next_random(uint32_t *x)
{
    *x = *x * 1664525U + 1013904223U;
    return *x >> 8;
}

static uint32_t below(uint32_t *x, uint32_t limit)
{
    return next_random(x) % limit;
}

/* Text, noise, zeros, few symbols, and repetitions as far back as deflate can reach. */
static void fill_plain(uint32_t *x, unsigned char *data, size_t len)
{
    enum { KINDS = 5, REACH = 32768 };
    unsigned kind = 0;
    for (size_t i = 0; i < len; i++) {
        if (below(x, 3000) == 0)
            kind = below(x, KINDS);
        switch (kind) {
        case 0: data[i] = (unsigned char)"the quick brown fox \n"[below(x, 21)]; break;
        case 1: data[i] = (unsigned char)next_random(x); break;
        case 2: data[i] = 0; break;
        case 3: data[i] = i >= REACH ? data[i - REACH] : 'x'; break;
        default: data[i] = (unsigned char)(i % 7 ? data[i - 1] : below(x, 4)); break;
        }
    }
}

/* A member with anything that RFC 1952 allows in its header. */
static void set_header(uint32_t *x, z_stream *z, gz_header *header)
{
    static Bytef extra[300];
    static char name[] = "a name";
    static char comment[] = "a comment";
    *header = (gz_header){ .os = 3, .time = next_random(x), .text = (int)below(x, 2) };
    header->extra = below(x, 2) ? extra : NULL;
    header->extra_len = below(x, sizeof extra);
    header->name = below(x, 2) ? (Bytef *)name : NULL;
    header->comment = below(x, 2) ? (Bytef *)comment : NULL;
    header->hcrc = (int)below(x, 2);
    assert_int_equal(deflateSetHeader(z, header), Z_OK);
}

/* Appends a member that holds `len` bytes, with any level, strategy, window and flush points. */
static void add_member(uint32_t *x, const unsigned char *plain, size_t len, struct strbuf *out)
{
    static const int flushes[] = { Z_NO_FLUSH,   Z_NO_FLUSH, Z_PARTIAL_FLUSH,
                                   Z_SYNC_FLUSH, Z_BLOCK,    Z_FULL_FLUSH };
    z_stream z = { 0 };
    gz_header header;
    int level = (int)below(x, 10);
    int window = (int)below(x, 3) ? 15 : 9 + (int)below(x, 7);
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, window + 16, 1 + (int)below(x, 9),
                                  (int)below(x, Z_FIXED + 1)),
                     Z_OK);
    if (below(x, 2))
        set_header(x, &z, &header);
    size_t room = deflateBound(&z, len) + 64 * (len / 100 + 10);
    z.next_out = (Bytef *)strbuf_reserve(out, room);
    z.avail_out = (uInt)room;
    z.next_in = (Bytef *)(uintptr_t)plain;
    int rc = Z_OK;
    for (size_t done = 0; rc == Z_OK; done = z.total_in) {
        size_t piece = below(x, 4) ? len : 1 + below(x, 20000);
        z.avail_in = (uInt)(piece < len - done ? piece : len - done);
        bool is_last = done + z.avail_in == len;
        rc = deflate(&z, is_last ? Z_FINISH : flushes[below(x, COUNT(flushes))]);
        rc = rc == Z_BUF_ERROR ? Z_OK : rc;
    }
    assert_int_equal(rc, Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd(&z);
}

struct outcome {
    enum inflate_status status; /* GOES_ON: more input was wanted at the end */
    size_t members, used;       /* until the end of the last member that ended */
    struct strbuf plain;
};

/* How much is offered at once; 0: everything, 1: by bytes, else a seed for random pieces. */
struct steps {
    uint32_t in, out;
};

static size_t piece_of(uint32_t *step, size_t left)
{
    size_t piece = *step == 0 ? left : *step == 1 ? 1 : 1 + below(step, 5000);
    *step |= *step > 1 ? 2U : 0;
    return piece < left ? piece : left;
}

static void inflate_all(const struct inflate_method *m, const char *packed, size_t len,
                        struct steps steps, struct outcome *o)
{
    void *state = m->open();
    struct inflate_io io = { .in = (const unsigned char *)packed };
    size_t end = 0;
    *o = (struct outcome){ .plain = STRBUF_INIT };
    for (;;) {
        const char *why = NULL;
        size_t at = (size_t)(io.in - (const unsigned char *)packed);
        if (at == end)
            end += piece_of(&steps.in, len - at);
        size_t room = piece_of(&steps.out, ROOM_MAX);
        io.in_len = end - at;
        io.out = (unsigned char *)strbuf_reserve(&o->plain, room);
        io.out_len = room;
        o->status = m->run(state, &io, &why);
        size_t now = (size_t)(io.in - (const unsigned char *)packed);
        bool stands_still = now == at && io.out_len == room;
        o->plain.len += room - io.out_len;
        assert_true(o->plain.len < 100 * ROOM_MAX);
        if (o->status == INFLATE_MEMBER_ENDED) {
            o->members++;
            o->used = now;
            if (now == len)
                break;
            continue;
        }
        /* A library that makes no use of what it has got would be asked for ever. */
        if (stands_still && now < end)
            o->status = INFLATE_DAMAGED;
        if (o->status == INFLATE_DAMAGED || (stands_still && now == len))
            break;
    }
    m->close(state);
}

/* Valid streams. */
static void compare(const struct strbuf *packed, struct steps steps, const struct strbuf *plain)
{
    struct outcome want;
    struct outcome got;
    inflate_all(&inflate_zlib, packed->buf, packed->len, steps, &want);
    inflate_all(&INFLATE_FASTEST, packed->buf, packed->len, steps, &got);
    assert_int_equal(want.status, INFLATE_MEMBER_ENDED);
    assert_int_equal(got.status, INFLATE_MEMBER_ENDED);
    assert_int_equal(got.members, want.members);
    assert_int_equal(got.used, packed->len);
    assert_int_equal(got.plain.len, plain->len);
    assert_memory_equal(got.plain.buf, plain->buf, plain->len);
    strbuf_release(&want.plain);
    strbuf_release(&got.plain);
}

/* A damaged stream that passes all the same gives what its sums are of. (ISA-L is content with an
 * incomplete set of distance codes, of which zlib is not.) */
static void compare_damaged(const struct strbuf *packed, struct steps steps,
                            const struct strbuf *plain)
{
    struct outcome want;
    struct outcome got;
    inflate_all(&inflate_zlib, packed->buf, packed->len, steps, &want);
    inflate_all(&INFLATE_FASTEST, packed->buf, packed->len, steps, &got);
    if (want.status == INFLATE_MEMBER_ENDED)
        assert_int_equal(got.status, INFLATE_MEMBER_ENDED);
    if (got.status == INFLATE_MEMBER_ENDED) {
        assert_true(got.plain.len <= plain->len);
        assert_memory_equal(got.plain.buf, plain->buf, got.plain.len);
    }
    strbuf_release(&want.plain);
    strbuf_release(&got.plain);
}

static size_t random_size(uint32_t *x)
{
    switch (below(x, 4)) {
    case 0: return below(x, 4);
    case 1: return below(x, 600);
    default: return below(x, PLAIN_MAX);
    }
}

static void damage(uint32_t *x, struct strbuf *packed)
{
    size_t at = below(x, (uint32_t)packed->len);
    switch (below(x, 4)) {
    case 0: packed->len = at; break;
    case 1: packed->buf[at] = (char)next_random(x); break;
    case 2: packed->buf[at] = (char)(packed->buf[at] ^ (1 << below(x, 8))); break;
    default: packed->buf[packed->len < 400 ? at : below(x, 400)] ^= (char)(1 << below(x, 8)); break;
    }
}

static void make_stream(uint32_t *x, unsigned char *room, struct strbuf *plain,
                        struct strbuf *packed)
{
    for (unsigned members = 1 + below(x, 3); members; members--) {
        size_t len = random_size(x);
        fill_plain(x, room, len);
        strbuf_add(plain, (char *)room, len);
        add_member(x, room, len, packed);
    }
}

static uint32_t any_step(uint32_t *x)
{
    return next_random(x) | 2;
}

static void streams_of_every_kind(void **state)
{
    uint32_t x = 2026;
    auto_free unsigned char *room = xmalloc(PLAIN_MAX);
    (void)state;
    for (int i = 0; i < STREAMS; i++) {
        auto_(strbuf) struct strbuf plain = STRBUF_INIT;
        auto_(strbuf) struct strbuf packed = STRBUF_INIT;
        make_stream(&x, room, &plain, &packed);
        compare(&packed, (struct steps){ 0, 0 }, &plain);
        compare(&packed, (struct steps){ any_step(&x), 0 }, &plain);
        compare(&packed, (struct steps){ any_step(&x), any_step(&x) }, &plain);
        if (packed.len < 20000)
            compare(&packed, (struct steps){ 1, 1 }, &plain);
        for (int k = 0; k < DAMAGES; k++) {
            auto_(strbuf) struct strbuf bad = STRBUF_INIT;
            strbuf_add(&bad, packed.buf, packed.len);
            damage(&x, &bad);
            compare_damaged(&bad, (struct steps){ k % 2 ? any_step(&x) : 0, 0 }, &plain);
        }
    }
}

/* Input that comes in two pieces, cut at each of its bytes. */
static void cut_everywhere(void **state)
{
    uint32_t x = 7;
    unsigned char room[3000];
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    (void)state;
    fill_plain(&x, room, sizeof room);
    for (int i = 0; i < 3; i++)
        add_member(&x, room, sizeof room / 3 * (size_t)i, &packed);
    for (size_t cut = 0; cut <= packed.len; cut++) {
        void *inflater = INFLATE_FASTEST.open();
        unsigned char out[2 * sizeof room];
        const char *why = NULL;
        struct inflate_io io = { (unsigned char *)packed.buf, cut, out, sizeof out };
        for (int members = 0; members < 3;) {
            enum inflate_status status = INFLATE_FASTEST.run(inflater, &io, &why);
            assert_int_not_equal(status, INFLATE_DAMAGED);
            members += status == INFLATE_MEMBER_ENDED;
            if (status == INFLATE_GOES_ON) {
                assert_int_equal(io.in_len, 0);
                io.in_len = packed.len - cut;
            }
        }
        INFLATE_FASTEST.close(inflater);
        assert_int_equal(io.in_len, 0);
        assert_int_equal(io.out_len, sizeof out - sizeof room);
        assert_memory_equal(out, room, sizeof room / 3);
        assert_memory_equal(out + sizeof room / 3, room, sizeof room / 3 * 2);
    }
}

/* What zlib checks of a header, and ISA-L by itself does not. */
static void reserved_flags_are_refused(void **state)
{
    (void)state;
    for (int bit = 5; bit < 8; bit++) {
        char packed[] = "\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0";
        struct outcome o;
        inflate_all(&INFLATE_FASTEST, packed, sizeof packed - 1, (struct steps){ 0, 0 }, &o);
        assert_int_equal(o.status, INFLATE_MEMBER_ENDED);
        strbuf_release(&o.plain);
        packed[3] = (char)(1 << bit);
        inflate_all(&INFLATE_FASTEST, packed, sizeof packed - 1, (struct steps){ 0, 0 }, &o);
        assert_int_equal(o.status, INFLATE_DAMAGED);
        strbuf_release(&o.plain);
    }
}

static void a_wrong_sum_of_the_header_is_refused(void **state)
{
    unsigned char packed[] = "\x1f\x8b\x08\x02\0\0\0\0\0\xff??\x03\0\0\0\0\0\0\0\0\0";
    uLong sum = crc32(0, packed, 10);
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct outcome o;
        packed[10] = (unsigned char)(sum ^ (uLong)wrong);
        packed[11] = (unsigned char)(sum >> 8);
        inflate_all(&INFLATE_FASTEST, (char *)packed, sizeof packed - 1, (struct steps){ 1, 0 },
                    &o);
        assert_int_equal(o.status, wrong ? INFLATE_DAMAGED : INFLATE_MEMBER_ENDED);
        strbuf_release(&o.plain);
    }
}

/* Sizes wrap at 4 GiB in the trailer, and must not in between. */
static void members_may_be_larger_than_4_gib(void **state)
{
    enum { BLOCK = 64 * 1024 * 1024, BLOCKS = 65 };
    uint32_t x = 1;
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    auto_free unsigned char *block = xcalloc(1, BLOCK);
    (void)state;
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    fill_plain(&x, block, PLAIN_MAX);
    /* The same bytes for each block but the first: the flush makes blocks independent. */
    size_t room = BLOCK / 16;
    z.next_out = (Bytef *)strbuf_reserve(&packed, room);
    z.avail_out = (uInt)room;
    z.next_in = block;
    z.avail_in = BLOCK;
    assert_int_equal(deflate(&z, Z_FULL_FLUSH), Z_OK);
    size_t head = 10;
    size_t body = z.total_out - head;
    packed.len = z.total_out;
    deflateEnd(&z);

    uLong crc = crc32(0, block, BLOCK);
    uLong all = crc;
    for (int i = 1; i < BLOCKS; i++) {
        strbuf_reserve(&packed, body);
        strbuf_add(&packed, packed.buf + head, body);
        all = crc32_combine(all, crc, BLOCK);
    }
    uint32_t size = (uint32_t)((uint64_t)BLOCK * BLOCKS);
    strbuf_add(&packed, "\x03\0", 2);
    for (int i = 0; i < 4; i++)
        strbuf_addf(&packed, "%c", (int)(all >> 8 * i & 0xff));
    for (int i = 0; i < 4; i++)
        strbuf_addf(&packed, "%c", (int)(size >> 8 * i & 0xff));

    void *inflater = INFLATE_FASTEST.open();
    struct inflate_io io = { .in = (unsigned char *)packed.buf, .in_len = packed.len };
    enum inflate_status status = INFLATE_GOES_ON;
    uint64_t total = 0;
    while (status == INFLATE_GOES_ON) {
        const char *why = NULL;
        io.out = block;
        io.out_len = BLOCK;
        status = INFLATE_FASTEST.run(inflater, &io, &why);
        total += BLOCK - io.out_len;
    }
    INFLATE_FASTEST.close(inflater);
    assert_int_equal(status, INFLATE_MEMBER_ENDED);
    assert_int_equal(total, (uint64_t)BLOCK * BLOCKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_of_every_kind),
        cmocka_unit_test(cut_everywhere),
        cmocka_unit_test(reserved_flags_are_refused),
        cmocka_unit_test(a_wrong_sum_of_the_header_is_refused),
        cmocka_unit_test(members_may_be_larger_than_4_gib),
    };
    return cmocka_run_group_tests_name("inflate", tests, NULL, NULL);
}
