/*
 * record_fuzz.c - outside bytes, nearly right, through everything that takes them.
 *
 * usage: record_fuzz [SEED [ROUNDS]]. Each round takes a random record and body, damages the
 * record's descriptor and the body's encoding, and lets the table, the decoder, the conversion and
 * JSON work on them. Whatever is accepted must survive encoding again. Run it with sanitizers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "node/base/buffer.h"
#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/record_codec.h"
#include "node/record_json.h"
#include "node/record_random.h"
#include "node/record_table.h"

enum { ROUNDS = 200000, ROUNDS_OF_A_TABLE = 100, DAMAGES_MAX = 6 };

struct fuzz {
    struct arena arena;
    record_table *table; /* knows what the random records describe */
    record_table *peer;  /* knows damaged descriptors only */
    unsigned bodies_accepted;
    unsigned bodies_refused;
    unsigned types_accepted;
    unsigned types_refused;
};

static const record_limits limits = {.block_bytes_max = 1024 * 1024};

/* Changes, drops or doubles a few bytes somewhere, or puts a dangerous head there. */
static void damage(struct arena *arena, struct buffer *wire) {
    static const uint8_t heads[] = {0xdd, 0xdc, 0xdb, 0xc6, 0xdf, 0xcf, 0xd3, 0xc1,
                                    0x9f, 0xbf, 0x7f, 0xff, 0xc0, 0xc9, 0x90, 0xa0};
    uint32_t place = arena_below(arena, (uint32_t)wire->bytes);
    uint32_t count = 1 + arena_below(arena, 4);
    if (count > wire->bytes - place) count = (uint32_t)wire->bytes - place;
    switch (arena_below(arena, 5)) {
        case 0:
            wire->data[place] = (uint8_t)random_u64(&arena->random);
            break;
        case 1:
            wire->data[place] = heads[arena_below(arena, sizeof(heads))];
            break;
        case 2:
            memmove(wire->data + place, wire->data + place + count, wire->bytes - place - count);
            wire->bytes -= count;
            break;
        case 3:
            buffer_reserve(wire, count);
            memmove(wire->data + place + count, wire->data + place, wire->bytes - place);
            wire->bytes += count;
            break;
        default:
            wire->data[place] ^= (uint8_t)(1u << arena_below(arena, 8));
            break;
    }
}

/* Returns a damaged copy in an allocation of exactly its size, the caller's. */
static uint8_t *damaged(struct arena *arena, const uint8_t *source, size_t source_bytes,
                        size_t *bytes_out) {
    struct buffer wire = {0};
    buffer_append(&wire, source, source_bytes);
    for (uint32_t i = arena_below(arena, DAMAGES_MAX); i > 0 && wire.bytes > 0; i--)
        damage(arena, &wire);
    uint8_t *copy = mem_dup(wire.data, wire.bytes);
    *bytes_out = wire.bytes;
    buffer_fini(&wire);
    return copy;
}

/* Returns the block, the caller's, or NULL when the bytes are refused. */
static void *decode(const record_type *type, const uint8_t *data, size_t bytes) {
    size_t block_bytes;
    tr_error error = {0};
    if (record_decode_measure(type, data, bytes, &limits, &block_bytes, &error) != TR_OK) {
        check(error.status == TR_EDATA && error.message[0] != '\0');
        return NULL;
    }
    check(block_bytes <= limits.block_bytes_max);
    void *block = mem_alloc(block_bytes);
    check(record_decode(type, data, bytes, &limits, block, block_bytes, &error) == TR_OK);
    return block;
}

static void check_encoding(const record_type *type, const void *block) {
    struct buffer again = {0};
    record_encode(type, block, &again);
    void *second = decode(type, again.data, again.bytes);
    check(second != NULL && bodies_equal(type, block, type, second));
    mem_free(second);
    buffer_fini(&again);
}

/* JSON may refuse what it could not show (NaN), but what it takes must be sound. */
static void check_json(const record_type *type, const void *block) {
    json_t *json = record_to_json(type, block, NULL);
    void *read = NULL;
    if (record_from_json(type, json, NULL, &limits, &read, NULL) == TR_OK)
        check_encoding(type, read);
    mem_free(read);
    json_decref(json);
}

static void check_conversion(const record_type *from, const void *block, const record_type *to) {
    size_t bytes;
    if (record_convert_measure(from, block, to, &limits, &bytes, NULL) != TR_OK) return;
    void *converted = mem_alloc(bytes);
    record_convert(from, block, to, converted, bytes);
    check_encoding(to, converted);
    mem_free(converted);
}

static void fuzz_body(struct fuzz *fuzz, const record_type *type, const struct buffer *wire,
                      const record_type *other) {
    size_t bytes;
    uint8_t *data = damaged(&fuzz->arena, wire->data, wire->bytes, &bytes);
    void *block = decode(type, data, bytes);
    mem_free(data);
    if (block == NULL) {
        fuzz->bodies_refused++;
        return;
    }
    fuzz->bodies_accepted++;
    check_encoding(type, block);
    check_json(type, block);
    if (other != NULL) check_conversion(type, block, other);
    mem_free(block);
}

/* Returns a type whose descriptor is nearly that of `type`, or NULL. */
static const record_type *fuzz_type(struct fuzz *fuzz, const record_type *type) {
    size_t bytes;
    uint8_t *data = damaged(&fuzz->arena, type->descriptor, type->descriptor_bytes, &bytes);
    const record_type *other = NULL;
    tr_status status = record_table_from_wire(fuzz->peer, data, bytes, &other, NULL);
    check(status == TR_OK || status == TR_EDATA || status == TR_ETOOBIG);
    mem_free(data);
    status == TR_OK ? fuzz->types_accepted++ : fuzz->types_refused++;
    return other;
}

static void fuzz_round(struct fuzz *fuzz) {
    const record_type *type = NULL;
    tr_error error = {0};
    struct buffer wire = {0};
    check(record_table_intern(fuzz->table, random_record(&fuzz->arena, 2), &type, &error) == TR_OK);
    record_encode(type, random_body(&fuzz->arena, type), &wire);
    const record_type *other = fuzz_type(fuzz, type);
    fuzz_body(fuzz, type, &wire, other);
    if (other != NULL) fuzz_body(fuzz, other, &wire, type);
    buffer_fini(&wire);
}

static void start(struct fuzz *fuzz) {
    fuzz->table = record_table_new(NULL);
    fuzz->peer = record_table_new(NULL);
}

static void stop(struct fuzz *fuzz) {
    record_table_free(fuzz->table);
    record_table_free(fuzz->peer);
    arena_free(&fuzz->arena);
}

int main(int argc, char **argv) {
    unsigned long long seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : ROUNDS;
    struct fuzz fuzz = {0};
    random_seed(&fuzz.arena.random, seed);
    start(&fuzz);
    for (unsigned long i = 0; i < rounds; i++) {
        if (i % ROUNDS_OF_A_TABLE == ROUNDS_OF_A_TABLE - 1) {
            stop(&fuzz);
            start(&fuzz);
        }
        fuzz_round(&fuzz);
    }
    stop(&fuzz);
    printf(
        "seed %llu, %lu rounds: bodies %u accepted, %u refused; records %u accepted, %u refused\n",
        seed, rounds, fuzz.bodies_accepted, fuzz.bodies_refused, fuzz.types_accepted,
        fuzz.types_refused);
    return fuzz.bodies_accepted > 0 && fuzz.types_accepted > 0 ? 0 : 1;
}
