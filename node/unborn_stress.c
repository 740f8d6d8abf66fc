/*
 * unborn_stress.c - senders of this node against births, failed spawns and the end of a lease.
 *
 * Actors on two workers send to leased pids in turn while the core bears some and drops others.
 * Whatever happened first, each message is handled, in its sender's order, or a dead letter.
 */
#include <sched.h>
#include <stdio.h>

#include "node/parking.h"
#include "node/runtime_fixture.h"
#include "node/unborn.h"

enum { PEER = 3, PIDS = 3000, SENDERS = 4, ROUNDS = 20, STEP = 60 };

struct go {
    uint32_t next;
};
TR_RECORD(go, TR_FIELD(go, next));
struct note {
    uint32_t sender, round;
};
TR_RECORD(note, TR_FIELD(note, sender), TR_FIELD(note, round));
struct ears {
    uint32_t last[SENDERS];
};
TR_RECORD(ears, TR_FIELD(ears, last));
struct mouth {
    uint32_t sender;
};
TR_RECORD(mouth, TR_FIELD(mouth, sender));

static struct fixture world;
static tr_pid pids[PIDS];
static _Atomic uint64_t sent, heard, unordered;

static tr_status on_note(tr_actor *self, void *state, const tr_message *message) {
    (void)self;
    struct ears *ears = state;
    const struct note *note = tr_body(message);
    if (note->round <= ears->last[note->sender]) atomic_fetch_add(&unordered, 1);
    ears->last[note->sender] = note->round;
    atomic_fetch_add(&heard, 1);
    return TR_OK;
}

static tr_status on_go(tr_actor *self, void *state, const tr_message *message) {
    const struct mouth *mouth = state;
    uint32_t next = ((const struct go *)tr_body(message))->next;
    for (uint32_t i = 0; i < STEP && next < PIDS * ROUNDS; i++, next++) {
        tr_status status = tr_send(self, pids[next % PIDS], note, .sender = mouth->sender,
                                   .round = next / PIDS + 1);
        if (status == TR_OK) atomic_fetch_add(&sent, 1);
    }
    return next < PIDS * ROUNDS ? tr_send(self, tr_self(self), go, .next = next) : TR_OK;
}

static const tr_behavior listener = {.name = "listener",
                                     .version = 1,
                                     .state = &ears_record,
                                     .handlers = TR_HANDLERS({&note_record, on_note})};
static const tr_behavior speaker = {.name = "speaker",
                                    .version = 1,
                                    .state = &mouth_record,
                                    .handlers = TR_HANDLERS({&go_record, on_go})};

static bool all_accounted(void *context) {
    (void)context;
    return atomic_load(&sent) == (uint64_t)SENDERS * PIDS * ROUNDS &&
           atomic_load(&heard) + fixture_dead_all(&world) == atomic_load(&sent);
}

static void start_senders(void) {
    for (uint32_t i = 0; i < SENDERS; i++) {
        struct mouth mouth = {.sender = i};
        tr_pid pid = fixture_spawn(&world, &speaker, NULL, &mouth);
        check(FIXTURE_SEND(&world, pid, go, .next = 0) == TR_OK);
    }
}

/* Two of three are born, of the rest half is dropped; the last of all go with the session. */
static void decide(void) {
    struct actor_birth birth = {.behavior = behaviors_of(&world.runtime->behaviors, &listener)};
    for (uint32_t i = 0; i < PIDS; i++) {
        /* Spread over the first half of what is sent, so that some waits and some does not. */
        while (atomic_load(&sent) < (uint64_t)i * SENDERS * ROUNDS / 2) sched_yield();
        if (i % 3 != 0)
            check(actor_spawn_leased(&world.core, &birth, pids[i]) == TR_OK);
        else if (i % 2 == 0)
            unborn_drop(&world.core, pids[i], DEADLETTER_UNBORN_FAILED);
        unborn_expire(&world.core, runtime_now_ns(world.runtime));
        reclaim_quiesce(&world.core.reader);
    }
    unborn_end(&world.core, PEER);
}

int main(void) {
    static const tr_behavior *const offered[] = {&listener, &speaker, NULL};
    fixture_open_real(&world, 2, (struct mailbox_limits){50000, 100000, 1000000}, offered);
    for (uint32_t i = 0; i < PIDS; i++) {
        struct slot_head head = unborn_lease(&world.core, PEER);
        pids[i] = (tr_pid){FIXTURE_SPACE, head.slot, head.generation};
    }
    start_senders();
    check(parking_start(world.runtime) == TR_OK);
    decide();
    bool done = fixture_await(all_accounted, NULL, 60000);
    printf("%llu sent, %llu heard, %llu dead, %llu out of order\n",
           (unsigned long long)atomic_load(&sent), (unsigned long long)atomic_load(&heard),
           (unsigned long long)fixture_dead_all(&world),
           (unsigned long long)atomic_load(&unordered));
    bool good = done && atomic_load(&unordered) == 0;
    parking_stop(world.runtime);
    fixture_close(&world);
    return good ? 0 : 1;
}
