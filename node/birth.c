/* birth.c - how actors begin: spawned here by a worker, or into a slot that a peer was lent. */
#include <string.h>

#include "node/actor.h"
#include "node/base/block.h"
#include "node/base/memory.h"
#include "node/deadletter.h"
#include "node/post.h"
#include "node/record_state.h"
#include "node/runtime.h"
#include "node/unborn.h"

/* An actor that nobody can find yet. */
static tr_status make_actor(struct runtime *runtime, const struct actor_birth *birth,
                            tr_actor **actor_out) {
    const record_type *state = birth->behavior->state;
    size_t state_bytes = state == NULL ? 0 : state->bytes;
    tr_actor *made = block_alloc(actor_bytes(birth->behavior));
    mem_clear(made, sizeof *made);
    made->state = state_bytes == 0 ? NULL : made->inline_state;
    if (state != NULL && record_state_init(state, made->state, birth->state) != TR_OK) {
        block_free(made, actor_bytes(birth->behavior));
        return TR_EDATA;
    }
    mailbox_init(&made->box);
    made->phase = birth->name != NULL ? ACTOR_STARTING : ACTOR_BORN;
    made->runtime = runtime;
    made->behavior = birth->behavior;
    made->limits = &runtime->limits;
    if (birth->name != NULL) actor_add_name(made, birth->name, strlen(birth->name));
    if (!tr_pid_is_none(birth->born_for.from)) actor_extra(made)->born_for = birth->born_for;
    if (birth->limits != NULL) {
        actor_extra(made)->limits = *birth->limits;
        made->extra->has_limits = true;
        made->limits = &made->extra->limits;
    }
    atomic_init(&made->colour, birth->colour);
    *actor_out = made;
    return TR_OK;
}

/* Before it exists for anybody: the census of the not yet red never misses one
 * (SNAPSHOT_PROTOCOL.md). */
static void count_birth(struct producer *producer, uint64_t colour) {
    tally_add(&producer->tally.born, colour);
    counter_add(&producer->counters.spawned);
}

tr_status actor_spawn(struct worker *worker, const struct actor_birth *birth,
                      tr_actor **actor_out) {
    struct runtime *runtime = worker->producer.runtime;
    tr_actor *made;
    tr_status status = make_actor(runtime, birth, &made);
    if (status != TR_OK) return status;
    made->head = slots_take(&runtime->slots, &worker->producer.slots);
    worker->turn_sends++;
    count_birth(&worker->producer, birth->colour);
    slots_put(&runtime->slots, &made->head);
    *actor_out = made;
    actor_observe(made, OBSERVE_BIRTH);
    runtime_schedule(runtime, worker, made);
    return TR_OK;
}

/* Tells the spawner that waits, before anybody can find the child: it is the first that the child
 * sends (I2). */
static void answer_at_birth(struct producer *producer, tr_actor *made, tr_request request) {
    struct tr_spawned spawned = {.status = TR_OK, .pid = actor_pid(made)};
    tr_message *item;
    check(message_of(made->runtime->spawned, &spawned, UINT32_MAX, &item) == TR_OK);
    item->flags = MESSAGE_REPLY;
    item->reference = request.id;
    item->to = request.from;
    item->from = spawned.pid;
    item->serial = ++made->serial;
    item->colour = actor_colour(made);
    random_fill(&producer->random, item->trace.id, sizeof item->trace.id);
    if (post_message(producer, NULL, &item) != TR_OK)
        deadletter_drop(producer, NULL, &item, DEADLETTER_SESSION);
}

tr_status actor_spawn_leased(struct producer *producer, const struct actor_birth *birth,
                             tr_pid pid) {
    struct runtime *runtime = producer->runtime;
    tr_actor *made;
    /* Without init it has nothing to do before its first message: it need not run before it, and
     * its spawner can be told at once. */
    bool asleep = birth->behavior->offered->init == NULL;
    struct actor_birth silent = *birth;
    if (asleep) silent.born_for = (tr_request){{0, 0, 0}, 0};
    tr_status status = make_actor(runtime, &silent, &made);
    if (status != TR_OK) return status;
    made->head = (struct slot_head){pid.slot, pid.generation, SLOT_ACTOR};
    if (asleep) made->phase = ACTOR_READY;
    count_birth(producer, birth->colour);
    if (asleep && birth->born_for.id != 0) answer_at_birth(producer, made, birth->born_for);
    uint32_t waiting = unborn_bear(runtime, made, asleep);
    actor_observe(made, OBSERVE_BIRTH);
    if (waiting > 0 || !asleep) runtime_schedule(runtime, NULL, made);
    return TR_OK;
}
