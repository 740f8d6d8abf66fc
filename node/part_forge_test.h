/*
 * part_forge_test.h - a part file around any content, with digests and trailer that fit it.
 *
 * So that what decodes items can be given bytes that no writer would make, past all digests. For
 * tests and fuzzers.
 */
#ifndef TROUPE_PART_FORGE_TEST_H
#define TROUPE_PART_FORGE_TEST_H

#include "node/base/memory.h"
#include "node/part.h"

/* Appends to `content` the digests over it and a trailer that says these numbers. */
static inline void part_forge(struct buffer *content, uint64_t records_at, uint64_t actors,
                              uint64_t messages) {
    size_t bytes = content->bytes;
    struct buffer digests = {0};
    for (size_t at = 0; at < bytes; at += PART_DIGEST_BYTES) {
        size_t count = bytes - at < PART_DIGEST_BYTES ? bytes - at : PART_DIGEST_BYTES;
        digest_of(content->data + at, count, buffer_reserve(&digests, DIGEST_BYTES));
        digests.bytes += DIGEST_BYTES;
    }
    part_encode_digests(content, digests.data, digests.bytes / DIGEST_BYTES);
    part_trailer trailer = {actors, messages, records_at, bytes};
    part_encode_trailer(content, &trailer);
    buffer_fini(&digests);
}

#endif
