/*
 * block.h - memory for what comes and goes by the million: messages and actors.
 *
 * A cache of free blocks in front of memory.h. Each thread keeps a few of each size; what it has
 * too many of, and what it lacks, travels to and from a common depot by the chain, so that a
 * message made by one thread and freed by another costs no lock of its own (the magazines of
 * Bonwick and Adams, USENIX 2001). What the depot holds beyond DEPOT_BYTES_MAX of one size goes
 * back. Blocks above BLOCK_BYTES_MAX are memory.h's.
 *
 * Whoever frees a block says how large it is. Any thread may call; a thread's cache goes to the
 * depot when it ends.
 */
#ifndef TROUPE_BASE_BLOCK_H
#define TROUPE_BASE_BLOCK_H

#include <stddef.h>

enum { BLOCK_BYTES_MAX = 1024 };

/* Returns `bytes` bytes of unset memory, aligned to 16; never NULL. */
void *block_alloc(size_t bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Gives a block of block_alloc(bytes) back; NULL is nothing to do. */
void block_free(void *block, size_t bytes);

#endif
