/*
 * envelope_fuzz.c - outside bytes into the decoders of frames, HELLOs and envelopes.
 *
 * usage: envelope_fuzz [SEED [ROUNDS]]. Each round makes a good one, damages it, and decodes it
 * from memory of exactly its size. What is accepted must encode and decode to the same again, must
 * keep its limits and point into the input. Run it with sanitizers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/base/random.h"
#include "transport/envelope.h"
#include "transport/frame.h"
#include "transport/hello.h"

enum { ROUNDS = 400000, BODY_MAX = 400, ENVELOPES_MAX = 4 };

struct fuzz {
    random_state random;
    struct buffer input;
    struct buffer again;
    uint64_t passed, failed;
    uint64_t accepted;
};

static uint64_t below(struct fuzz *fuzz, uint64_t bound) {
    return random_below(&fuzz->random, bound);
}

static uint64_t number(struct fuzz *fuzz) {
    return random_u64(&fuzz->random) >> below(fuzz, 64);
}

static void expect(struct fuzz *fuzz, bool holds, const char *what) {
    if (holds) return;
    fuzz->failed++;
    fprintf(stderr, "failed: %s\n", what);
}

/* ---- good ones ------------------------------------------------------------------------------- */

static void put_envelope(struct fuzz *fuzz) {
    uint8_t body[BODY_MAX];
    random_fill(&fuzz->random, body, sizeof body);
    struct envelope context,
        envelope = {.kind = (enum envelope_kind)below(fuzz, ENVELOPE_KINDS),
                    .flags = (uint32_t)number(fuzz),
                    .to = {number(fuzz) | 1, (uint32_t)number(fuzz), (uint32_t)number(fuzz)},
                    .from = {number(fuzz), (uint32_t)number(fuzz), (uint32_t)number(fuzz)},
                    .record = (uint32_t)number(fuzz),
                    .colour = number(fuzz),
                    .message_id = number(fuzz),
                    .body = body,
                    .body_bytes = (uint32_t)below(fuzz, BODY_MAX)};
    struct parcel *parcel = parcel_new(ENVELOPES_MAX * (ENVELOPE_HEAD_BYTES_MAX + BODY_MAX));
    for (uint64_t count = 1 + below(fuzz, ENVELOPES_MAX); count > 0; count--) {
        parcel_append(parcel, &context, &envelope);
        envelope.kind = (enum envelope_kind)below(fuzz, ENVELOPE_KINDS);
        if (below(fuzz, 2) == 0) envelope.flags = (uint32_t)number(fuzz);
        if (below(fuzz, 2) == 0) envelope.message_id++;
        if (below(fuzz, 2) == 0) envelope.colour = number(fuzz);
    }
    buffer_append(&fuzz->input, parcel->data, parcel->bytes);
    parcel_free(parcel);
}

static void put_frame(struct fuzz *fuzz) {
    struct frame_notice notices[8];
    struct frame_header header = {.type = (enum frame_type)(1 + below(fuzz, FRAME_BYE)),
                                  .source = "node",
                                  .source_bytes = 1 + (uint32_t)below(fuzz, 4),
                                  .source_incarnation = number(fuzz),
                                  .session = number(fuzz),
                                  .notices = notices,
                                  .notice_count = (uint32_t)below(fuzz, 8),
                                  .ack = number(fuzz),
                                  .credit_bytes = number(fuzz)};
    uint64_t version = below(fuzz, 2);
    for (uint32_t i = 0; i < header.notice_count; i++)
        notices[i] = (struct frame_notice){
            {number(fuzz), 1, 1}, version += below(fuzz, 9), (enum frame_pressure)below(fuzz, 3)};
    frame_encode(&fuzz->input, &header);
    if (below(fuzz, 2) == 0) put_envelope(fuzz);
}

static void put_hello(struct fuzz *fuzz) {
    struct hello hello = {
        .identity = {.cluster = "c", .endpoint = "tcp://h:1", .generation = number(fuzz)},
        .epoch = number(fuzz),
        .token = number(fuzz),
        .bound = number(fuzz)};
    hello_encode(&fuzz->input, &hello);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static const uint8_t heads[] = {0x80, 0x8f, 0x90, 0x9c, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc9,
                                0xcf, 0xd3, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, 0x00};

static void damage(struct fuzz *fuzz) {
    struct buffer *input = &fuzz->input;
    for (uint64_t times = below(fuzz, 4); times > 0 && input->bytes > 0; times--) {
        size_t at = below(fuzz, input->bytes);
        switch (below(fuzz, 5)) {
            case 0:
                input->data[at] ^= (uint8_t)(1u << below(fuzz, 8));
                break;
            case 1:
                input->data[at] = heads[below(fuzz, sizeof heads)];
                break;
            case 2:
                input->bytes = at;
                break;
            case 3:
                buffer_append_byte(input, (uint8_t)number(fuzz));
                break;
            default:
                memmove(input->data + at, input->data + at + 1, input->bytes - at - 1);
                input->bytes--;
        }
    }
}

/* ---- what is accepted ------------------------------------------------------------------------ */

static bool inside(const uint8_t *part, size_t part_bytes, const uint8_t *data, size_t bytes) {
    return part >= data && part_bytes <= bytes && (size_t)(part - data) <= bytes - part_bytes;
}

/* What was read must be what a parcel of it says again. */
static void try_again(struct fuzz *fuzz, const struct envelope *envelope) {
    struct parcel *parcel = envelope_encode(envelope);
    struct cursor cursor = cursor_over(parcel->data, parcel->bytes);
    struct envelope context = {0}, other;
    const struct envelope *again = envelope_read(&cursor, &context, &other);
    expect(fuzz, again != NULL && cursor_at_end(&cursor), "what was accepted is refused");
    expect(fuzz,
           again != NULL && again->kind == envelope->kind && again->flags == envelope->flags &&
               again->record == envelope->record && again->colour == envelope->colour &&
               again->message_id == envelope->message_id &&
               again->body_bytes == envelope->body_bytes,
           "an envelope changed on its way");
    parcel_free(parcel);
}

static void try_envelopes(struct fuzz *fuzz, const uint8_t *data, size_t bytes) {
    struct cursor cursor = cursor_over(data, bytes), skipping = cursor;
    struct envelope context = {0}, other;
    while (cursor_left(&cursor) > 0) {
        size_t before = cursor_left(&cursor);
        const struct envelope *envelope = envelope_read(&cursor, &context, &other);
        if (envelope == NULL) return;
        fuzz->accepted++;
        expect(fuzz, before - cursor_left(&cursor) == envelope->wire_bytes, "used and told differ");
        expect(fuzz, inside(envelope->body, envelope->body_bytes, data, bytes),
               "the body lies outside");
        expect(fuzz, envelope_skip(&skipping) && skipping.at == cursor.at,
               "skipping leads elsewhere");
        try_again(fuzz, envelope);
    }
}

static void try_frame(struct fuzz *fuzz, const uint8_t *data, size_t bytes) {
    struct frame_header header;
    struct frame_peek peek;
    struct frame_notice notice;
    bool peeked = frame_peek(data, bytes, &peek) == TR_OK;
    if (frame_decode(data, bytes, &header) != TR_OK) return;
    fuzz->accepted++;
    expect(fuzz, peeked && peek.version == FRAME_VERSION && peek.type == header.type,
           "peek says otherwise");
    expect(fuzz, header.source_bytes >= 1 && header.source_bytes <= 63, "a name out of bounds");
    expect(fuzz, inside(header.body, header.body_bytes, data, bytes), "the body lies outside");
    uint64_t version = 0;
    for (; frame_next_notice(&header, &notice); version = notice.version)
        expect(fuzz, notice.version > version && notice.level <= PRESSURE_REFUSE,
               "a notice out of bounds");
}

static void try_hello(struct fuzz *fuzz, const uint8_t *data, size_t bytes) {
    struct hello hello, again;
    memset(&hello, 0xff, sizeof hello);
    if (hello_decode(data, bytes, &hello) != TR_OK) return;
    fuzz->accepted++;
    expect(fuzz, hello.token != 0, "no token");
    buffer_clear(&fuzz->again);
    hello_encode(&fuzz->again, &hello); /* reads past a text that is not closed */
    expect(fuzz, hello_decode(fuzz->again.data, fuzz->again.bytes, &again) == TR_OK,
           "what was accepted is refused");
    expect(
        fuzz,
        again.bound == hello.bound && strcmp(again.identity.cluster, hello.identity.cluster) == 0,
        "a HELLO changed");
}

static void round_of(struct fuzz *fuzz) {
    uint64_t failed = fuzz->failed;
    buffer_clear(&fuzz->input);
    uint64_t which = below(fuzz, 3);
    if (which == 0)
        put_envelope(fuzz);
    else if (which == 1)
        put_frame(fuzz);
    else
        put_hello(fuzz);
    damage(fuzz);
    uint8_t *exact = mem_dup(fuzz->input.data, fuzz->input.bytes);
    try_envelopes(fuzz, exact, fuzz->input.bytes);
    try_frame(fuzz, exact, fuzz->input.bytes);
    try_hello(fuzz, exact, fuzz->input.bytes);
    mem_free(exact);
    if (fuzz->failed == failed) fuzz->passed++;
}

int main(int count, char **arguments) {
    struct fuzz fuzz = {0};
    uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    uint64_t rounds = count > 2 ? strtoull(arguments[2], NULL, 10) : ROUNDS;
    random_seed(&fuzz.random, seed);
    for (uint64_t i = 0; i < rounds; i++) round_of(&fuzz);
    buffer_fini(&fuzz.input);
    buffer_fini(&fuzz.again);
    printf("%" PRIu64 " passed, %" PRIu64 " failed (%" PRIu64 " inputs were accepted)\n",
           fuzz.passed, fuzz.failed, fuzz.accepted);
    return fuzz.failed == 0 ? 0 : 1;
}
