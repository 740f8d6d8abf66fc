/* block_plain.c - blocks without a cache: built instead of block.c where a sanitizer is to see each
 * block come and go. */
#include "node/base/block.h"
#include "node/base/memory.h"

void *block_alloc(size_t bytes) {
    return mem_alloc(bytes);
}

void block_free(void *block, size_t bytes) {
    (void)bytes;
    mem_free(block);
}
