/*
 * run_queue.h - the actors that wait for a worker, first come first served.
 *
 * A ring of fixed size that its owner fills and that anybody may empty with one CAS (as the Go
 * runtime's), and behind it a list without bound under a lock for what does not fit. As long as
 * there is a list, what comes goes behind it, so that nobody loses his place. A list alone serves
 * the actors that were woken by threads that are no workers.
 */
#ifndef TROUPE_RUN_QUEUE_H
#define TROUPE_RUN_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

enum { RUN_QUEUE_RING = 1024 }; /* two turns full of sends */

struct run_list {
    pthread_mutex_t mutex; /* guards first and last */
    tr_actor *first, *last;
    _Atomic uint32_t count;
};

struct run_queue {
    _Alignas(64) _Atomic uint32_t head; /* next to take; owner and thieves */
    _Alignas(64) _Atomic uint32_t tail; /* next to fill; owner */
    uint32_t pops;
    _Atomic(tr_actor *) ring[RUN_QUEUE_RING];
    struct run_list list;
};

void run_list_init(struct run_list *list);
void run_list_fini(struct run_list *list);
/* Any thread. */
void run_list_push(struct run_list *list, tr_actor *runnable);

static inline uint32_t run_list_count(const struct run_list *list) {
    return atomic_load_explicit(&list->count, memory_order_acquire);
}

void run_queue_init(struct run_queue *queue);
void run_queue_fini(struct run_queue *queue);
/* Owner. */
void run_queue_push(struct run_queue *queue, tr_actor *runnable);
tr_actor *run_queue_pop(struct run_queue *queue);
/* Owner: takes some actors out of a list: returns one and pushes the others to its own ring. */
tr_actor *run_queue_take_from(struct run_queue *own, struct run_list *list);
/* A thief takes up to half of the victim's waiting actors: returns one and pushes the others to
 * `own`. */
tr_actor *run_queue_steal(struct run_queue *queue, struct run_queue *own);

/* Approximate. */
static inline uint32_t run_queue_count(const struct run_queue *queue) {
    return atomic_load_explicit(&queue->tail, memory_order_relaxed) -
           atomic_load_explicit(&queue->head, memory_order_relaxed) + run_list_count(&queue->list);
}

#endif
