/*
 * calibration.c - a cache line bounced between two cores, and a loop within one.
 *
 * Times are taken per batch, and the median of the batches counts: another process that gets a core
 * for a while spoils some batches only.
 */
#define _GNU_SOURCE /* CPU_SET, sched_getaffinity */
#include "node/bench/calibration.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/clock.h"
#include "node/bench/summary.h"

enum {
    BATCHES = 64,
    BATCHES_MIN = 8,
    BATCH_TRIPS = 100,
    BATCH_STEPS = 2000,
    BATCHES_NS = 50000000, /* no further batch after this time */
    RING_NODES = 4096,     /* 256 KiB: beyond the first cache, within the second */
    LINE_BYTES = 64
};

/* ---- cores ----------------------------------------------------------------------------------- */

/* The core that a processor is part of, or the processor itself where Linux does not tell. */
static int core_of(int processor) {
    char path[96];
    int core = -1, package = 0;
    static const char *const names[] = {"core_id", "physical_package_id"};
    int *const values[] = {&core, &package};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", processor,
                 names[i]);
        FILE *file = fopen(path, "r");
        if (file == NULL) return processor;
        if (fscanf(file, "%d", values[i]) != 1) core = processor;
        fclose(file);
    }
    return core + (package << 16);
}

/* The first two processors of different cores that this process may use; false when all are of
 * one. */
static bool pick(int processors_out[2]) {
    cpu_set_t allowed;
    processors_out[0] = processors_out[1] = -1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &allowed)) continue;
        if (processors_out[0] < 0) {
            processors_out[0] = i;
        } else if (core_of(i) != core_of(processors_out[0])) {
            processors_out[1] = i;
            return true;
        }
    }
    return false;
}

/* Starts a thread that stays on one processor. */
static bool start(int processor, void *(*body)(void *), void *argument, pthread_t *thread_out) {
    pthread_attr_t attributes;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(processor, &only);
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof only, &only);
    int error = pthread_create(thread_out, &attributes, body, argument);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

/* ---- across cores ---------------------------------------------------------------------------- */

/* A spinning reader that keeps asking for the line delays the writer; the pause keeps the times
 * within a nanosecond of each other. */
static inline void pause_spin(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Even: the first thread's turn; odd: the second's; 0: the game is over. */
struct table {
    _Alignas(2 * LINE_BYTES) _Atomic uint32_t ball; /* lines are fetched in pairs */
    _Alignas(2 * LINE_BYTES) double cross_ns;
};

/* Acquire and release in both: what is measured is a hand-over, as of a message. */
static void *return_balls(void *argument) {
    struct table *table = argument;
    for (uint32_t ball = 2;;) {
        uint32_t seen = atomic_load_explicit(&table->ball, memory_order_acquire);
        if (seen == 0) return NULL;
        if (seen != ball + 1) {
            pause_spin();
            continue;
        }
        ball += 2;
        atomic_store_explicit(&table->ball, ball, memory_order_release);
    }
}

static void *serve_balls(void *argument) {
    struct table *table = argument;
    double times[BATCHES];
    size_t count = 0;
    uint32_t ball = 2;
    for (uint64_t began_ns = clock_monotonic_ns(); count < BATCHES; count++) {
        uint64_t batch_ns = clock_monotonic_ns();
        if (batch_ns - began_ns > BATCHES_NS && count >= BATCHES_MIN) break;
        for (int i = 0; i < BATCH_TRIPS; i++) {
            atomic_store_explicit(&table->ball, ball + 1, memory_order_release);
            ball += 2;
            while (atomic_load_explicit(&table->ball, memory_order_acquire) != ball) pause_spin();
        }
        times[count] = (double)(clock_monotonic_ns() - batch_ns) / (2.0 * BATCH_TRIPS);
    }
    atomic_store_explicit(&table->ball, 0, memory_order_release);
    table->cross_ns = summary_of(times, count).median;
    return NULL;
}

static double measure_cross(const int processors[2]) {
    struct table table = {.ball = 2};
    pthread_t server, returner;
    if (!start(processors[1], return_balls, &table, &returner)) return 0;
    if (start(processors[0], serve_balls, &table, &server))
        pthread_join(server, NULL);
    else
        atomic_store_explicit(&table.ball, 0, memory_order_release);
    pthread_join(returner, NULL);
    return table.cross_ns;
}

/* ---- within one core ------------------------------------------------------------------------- */

struct place {
    _Alignas(LINE_BYTES) _Atomic(struct place *) next;
};

/* Where a walk has come to. */
struct walker {
    struct place *at, *previous;
};

/* One ring through all places, in a shuffled order that no prefetcher follows; the generator is its
 * own, so that each run walks the same way. */
static struct place *ring_new(struct walker *walker_out) {
    struct place *ring = aligned_alloc(LINE_BYTES, RING_NODES * sizeof *ring);
    uint32_t order[RING_NODES];
    uint64_t seed = 88172645463325252u;
    if (ring == NULL) return NULL;
    for (uint32_t i = 0; i < RING_NODES; i++) order[i] = i;
    for (uint32_t i = RING_NODES - 1; i > 0; i--) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        uint32_t other = (uint32_t)(seed % (i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (uint32_t i = 0; i < RING_NODES; i++)
        atomic_init(&ring[order[i]].next, &ring[order[(i + 1) % RING_NODES]]);
    *walker_out = (struct walker){&ring[order[0]], &ring[order[RING_NODES - 1]]};
    return ring;
}

/* A step is an exchange whose result the next one needs, as in a mailbox. What is put in is the way
 * back, so that the ring is turned around at each round and never comes to an end. */
static void walk(struct walker *walker, int steps) {
    for (int i = 0; i < steps; i++) {
        struct place *next =
            atomic_exchange_explicit(&walker->at->next, walker->previous, memory_order_acq_rel);
        walker->previous = walker->at;
        walker->at = next;
    }
}

static void *measure_loop(void *argument) {
    double *loop_ns = argument, times[BATCHES];
    size_t count = 0;
    struct walker walker;
    struct place *ring = ring_new(&walker);
    if (ring == NULL) return NULL;
    walk(&walker, 2 * RING_NODES);
    for (uint64_t began_ns = clock_monotonic_ns(); count < BATCHES; count++) {
        uint64_t batch_ns = clock_monotonic_ns();
        if (batch_ns - began_ns > BATCHES_NS && count >= BATCHES_MIN) break;
        walk(&walker, BATCH_STEPS);
        times[count] = (double)(clock_monotonic_ns() - batch_ns) / BATCH_STEPS;
    }
    *loop_ns = summary_of(times, count).median;
    free(ring);
    return NULL;
}

/* ---- both ------------------------------------------------------------------------------------ */

struct calibration calibration_measure(void) {
    struct calibration found = {0};
    int processors[2];
    pthread_t thread;
    bool two = pick(processors);
    if (two) found.cross_ns = measure_cross(processors);
    if (processors[0] >= 0 && start(processors[0], measure_loop, &found.loop_ns, &thread))
        pthread_join(thread, NULL);
    found.state = calibration_state(found.cross_ns);
    return found;
}

enum machine_state calibration_state(double cross_ns) {
    if (cross_ns <= 0) return MACHINE_ONE_CORE;
    return cross_ns < CALIBRATION_FAR_NS ? MACHINE_NEAR : MACHINE_FAR;
}

const char *calibration_state_name(enum machine_state state) {
    static const char *const names[MACHINE_STATES] = {"near", "far", "one-core", "mixed"};
    return names[state];
}
