#include "node/run_queue.h"

#include <string.h>

#include "node/actor.h"

void run_list_init(struct run_list *list) {
    memset(list, 0, sizeof *list);
    pthread_mutex_init(&list->mutex, NULL);
}

void run_list_fini(struct run_list *list) {
    pthread_mutex_destroy(&list->mutex);
}

void run_queue_init(struct run_queue *queue) {
    memset(queue, 0, sizeof *queue);
    run_list_init(&queue->list);
}

void run_queue_fini(struct run_queue *queue) {
    run_list_fini(&queue->list);
}

static void append_chain(struct run_list *list, tr_actor *first, tr_actor *last, uint32_t count) {
    last->run_next = NULL;
    pthread_mutex_lock(&list->mutex);
    if (list->last == NULL)
        list->first = first;
    else
        list->last->run_next = first;
    list->last = last;
    /* Release: who sees the count finds them under the lock. */
    atomic_fetch_add_explicit(&list->count, count, memory_order_release);
    pthread_mutex_unlock(&list->mutex);
}

void run_list_push(struct run_list *list, tr_actor *runnable) {
    append_chain(list, runnable, runnable, 1);
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

/* Owner; there is room. */
static void ring_push(struct run_queue *queue, tr_actor *runnable) {
    uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    atomic_store_explicit(&queue->ring[tail % RUN_QUEUE_RING], runnable, memory_order_relaxed);
    /* Release: a taker sees the slot. That a worker about to sleep sees it is parking_notify's. */
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
}

static uint32_t ring_room(const struct run_queue *queue) {
    /* Acquire: a slot is free only after its taker has read it. */
    return RUN_QUEUE_RING - (atomic_load_explicit(&queue->tail, memory_order_relaxed) -
                             atomic_load_explicit(&queue->head, memory_order_acquire));
}

void run_queue_push(struct run_queue *queue, tr_actor *runnable) {
    if (run_list_count(&queue->list) == 0 && ring_room(queue) > 0)
        ring_push(queue, runnable);
    else
        run_list_push(&queue->list, runnable);
}

/* Cuts up to `room` actors off a list's front; returns the first, linked by run_next. */
static tr_actor *cut_chain(struct run_list *list, uint32_t room) {
    pthread_mutex_lock(&list->mutex);
    tr_actor *first = list->first, *last = first;
    uint32_t count = 0;
    while (last != NULL && ++count < room && last->run_next != NULL) last = last->run_next;
    if (first != NULL) {
        list->first = last->run_next;
        if (list->first == NULL) list->last = NULL;
        last->run_next = NULL;
        atomic_fetch_sub_explicit(&list->count, count, memory_order_relaxed);
    }
    pthread_mutex_unlock(&list->mutex);
    return first;
}

tr_actor *run_queue_take_from(struct run_queue *own, struct run_list *list) {
    if (run_list_count(list) == 0) return NULL;
    uint32_t room = ring_room(own);
    if (room > RUN_QUEUE_RING / 2) room = RUN_QUEUE_RING / 2;
    tr_actor *first = cut_chain(list, room > 0 ? room : 1);
    if (first == NULL) return NULL;
    for (tr_actor *next = first->run_next; next != NULL;) {
        tr_actor *pushed = next;
        next = next->run_next;
        ring_push(own, pushed);
    }
    return first;
}

tr_actor *run_queue_pop(struct run_queue *queue) {
    queue->pops++;
    tr_actor *taken = ring_take(queue);
    return taken != NULL ? taken : run_queue_take_from(queue, &queue->list);
}

tr_actor *run_queue_steal(struct run_queue *queue, struct run_queue *own) {
    /* The head first: the tail is never behind it. */
    uint32_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
    uint32_t waiting = atomic_load_explicit(&queue->tail, memory_order_acquire) - head;
    tr_actor *first = ring_take(queue);
    if (first == NULL) return run_queue_take_from(own, &queue->list);
    for (uint32_t i = 1; i < waiting / 2; i++) {
        tr_actor *more = ring_take(queue);
        if (more == NULL) break;
        if (ring_room(own) > 0)
            ring_push(own, more);
        else
            run_list_push(&own->list, more);
    }
    return first;
}
