/*
 * next_slot_stress.c - an owner that fills and empties its slot, and thieves, for the thread
 * sanitizer.
 *
 * Every actor put in must be taken out by exactly one of them, and what its owner wrote before must
 * be seen by whoever takes it. Usage: next_slot_stress [ACTORS].
 */
#include "node/next_slot.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/actor.h"
#include "node/base/check.h"
#include "node/base/memory.h"

enum { THIEVES = 2 };

static struct next_slot slot;
static uint32_t actors_count = 200000;
static tr_actor *actors;
static _Atomic bool over;

/* The plain counter is the taker's alone, so two takers at once are a race the sanitizer sees. */
static void run(tr_actor *taken) {
    taken->serial++;
}

static void *steal(void *unused) {
    while (!atomic_load(&over)) {
        tr_actor *stolen = next_slot_steal(&slot);
        if (stolen != NULL)
            run(stolen);
        else
            sched_yield();
    }
    return unused;
}

int main(int count, char **arguments) {
    if (count > 1) actors_count = (uint32_t)strtoul(arguments[1], NULL, 10);
    barrier_init();
    actors = mem_zalloc(actors_count, sizeof *actors);
    pthread_t threads[THIEVES];
    for (int i = 0; i < THIEVES; i++) check(pthread_create(&threads[i], NULL, steal, NULL) == 0);
    for (uint32_t i = 0; i < actors_count; i++) {
        tr_actor *displaced = next_slot_put(&slot, &actors[i]); /* itself when a thief is at it */
        if (displaced != NULL) run(displaced);
        tr_actor *taken = i % 3 == 0 ? next_slot_take(&slot) : NULL;
        if (taken != NULL) run(taken);
        if (i % 64 == 0) sched_yield();
    }
    atomic_store(&over, true);
    for (int i = 0; i < THIEVES; i++) pthread_join(threads[i], NULL);
    tr_actor *last = next_slot_take(&slot);
    if (last != NULL) run(last);
    unsigned passed = 0, failed = 0;
    for (uint32_t i = 0; i < actors_count; i++) {
        if (actors[i].serial == 1)
            passed++;
        else
            failed++;
    }
    mem_free(actors);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
