/*
 * record_block.h - the block of a body while it is measured and while it is filled.
 *
 * Whatever makes bodies walks its input twice with the same code: first without a base, which
 * only counts, then with a block of the counted size. Both walks take the same pieces in the same
 * order, so the second one fits exactly.
 */
#ifndef TROUPE_RECORD_BLOCK_H
#define TROUPE_RECORD_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct record_block {
    uint8_t *base; /* NULL while measuring */
    size_t used;
    size_t limit;
};

/* Takes the next piece, aligned (a power of two): false, with nothing taken, when it would pass
 * the limit. `*piece_out` is NULL while measuring. */
static inline bool record_block_take(struct record_block *block, uint64_t bytes, size_t alignment,
                                     uint8_t **piece_out) {
    size_t start = (block->used + alignment - 1) & ~(alignment - 1);
    if (start > block->limit || bytes > block->limit - start) return false;
    block->used = start + (size_t)bytes;
    *piece_out = block->base == NULL ? NULL : block->base + start;
    return true;
}

/* As record_block_take, with the piece zeroed. */
static inline bool record_block_take_zeroed(struct record_block *block, uint64_t bytes,
                                            size_t alignment, uint8_t **piece_out) {
    if (!record_block_take(block, bytes, alignment, piece_out)) return false;
    if (*piece_out != NULL && bytes > 0) memset(*piece_out, 0, (size_t)bytes);
    return true;
}

/* The place `bytes` into a piece; NULL while measuring. */
static inline uint8_t *record_block_at(uint8_t *piece, size_t bytes) {
    return piece == NULL ? NULL : piece + bytes;
}

#endif
