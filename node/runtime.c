#include "node/runtime.h"

#include <stdlib.h>

#include "node/ask.h"
#include "node/base/block.h"
#include "node/base/container.h"
#include "node/base/memory.h"
#include "node/directory.h"
#include "node/mould.h"
#include "node/namer.h"
#include "node/port.h"
#include "node/pressure.h"
#include "node/record_state.h"
#include "node/recording.h"
#include "node/unborn.h"
#include "node/worker.h"

enum { SPAWN_LINES_MAX = 10, SPAWN_LINES_NS = 1000000000 }; /* lines in that time */

void producer_init(struct producer *producer, struct runtime *runtime, struct worker *worker) {
    producer->runtime = runtime;
    producer->worker = worker;
    tally_book_init(&producer->tally);
    pthread_mutex_init(&producer->recorder.mutex, NULL);
    reclaim_join(runtime->reclaim, &producer->reader);
    uint64_t seed;
    environment_random(runtime->environment, &seed, sizeof seed);
    random_seed(&producer->random, seed);
    pthread_mutex_lock(&runtime->mutex);
    list_push_back(&runtime->producers, &producer->node);
    recording_join(producer);
    pthread_mutex_unlock(&runtime->mutex);
}

void producer_fini(struct producer *producer) {
    struct runtime *runtime = producer->runtime;
    pthread_mutex_lock(&runtime->mutex);
    list_remove(&runtime->producers, &producer->node);
    pthread_mutex_unlock(&runtime->mutex);
    reclaim_leave(&producer->reader);
    buffer_fini(&producer->scratch);
    part_chunk_fini(&producer->recorder.chunk);
    pthread_mutex_destroy(&producer->recorder.mutex);
    tally_book_fini(&producer->tally);
}

struct runtime *runtime_new(const struct runtime_options *options) {
    struct runtime *runtime = mem_zalloc(1, sizeof *runtime);
    runtime->environment = options->environment;
    runtime->node_name = options->node_name;
    runtime->incarnation = options->incarnation;
    runtime->limits = options->limits;
    runtime->message_bytes_max = options->message_bytes_max;
    runtime->slow_handler_ns = options->slow_handler_ns;
    runtime->wall_offset_ns =
        environment_wall_ns(options->environment) - environment_now_ns(options->environment);
    pthread_mutex_init(&runtime->mutex, NULL);
    list_init(&runtime->producers);
    list_init(&runtime->ports);
    run_list_init(&runtime->injected);
    barrier_init();
    runtime->reclaim = reclaim_new();
    runtime->records = record_table_new(NULL);
    behaviors_init(&runtime->behaviors, runtime->records);
    slots_init(&runtime->slots);
    runtime->unborn = unborn_new();
    runtime->moulds = moulds_new(options->workers);
    log_limiter_init(&runtime->spawn_limiter, SPAWN_LINES_MAX, SPAWN_LINES_NS);
    runtime->directory = directory_new();
    runtime->deadletters = deadletters_new();
    runtime->worker_count = options->workers;
    sweep_init(&runtime->sweep, options->workers);
    runtime->workers = mem_zalloc(options->workers, sizeof *runtime->workers);
    for (unsigned i = 0; i < options->workers; i++) {
        runtime->workers[i] = aligned_alloc(64, (sizeof(struct worker) + 63) / 64 * 64);
        check(runtime->workers[i] != NULL);
        worker_init(runtime->workers[i], runtime, i);
    }
    return runtime;
}

/* Frees what an actor holds, without a callback or a dead letter: the node is gone. */
static void forget_actor(tr_actor *actor) {
    struct message_list mail = {0};
    mailbox_close(&actor->box, &mail);
    for (tr_message *item; (item = message_list_pop(&mail)) != NULL;) message_free(item);
    for (tr_message *item; (item = message_list_pop(&actor->local)) != NULL;) message_free(item);
    if (actor->extra != NULL) {
        size_t cursor = 0;
        for (struct timer *timer;
             (timer = map_u64_next(&actor->extra->timers, &cursor, NULL)) != NULL;) {
            timers_remove(timer);
            message_free(timer->message);
            mem_free(timer);
        }
        map_u64_fini(&actor->extra->timers);
        asks_free(actor->extra);
        message_free(actor->extra->stop_for);
        for (uint32_t i = 0; i < actor->extra->name_count; i++) mem_free(actor->extra->names[i]);
        mem_free(actor->extra->names);
        mem_free(actor->extra);
    }
    pressure_free(actor);
    if (actor->behavior->state != NULL) record_state_fini(actor->behavior->state, actor->state);
    mem_free(actor->failure);
    block_free(actor, actor_bytes(actor->behavior));
}

void runtime_free(struct runtime *runtime) {
    for (uint32_t slot = 0; slot < slots_used(&runtime->slots); slot++) {
        struct slot_head *head = slots_at(&runtime->slots, slot);
        if (head != NULL && head->kind == SLOT_ACTOR) forget_actor((tr_actor *)(void *)head);
    }
    ports_free(runtime);
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        worker_fini(runtime->workers[i]);
        free(runtime->workers[i]);
    }
    mem_free(runtime->workers);
    sweep_fini(&runtime->sweep);
    namer_free(runtime->namer_state);
    unborn_free(runtime->unborn);
    moulds_free(runtime->moulds);
    log_limiter_fini(&runtime->spawn_limiter);
    slots_fini(&runtime->slots);
    reclaim_free(runtime->reclaim);
    directory_free(runtime->directory);
    deadletters_free(runtime->deadletters);
    behaviors_fini(&runtime->behaviors);
    record_table_free(runtime->records);
    run_list_fini(&runtime->injected);
    pthread_mutex_destroy(&runtime->mutex);
    mem_free(runtime);
}

struct slot_head *runtime_find(const struct runtime *runtime, tr_pid pid) {
    return pid.space == runtime->space ? slots_find(&runtime->slots, pid.slot, pid.generation)
                                       : NULL;
}

void runtime_observe_message(const struct runtime *runtime, enum observation_kind kind,
                             const tr_message *message, uint64_t epoch, const char *reason) {
    if (runtime->environment->observer == NULL || !message_in_channel(message)) return;
    struct observation what = {.kind = kind,
                               .actor = message->to,
                               .from = message->from,
                               .to = message->to,
                               .serial = message->serial,
                               .colour = message->colour,
                               .epoch = epoch,
                               .reason = reason,
                               .record = message_name(message)};
    runtime_observe(runtime, &what);
}

struct counter_sums runtime_counters(struct runtime *runtime) {
    struct counter_sums sums = {0};
    pthread_mutex_lock(&runtime->mutex);
    for (list_node *node = list_first(&runtime->producers); node != NULL;
         node = list_next(&runtime->producers, node)) {
        const struct counters *one = &container_of(node, struct producer, node)->counters;
        sums.sent += atomic_load_explicit(&one->sent, memory_order_relaxed);
        sums.handled += atomic_load_explicit(&one->handled, memory_order_relaxed);
        sums.refused += atomic_load_explicit(&one->refused, memory_order_relaxed);
        sums.spawned += atomic_load_explicit(&one->spawned, memory_order_relaxed);
        sums.ended += atomic_load_explicit(&one->ended, memory_order_relaxed);
        sums.failed += atomic_load_explicit(&one->failed, memory_order_relaxed);
        sums.unspawned += atomic_load_explicit(&one->unspawned, memory_order_relaxed);
    }
    pthread_mutex_unlock(&runtime->mutex);
    return sums;
}
