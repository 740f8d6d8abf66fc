/*
 * run_queue_stress.c - an owner, thieves and injectors on run queues, for the thread sanitizer.
 *
 * Every actor that is queued must be taken by exactly one thread, whatever way it went (ring, list,
 * stolen halves). Usage: run_queue_stress [ACTORS].
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/actor.h"
#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/run_queue.h"

enum { WORKERS = 3 };

static struct run_queue *queues;
static uint32_t actors_count = 60000;
static tr_actor *actors;
static _Atomic uint32_t taken_count;

/* One turn: the plain counter is the owner's, so two owners at once are a race the sanitizer sees.
 */
static void run(tr_actor *taken) {
    taken->serial++;
    atomic_fetch_add(&taken_count, 1);
}

static void *work(void *argument) {
    uint32_t own = (uint32_t)(uintptr_t)argument;
    for (uint32_t i = own; i < actors_count; i += WORKERS + 1) {
        run_queue_push(&queues[own], &actors[i]);
        tr_actor *taken = i % 3 == 0 ? run_queue_pop(&queues[own]) : NULL;
        if (taken != NULL) run(taken);
    }
    while (atomic_load(&taken_count) < actors_count) {
        tr_actor *taken = run_queue_pop(&queues[own]);
        if (taken == NULL) taken = run_queue_steal(&queues[(own + 1) % WORKERS], &queues[own]);
        if (taken != NULL)
            run(taken);
        else
            sched_yield();
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count > 1) actors_count = (uint32_t)strtoul(arguments[1], NULL, 10);
    queues = aligned_alloc(64, WORKERS * sizeof *queues);
    check(queues != NULL);
    actors = mem_zalloc(actors_count, sizeof *actors);
    for (int i = 0; i < WORKERS; i++) run_queue_init(&queues[i]);
    pthread_t threads[WORKERS];
    for (uintptr_t i = 0; i < WORKERS; i++)
        check(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (uint32_t i = WORKERS; i < actors_count; i += WORKERS + 1)
        run_list_push(&queues[i % WORKERS].list, &actors[i]);
    for (int i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
    unsigned passed = 0, failed = 0;
    for (uint32_t i = 0; i < actors_count; i++) {
        if (actors[i].serial == 1)
            passed++;
        else
            failed++;
    }
    for (int i = 0; i < WORKERS; i++) {
        if (run_queue_count(&queues[i]) == 0)
            passed++;
        else
            failed++;
        run_queue_fini(&queues[i]);
    }
    mem_free(actors);
    free(queues);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
