#include "transport/frame_pool.h"

#include "node/base/memory.h"
#include "node/base/returns.h"

enum {
    KEPT_MAX = 64,           /* loans in the pool */
    CAPACITY_MAX = 256 << 10 /* larger ones are rare, and freed */
};

/* Memory on its way, and the place where it waits in between. */
struct frame_loan {
    struct returned returned; /* first */
    struct frame_pool *pool;
    uint8_t *data;
    size_t capacity;
};

struct frame_pool {
    struct returns returns;
};

struct frame_pool *frame_pool_new(void) {
    struct frame_pool *pool = mem_zalloc(1, sizeof *pool);
    pool->returns.max = KEPT_MAX;
    return pool;
}

static struct frame_loan *take(struct frame_pool *pool) {
    return (struct frame_loan *)(void *)returns_take(&pool->returns);
}

static void loan_free(struct frame_loan *loan) {
    mem_free(loan->data);
    mem_free(loan);
}

void frame_pool_free(struct frame_pool *pool) {
    if (pool == NULL) return;
    for (struct frame_loan *loan; (loan = take(pool)) != NULL;) loan_free(loan);
    mem_free(pool);
}

struct frame_loan *frame_pool_lend(struct frame_pool *pool, struct buffer *frame,
                                   uint8_t **data_out, size_t *bytes_out) {
    struct frame_loan *loan = take(pool);
    if (loan == NULL) {
        loan = mem_zalloc(1, sizeof *loan);
        loan->pool = pool;
    }
    struct buffer other = {.data = loan->data, .capacity = loan->capacity};
    loan->data = frame->data;
    loan->capacity = frame->capacity;
    *data_out = frame->data;
    *bytes_out = frame->bytes;
    *frame = other;
    return loan;
}

void frame_pool_return(struct frame_loan *loan) {
    bool common = loan->capacity <= CAPACITY_MAX;
    if (!common || !returns_push(&loan->pool->returns, &loan->returned)) loan_free(loan);
}
