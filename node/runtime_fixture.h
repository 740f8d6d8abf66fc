/*
 * runtime_fixture.h - a runtime without a node, for tests and stress programs.
 *
 * Virtual time, seeded randomness, a router that keeps what leaves the node, services started, and
 * workers that run only when stepped. A test may also run one chosen actor and no other, so it says
 * exactly who is ahead of whom. Stress programs use the real clock and threads (fixture_open_real).
 * One thread, unless real.
 */
#ifndef TROUPE_RUNTIME_FIXTURE_H
#define TROUPE_RUNTIME_FIXTURE_H

#include <stdio.h>
#include <string.h>
#include <troupe.h>

#include "node/base/check.h"
#include "node/base/condition.h"
#include "node/mould.h"
#include "node/port.h"
#include "node/post.h"
#include "node/pressure.h"
#include "node/recording.h"
#include "node/runtime.h"
#include "node/services.h"
#include "node/spawn.h"
#include "node/worker.h"

enum { FIXTURE_SPACE = 7, FIXTURE_FAR = 99, FIXTURE_KEPT = 256 };

struct pressure_note {
    uint32_t origin;
    tr_pid pid;
    unsigned level;
};

struct fixture {
    struct environment environment;
    uint64_t now_ns;
    random_state random;
    struct runtime *runtime;
    struct producer core; /* what the core thread sends through */
    uint64_t core_serial;
    tr_status far_status; /* what a post to another space answers */
    tr_message *far[FIXTURE_KEPT];
    size_t far_count;
    struct pressure_note notes[FIXTURE_KEPT];
    size_t note_count;
    tr_status hold_status;           /* what a wish for a slot elsewhere answers */
    uint32_t held, returned;         /* slots elsewhere, above those of its services */
    bool hold_waits;                 /* of the last wish */
    const struct mould_heard *heard; /* mould 1 of every peer */
};

/* ---- environment and router ------------------------------------------------------------------ */

static inline uint64_t fixture_now(void *context) {
    return ((struct fixture *)context)->now_ns;
}

static inline void fixture_random(void *context, void *out, size_t bytes) {
    random_fill(&((struct fixture *)context)->random, out, bytes);
}

static inline tr_status fixture_post_far(void *context, struct producer *producer, tr_actor *sender,
                                         tr_message **message) {
    struct fixture *fixture = context;
    (void)producer, (void)sender;
    if (fixture->far_status != TR_OK) return fixture->far_status;
    check(fixture->far_count < FIXTURE_KEPT);
    fixture->far[fixture->far_count++] = *message;
    *message = NULL;
    return TR_OK;
}

static inline bool fixture_admits(void *context, tr_pid to, tr_pid port, bool refused) {
    (void)context, (void)to, (void)port, (void)refused;
    return true;
}

static inline void fixture_pressure(void *context, uint32_t origin, tr_pid pid, unsigned level) {
    struct fixture *fixture = context;
    check(fixture->note_count < FIXTURE_KEPT);
    fixture->notes[fixture->note_count++] = (struct pressure_note){origin, pid, level};
}

static inline void fixture_progress(void *context) {
    (void)context;
}

static inline const char *fixture_origin_name(void *context, uint32_t origin, uint32_t session) {
    (void)context, (void)origin, (void)session;
    return "far";
}

static inline char *fixture_pid_text(void *context, tr_pid pid, char *out, size_t out_bytes) {
    (void)context;
    snprintf(out, out_bytes, "%" PRIu64 "/%u.%u", pid.space, pid.slot, pid.generation);
    return out;
}

static inline bool fixture_pid_parse(void *context, const char *text, tr_pid *pid_out) {
    (void)context;
    return sscanf(text, "%" SCNu64 "/%u.%u", &pid_out->space, &pid_out->slot,
                  &pid_out->generation) == 3;
}

static inline bool fixture_space_of(void *context, const char *node, uint64_t *space_out) {
    (void)context;
    if (strcmp(node, "far") != 0) return false;
    *space_out = FIXTURE_FAR;
    return true;
}

static inline const char *fixture_node_of(void *context, uint64_t space) {
    (void)context;
    return space == FIXTURE_FAR ? "far" : space == FIXTURE_SPACE ? "here" : NULL;
}

static inline const char *fixture_member_at(void *context, size_t index) {
    (void)context;
    return index == 0 ? "here" : index == 1 ? "far" : NULL;
}

static inline tr_status fixture_hold_slot(void *context, tr_actor *self,
                                          const struct spawn_wish *wish,
                                          struct spawn_hold *hold_out) {
    struct fixture *fixture = context;
    fixture->hold_waits = wish->waits;
    if (fixture->hold_status != TR_OK) return fixture->hold_status;
    uint32_t number = moulds_number(fixture->runtime->moulds, self->worker->index, wish->behavior,
                                    wish->name, wish->marks);
    *hold_out = (struct spawn_hold){
        .pid = {FIXTURE_FAR, FIXTURE_KEPT + ++fixture->held, 1}, .session = 3, .mould = number};
    return TR_OK;
}

static inline void fixture_return_slot(void *context, tr_actor *self,
                                       const struct spawn_hold *hold) {
    (void)self, (void)hold;
    ((struct fixture *)context)->returned++;
}

static inline const struct mould_heard *fixture_heard_mould(void *context, uint32_t origin,
                                                            uint64_t number) {
    (void)origin;
    return number == 1 ? ((struct fixture *)context)->heard : NULL;
}

static inline bool fixture_core_turn(void *context) {
    (void)context;
    return false;
}

static inline void fixture_core_recall(void *context) {
    (void)context;
}

static const struct router_ops fixture_router = {.post = fixture_post_far,
                                                 .admits_port = fixture_admits,
                                                 .pressure = fixture_pressure,
                                                 .progress = fixture_progress,
                                                 .origin_name = fixture_origin_name,
                                                 .pid_text = fixture_pid_text,
                                                 .pid_parse = fixture_pid_parse,
                                                 .space_of = fixture_space_of,
                                                 .node_of = fixture_node_of,
                                                 .hold_slot = fixture_hold_slot,
                                                 .return_slot = fixture_return_slot,
                                                 .heard_mould = fixture_heard_mould,
                                                 .core_turn = fixture_core_turn,
                                                 .core_recall = fixture_core_recall,
                                                 .member_at = fixture_member_at};

/* ---- life ------------------------------------------------------------------------------------ */

/* `behaviors` ends with NULL. Marks: `limits`, or 2, 4, 8 when its high is 0. */
static inline void fixture_build(struct fixture *fixture, unsigned workers,
                                 struct mailbox_limits limits,
                                 const tr_behavior *const *behaviors) {
    if (limits.high == 0) limits = (struct mailbox_limits){2, 4, 8};
    struct runtime_options options = {.environment = &fixture->environment,
                                      .node_name = "here",
                                      .incarnation = 1,
                                      .workers = workers,
                                      .limits = limits,
                                      .message_bytes_max = 65536,
                                      .slow_handler_ns = UINT64_MAX};
    struct runtime *runtime = fixture->runtime = runtime_new(&options);
    runtime->router = &fixture_router;
    runtime->router_context = fixture;
    producer_init(&fixture->core, runtime, NULL);
    reclaim_online(&fixture->core.reader);
    check(services_offer(runtime, NULL) == TR_OK);
    for (; *behaviors != NULL; behaviors++)
        check(behaviors_offer(&runtime->behaviors, *behaviors, false, NULL) == TR_OK);
    runtime->space = FIXTURE_SPACE;
    for (unsigned i = 0; i < workers; i++) reclaim_online(&runtime->workers[i]->producer.reader);
    services_start(runtime);
}

static inline void fixture_open(struct fixture *fixture, uint64_t seed, unsigned workers,
                                struct mailbox_limits limits, const tr_behavior *const *behaviors) {
    memset(fixture, 0, sizeof *fixture);
    fixture->environment = (struct environment){.context = fixture,
                                                .now_ns = fixture_now,
                                                .wall_ns = fixture_now,
                                                .random_bytes = fixture_random};
    fixture->now_ns = 1000000000;
    random_seed(&fixture->random, seed);
    fixture_build(fixture, workers, limits, behaviors);
}

/* With the real clock; the caller starts the threads (parking_start). */
static inline void fixture_open_real(struct fixture *fixture, unsigned workers,
                                     struct mailbox_limits limits,
                                     const tr_behavior *const *behaviors) {
    memset(fixture, 0, sizeof *fixture);
    environment_real(&fixture->environment, NULL);
    fixture_build(fixture, workers, limits, behaviors);
    for (unsigned i = 0; i < workers; i++)
        reclaim_offline(&fixture->runtime->workers[i]->producer.reader);
}

static inline void fixture_close(struct fixture *fixture) {
    for (size_t i = 0; i < fixture->far_count; i++) message_free(fixture->far[i]);
    producer_fini(&fixture->core);
    runtime_free(fixture->runtime);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Steps all workers until none has anything to do, or `steps_max` steps; true when all rest. */
static inline bool fixture_settle(struct fixture *fixture, uint64_t steps_max) {
    struct runtime *runtime = fixture->runtime;
    bool busy = true;
    while (busy && steps_max > 0) {
        busy = false;
        for (unsigned i = 0; i<runtime->worker_count; i++, steps_max -= steps_max> 0)
            busy = worker_step(runtime->workers[i], true) || busy;
        reclaim_quiesce(&fixture->core.reader);
    }
    return !busy;
}

static inline tr_actor *fixture_actor(struct fixture *fixture, tr_pid pid) {
    return (tr_actor *)(void *)runtime_find(fixture->runtime, pid);
}

/* Everything a worker has waiting, taken out of its queues; returns how many. */
static inline size_t fixture_unqueue(struct worker *worker, tr_actor **out, size_t max) {
    size_t count = 0;
    tr_actor *taken = next_slot_take(&worker->next);
    if (taken == NULL) taken = run_queue_pop(&worker->queue);
    if (taken == NULL)
        taken = run_queue_take_from(&worker->queue, &worker->producer.runtime->injected);
    while (taken != NULL) {
        check(count < max);
        out[count++] = taken;
        taken = run_queue_pop(&worker->queue);
        if (taken == NULL)
            taken = run_queue_take_from(&worker->queue, &worker->producer.runtime->injected);
    }
    return count;
}

/* Gives one turn (at most 100 messages) to this actor and nobody else; false: it is not scheduled.
 */
static inline bool fixture_run(struct fixture *fixture, tr_pid pid) {
    struct runtime *runtime = fixture->runtime;
    tr_actor *wanted = fixture_actor(fixture, pid), *found = NULL;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        tr_actor *waiting[FIXTURE_KEPT];
        size_t count = fixture_unqueue(runtime->workers[i], waiting, FIXTURE_KEPT);
        for (size_t j = 0; j < count; j++) {
            if (waiting[j] == wanted)
                found = wanted;
            else
                run_queue_push(&runtime->workers[i]->queue, waiting[j]);
        }
    }
    if (found == NULL) return false;
    actor_run(runtime->workers[0], found);
    return true;
}

/* A message of record `record` from the core, as another actor of this node would send it. */
static inline tr_status fixture_send(struct fixture *fixture, tr_pid to, const tr_record *record,
                                     const void *body) {
    struct runtime *runtime = fixture->runtime;
    const record_type *type;
    tr_message *item;
    check(record_table_intern(runtime->records, record, &type, NULL) == TR_OK);
    check(message_of(type, body, UINT32_MAX, &item) == TR_OK);
    item->from = (tr_pid){runtime->space, 0, 0};
    item->to = to;
    item->serial = ++fixture->core_serial;
    item->colour = runtime_epoch(runtime);
    tr_status status = post_message(&fixture->core, NULL, &item);
    if (status != TR_OK) message_free(item);
    return status;
}
#define FIXTURE_SEND(fixture, to, ...) fixture_send(fixture, to, TR_VALUE_(__VA_ARGS__, ))

/* A new actor, not run yet. `limits` and `state` may be NULL. */
static inline tr_pid fixture_spawn(struct fixture *fixture, const tr_behavior *behavior,
                                   const struct mailbox_limits *limits, const void *state) {
    struct runtime *runtime = fixture->runtime;
    tr_actor *made;
    struct actor_birth birth = {.behavior = behaviors_of(&runtime->behaviors, behavior),
                                .state = state,
                                .limits = limits,
                                .colour = runtime_epoch(runtime)};
    check(actor_spawn(runtime->workers[0], &birth, &made) == TR_OK);
    return actor_pid(made);
}

/* Real time: looks once a millisecond whether `done`; false after `timeout_ms`. */
static inline bool fixture_await(bool (*done)(void *context), void *context, unsigned timeout_ms) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never;
    condition_init(&never);
    bool over = done(context);
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < timeout_ms && !over; i++) {
        struct timespec next = condition_deadline(1);
        while (condition_wait(&never, &mutex, &next)) {
        }
        over = done(context);
    }
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&never);
    return over;
}

static inline uint64_t fixture_dead(struct fixture *fixture, enum deadletter_reason reason) {
    uint64_t counts[DEADLETTER_REASONS];
    deadletters_counts(fixture->runtime->deadletters, counts);
    return counts[reason];
}

static inline uint64_t fixture_dead_all(struct fixture *fixture) {
    uint64_t sum = 0;
    for (int i = 0; i < DEADLETTER_REASONS; i++)
        sum += fixture_dead(fixture, (enum deadletter_reason)i);
    return sum;
}

#endif
