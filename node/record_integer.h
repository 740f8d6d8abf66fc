/*
 * record_integer.h - integers of all eight kinds as one: a sign and 64 bits.
 *
 * So that the codec, the conversion and JSON need not tell the kinds apart. A kind here is one of
 * TR_KIND_I8 to TR_KIND_U64, of which TR_KIND_I64 is the last signed one.
 */
#ifndef TROUPE_RECORD_INTEGER_H
#define TROUPE_RECORD_INTEGER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <troupe.h>

typedef struct record_integer {
    uint64_t bits; /* as int64_t when negative */
    bool negative;
} record_integer;

static inline bool record_integer_kind(uint32_t kind) {
    return kind >= TR_KIND_I8 && kind <= TR_KIND_U64;
}

/* Returns the size of the kind's C type: the kinds of either sign stand in order of size. */
static inline unsigned record_integer_bytes(uint32_t kind) {
    return 1u << ((kind - TR_KIND_I8) & 3);
}

/* Reads the C integer of that kind at `from`, aligned or not. */
static inline record_integer record_integer_load(uint32_t kind, const void *from) {
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t bits;
    unsigned bytes = record_integer_bytes(kind);
    switch (bytes) {
        case 1:
            memcpy(&one, from, 1);
            bits = one;
            break;
        case 2:
            memcpy(&two, from, 2);
            bits = two;
            break;
        case 4:
            memcpy(&four, from, 4);
            bits = four;
            break;
        default:
            memcpy(&bits, from, 8);
            break;
    }
    bool negative = kind <= TR_KIND_I64 && bits >> (8 * bytes - 1) != 0;
    if (negative && bytes < 8) bits |= UINT64_MAX << (8 * bytes);
    return (record_integer){bits, negative};
}

/* True when a C integer of that kind can hold the value. */
static inline bool record_integer_fits(uint32_t kind, record_integer integer) {
    unsigned unused = 64 - 8 * record_integer_bytes(kind);
    if (kind > TR_KIND_I64) return !integer.negative && integer.bits <= UINT64_MAX >> unused;
    uint64_t max = (uint64_t)INT64_MAX >> unused;
    return integer.negative ? ~integer.bits <= max : integer.bits <= max;
}

/* Writes a value that fits as a C integer of that kind to `to`. */
static inline void record_integer_store(uint32_t kind, record_integer integer, void *to) {
    uint8_t one = (uint8_t)integer.bits;
    uint16_t two = (uint16_t)integer.bits;
    uint32_t four = (uint32_t)integer.bits;
    switch (record_integer_bytes(kind)) {
        case 1:
            memcpy(to, &one, 1);
            break;
        case 2:
            memcpy(to, &two, 2);
            break;
        case 4:
            memcpy(to, &four, 4);
            break;
        default:
            memcpy(to, &integer.bits, 8);
            break;
    }
}

#endif
