#include "node/timers.h"

#include "node/base/container.h"

void timers_init(struct timers *timers) {
    pthread_mutex_init(&timers->mutex, NULL);
    heap_init(&timers->heap);
    atomic_init(&timers->next_ns, UINT64_MAX);
}

void timers_fini(struct timers *timers) {
    heap_fini(&timers->heap);
    pthread_mutex_destroy(&timers->mutex);
}

static void publish_next(struct timers *timers) {
    heap_node *first = heap_peek(&timers->heap);
    /* Sequentially consistent: a worker about to sleep must not miss an earlier deadline. */
    atomic_store_explicit(&timers->next_ns, first == NULL ? UINT64_MAX : first->key,
                          memory_order_seq_cst);
}

bool timers_add(struct timers *timers, struct timer *timer, uint64_t deadline_ns) {
    timer->home = timers;
    timer->deadline_ns = deadline_ns;
    pthread_mutex_lock(&timers->mutex);
    heap_push(&timers->heap, &timer->node, deadline_ns);
    bool first = heap_peek(&timers->heap) == &timer->node;
    if (first) publish_next(timers);
    pthread_mutex_unlock(&timers->mutex);
    return first;
}

void timers_remove(struct timer *timer) {
    struct timers *timers = timer->home;
    pthread_mutex_lock(&timers->mutex);
    heap_remove(&timers->heap, &timer->node);
    publish_next(timers);
    pthread_mutex_unlock(&timers->mutex);
}

uint32_t timers_fire(struct timers *timers, uint64_t now_ns, tr_message **out, uint32_t max) {
    uint32_t count = 0;
    pthread_mutex_lock(&timers->mutex);
    while (count < max) {
        heap_node *first = heap_peek(&timers->heap);
        if (first == NULL || first->key > now_ns) break;
        struct timer *timer = container_of(heap_pop(&timers->heap), struct timer, node);
        out[count++] = timer->message;
        timer->message = NULL;
    }
    publish_next(timers);
    pthread_mutex_unlock(&timers->mutex);
    return count;
}
