/*
 * frame_pool.h - memory of frames that libzmq is done with, for frames to come.
 *
 * A busy link hands over some thousand large frames a second. Freed where libzmq is done with them,
 * on its own thread, they would make the allocator give pages back and fetch them anew all the
 * time. So they come back here and go out again. Any thread may return memory; one takes it.
 */
#ifndef TROUPE_TRANSPORT_FRAME_POOL_H
#define TROUPE_TRANSPORT_FRAME_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "node/base/buffer.h"

struct frame_pool;

/* Makes an empty pool; free it when all memory has come back. */
struct frame_pool *frame_pool_new(void);
void frame_pool_free(struct frame_pool *pool);

/* Owner: lends the buffer's memory out and gives the buffer other memory of the pool's, or none.
 * Returns what to hand to frame_pool_return; `*data_out` and `*bytes_out` are the bytes. */
struct frame_loan *frame_pool_lend(struct frame_pool *pool, struct buffer *frame,
                                   uint8_t **data_out, size_t *bytes_out);

/* Any thread: nobody reads the bytes any more. The pool keeps the memory, or frees it when it has
 * enough. */
void frame_pool_return(struct frame_loan *loan);

#endif
