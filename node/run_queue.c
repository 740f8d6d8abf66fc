#include "node/run_queue.h"

#include <string.h>

#include "node/actor.h"

void run_queue_init(struct run_queue *queue) {
    memset(queue, 0, sizeof *queue);
    pthread_mutex_init(&queue->mutex, NULL);
}

void run_queue_fini(struct run_queue *queue) {
    pthread_mutex_destroy(&queue->mutex);
}

uint32_t run_queue_count(const struct run_queue *queue) {
    return atomic_load_explicit(&queue->tail, memory_order_relaxed) -
           atomic_load_explicit(&queue->head, memory_order_relaxed) +
           atomic_load_explicit(&queue->listed, memory_order_relaxed);
}

static void list_append_chain(struct run_queue *queue, tr_actor *first, tr_actor *last,
                              uint32_t count) {
    last->run_next = NULL;
    pthread_mutex_lock(&queue->mutex);
    if (queue->last == NULL)
        queue->first = first;
    else
        queue->last->run_next = first;
    queue->last = last;
    atomic_fetch_add_explicit(&queue->listed, count, memory_order_seq_cst);
    pthread_mutex_unlock(&queue->mutex);
}

void run_queue_inject(struct run_queue *queue, tr_actor *runnable) {
    list_append_chain(queue, runnable, runnable, 1);
}

/* Takes the oldest of the ring, or NULL. Owner and thieves alike. */
static tr_actor *ring_take(struct run_queue *queue) {
    uint32_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
    for (;;) {
        /* Acquire: the slot was filled before the tail moved. */
        uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
        if (head == tail) return NULL;
        tr_actor *taken =
            atomic_load_explicit(&queue->ring[head % RUN_QUEUE_RING], memory_order_relaxed);
        /* Acquire-release: the slot was read before it may be filled again, and the taker sees what
         * the pusher wrote. */
        if (atomic_compare_exchange_weak_explicit(&queue->head, &head, head + 1,
                                                  memory_order_acq_rel, memory_order_acquire))
            return taken;
    }
}

static void ring_spill(struct run_queue *queue, tr_actor *runnable) {
    tr_actor *first = NULL, *last = NULL;
    uint32_t count = 0;
    for (int i = 0; i < RUN_QUEUE_RING / 2; i++) {
        tr_actor *taken = ring_take(queue);
        if (taken == NULL) break;
        if (first == NULL)
            first = taken;
        else
            last->run_next = taken;
        last = taken;
        count++;
    }
    if (first == NULL)
        first = runnable;
    else
        last->run_next = runnable;
    list_append_chain(queue, first, runnable, count + 1);
}

void run_queue_push(struct run_queue *queue, tr_actor *runnable) {
    uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    /* Acquire: a slot is free only after its taker has read it. */
    if (tail - atomic_load_explicit(&queue->head, memory_order_acquire) == RUN_QUEUE_RING) {
        ring_spill(queue, runnable);
        return;
    }
    atomic_store_explicit(&queue->ring[tail % RUN_QUEUE_RING], runnable, memory_order_relaxed);
    /* Sequentially consistent, which includes release: a worker about to sleep must not miss it. */
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_seq_cst);
}

/* Moves up to half a ring from `queue`'s list to `own`'s ring and returns the first of them, or
 * NULL. */
static tr_actor *list_take(struct run_queue *queue, struct run_queue *own) {
    if (atomic_load_explicit(&queue->listed, memory_order_seq_cst) == 0) return NULL;
    pthread_mutex_lock(&queue->mutex);
    tr_actor *first = queue->first, *last = first;
    uint32_t count = 0;
    uint32_t room = RUN_QUEUE_RING - (atomic_load_explicit(&own->tail, memory_order_relaxed) -
                                      atomic_load_explicit(&own->head, memory_order_acquire));
    if (room > RUN_QUEUE_RING / 2) room = RUN_QUEUE_RING / 2;
    if (room == 0) room = 1;
    while (last != NULL && ++count < room && last->run_next != NULL) last = last->run_next;
    if (first != NULL) {
        queue->first = last->run_next;
        if (queue->first == NULL) queue->last = NULL;
        last->run_next = NULL;
        atomic_fetch_sub_explicit(&queue->listed, count, memory_order_relaxed);
    }
    pthread_mutex_unlock(&queue->mutex);
    if (first == NULL) return NULL;
    for (tr_actor *next = first->run_next; next != NULL;) {
        tr_actor *pushed = next;
        next = next->run_next;
        run_queue_push(own, pushed);
    }
    return first;
}

tr_actor *run_queue_pop(struct run_queue *queue) {
    if (++queue->pops % RUN_QUEUE_FAIR == 0) {
        tr_actor *listed = list_take(queue, queue);
        if (listed != NULL) return listed;
    }
    tr_actor *taken = ring_take(queue);
    return taken != NULL ? taken : list_take(queue, queue);
}

tr_actor *run_queue_steal(struct run_queue *queue, struct run_queue *own) {
    uint32_t waiting = atomic_load_explicit(&queue->tail, memory_order_acquire) -
                       atomic_load_explicit(&queue->head, memory_order_acquire);
    tr_actor *first = ring_take(queue);
    if (first == NULL) return list_take(queue, own);
    for (uint32_t i = 1; i < waiting / 2; i++) {
        tr_actor *more = ring_take(queue);
        if (more == NULL) break;
        run_queue_push(own, more);
    }
    return first;
}
