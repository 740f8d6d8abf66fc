/*
 * part_digest.h - a digest under way that lives on the heap.
 *
 * struct digest wants an alignment of 64, more than mem_alloc gives; this keeps one in a block
 * with room to move it there. One thread at a time.
 */
#ifndef TROUPE_PART_DIGEST_H
#define TROUPE_PART_DIGEST_H

#include "node/base/digest.h"
#include "node/base/memory.h"

struct part_digest {
    struct digest *state;
    void *memory;
};

/* Takes the memory and starts the digest. */
static inline void part_digest_init(struct part_digest *digest) {
    const uintptr_t alignment = _Alignof(struct digest);
    digest->memory = mem_alloc(sizeof(struct digest) + alignment);
    digest->state =
        (struct digest *)(((uintptr_t)digest->memory + alignment - 1) & ~(alignment - 1));
    digest_init(digest->state);
}

/* Gives the memory back. */
static inline void part_digest_fini(struct part_digest *digest) {
    mem_free(digest->memory);
    *digest = (struct part_digest){0};
}

#endif
