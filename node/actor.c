#include "node/actor.h"

#include <stdio.h>
#include <string.h>

#include "node/ask.h"
#include "node/base/block.h"
#include "node/base/container.h"
#include "node/base/memory.h"
#include "node/deadletter.h"
#include "node/post.h"
#include "node/pressure.h"
#include "node/record_state.h"
#include "node/recording.h"
#include "node/runtime.h"
#include "node/worker.h"

/* A turn ends after so many messages, or sends and spawns, or so long a time, so that one busy
 * actor starves nobody, and what it sends is handled while it is still in the cache. */
enum { BATCH = 100, TURN_SENDS = 256, TURN_NS = 1000000 };
/* So many messages the last token does not wait for. */
enum { TOKEN_AT_ONCE = 4 };

tr_pid actor_pid(const tr_actor *actor) {
    return (tr_pid){actor->runtime->space, actor->head.slot, actor->head.generation};
}

struct actor_extra *actor_extra(tr_actor *actor) {
    if (actor->extra == NULL) actor->extra = mem_zalloc(1, sizeof *actor->extra);
    return actor->extra;
}

void actor_observe(const tr_actor *actor, enum observation_kind kind) {
    if (actor->runtime->environment->observer == NULL) return;
    struct observation what = {.kind = kind,
                               .actor = actor_pid(actor),
                               .epoch = actor_colour(actor),
                               .state = actor->state};
    runtime_observe(actor->runtime, &what);
}

void actor_add_name(tr_actor *actor, const char *name, size_t bytes) {
    struct actor_extra *extra = actor_extra(actor);
    extra->names = mem_realloc_array(extra->names, extra->name_count + 1, sizeof *extra->names);
    extra->names[extra->name_count] = mem_alloc(bytes + 1);
    memcpy(extra->names[extra->name_count], name, bytes);
    extra->names[extra->name_count][bytes] = '\0';
    /* Release: whoever sees the name sees its bytes. */
    if (extra->name_count++ == 0)
        atomic_store_explicit(&actor->name, extra->names[0], memory_order_release);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The flow the actor is in; outside of any it begins one. */
static tr_trace present_trace(tr_actor *self) {
    tr_trace trace = {{0}, 0};
    if (self->current != NULL) return self->current->trace;
    random_fill(&self->worker->producer.random, trace.id, sizeof trace.id);
    return trace;
}

tr_status actor_post(tr_actor *self, tr_message **posted, const tr_ask_options *ask,
                     uint64_t *serial_out) {
    tr_message *item = *posted;
    *posted = NULL;
    item->from = actor_pid(self);
    item->serial = ++self->serial;
    item->colour = actor_colour(self);
    item->trace = present_trace(self);
    self->worker->turn_sends++;
    uint64_t serial = item->serial;
    bool asks = (item->flags & MESSAGE_ASK) != 0;
    tr_status status = asks ? ask_open(self, item, ask) : TR_OK;
    if (status == TR_OK) status = post_message(&self->worker->producer, self, &item);
    if (status != TR_OK) {
        message_free(item);
        struct pending_ask *opened = asks ? ask_take(self, serial) : NULL;
        if (opened != NULL) ask_close(opened);
        return status;
    }
    if (serial_out != NULL) *serial_out = serial;
    return TR_OK;
}

/* A message to another space is encoded as it is sent: it need not be made. False: it must. */
static bool send_direct(tr_actor *self, tr_pid to, unsigned flags, uint64_t reference,
                        const record_type *type, const void *body, tr_status *status_out) {
    if (to.space == self->runtime->space || (flags & MESSAGE_ASK) != 0) return false;
    record_size size = {0, 0};
    if (type != NULL && record_measure(type, body, &size) != TR_OK) return false;
    if (size.block_bytes > self->runtime->message_bytes_max) return false;
    tr_message head = {.type = type,
                       .from = actor_pid(self),
                       .to = to,
                       .serial = self->serial + 1,
                       .reference = reference,
                       .colour = actor_colour(self),
                       .trace = present_trace(self),
                       .body_bytes = (uint32_t)size.block_bytes,
                       .flags = (uint8_t)flags};
    if (!post_direct(&self->worker->producer, self, &head, body, status_out)) return false;
    self->worker->turn_sends++;
    self->serial++;
    return true;
}

tr_status actor_send(tr_actor *self, tr_pid to, unsigned flags, uint64_t reference,
                     const record_type *type, const void *body, const tr_ask_options *ask,
                     uint64_t *serial_out) {
    tr_message *item;
    tr_status status;
    if (send_direct(self, to, flags, reference, type, body, &status)) {
        if (status == TR_OK && serial_out != NULL) *serial_out = self->serial;
        return status;
    }
    status = message_of(type, body, self->runtime->message_bytes_max, &item);
    if (status != TR_OK) return status;
    item->flags = (uint8_t)flags;
    item->reference = reference;
    item->to = to;
    return actor_post(self, &item, ask, serial_out);
}

tr_status actor_post_stop(tr_actor *self, tr_pid pid) {
    tr_message *item = message_new(0);
    item->kind = MESSAGE_STOP;
    item->flags = MESSAGE_EXEMPT;
    item->from = actor_pid(self);
    item->to = pid;
    item->serial = ++self->serial;
    item->colour = actor_colour(self);
    item->trace = present_trace(self);
    tr_status status = post_message(&self->worker->producer, self, &item);
    if (status != TR_OK) message_free(item);
    return status;
}

/* ---- signals and rest ------------------------------------------------------------------------ */

void actor_wake(struct worker *worker, tr_actor *actor) {
    if (mailbox_wake(&actor->box)) runtime_schedule(actor->runtime, worker, actor);
}

bool actor_signal(tr_actor *actor, enum actor_signal signal) {
    /* Sequentially consistent with mailbox_rest and the look at the signals after it: one of the
     * two sides sees the other. */
    uint32_t before = atomic_fetch_or(&actor->signals, signal);
    if ((before & SIGNAL_DEAD) != 0) return false;
    actor_wake(NULL, actor);
    return true;
}

bool actor_is_blocked(const tr_actor *actor) {
    return actor->phase == ACTOR_STARTING ||
           atomic_load_explicit(&actor->mutes, memory_order_acquire) > 0 ||
           (actor->extra != NULL && actor->extra->hold != 0);
}

/* ---- colours --------------------------------------------------------------------------------- */

/* Records the actor if a snapshot is open here, and takes the colour E. */
static void actor_turn(struct worker *worker, tr_actor *actor) {
    struct producer *producer = &worker->producer;
    uint64_t from = actor_colour(actor);
    uint64_t epoch = runtime_epoch(actor->runtime);
    if (from >= epoch) return;
    bool recorded = recording_actor(producer, actor, epoch);
    atomic_store_explicit(&actor->colour, epoch, memory_order_relaxed);
    actor_observe(actor, recorded ? OBSERVE_RECORD_ACTOR : OBSERVE_TURN);
    /* Born into the new colour before it leaves the old one, so that no collect finds it in
     * neither. */
    tally_add(&producer->tally.born, epoch);
    tally_add(&producer->tally.left, from);
    /* While a sweep is under way its end tells the core. Dekker with that end: it finds the counts
     * above (recording_all_red has the other fence), or this finds the sweep over. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!sweep_is_active(&actor->runtime->sweep))
        actor->runtime->router->progress(actor->runtime->router_context);
}

/* Records the message if it is older, and recolours it. */
static void record_if_older(struct worker *worker, tr_message *item, uint64_t colour) {
    if (item->colour >= colour || !message_in_channel(item)) return;
    recording_message(&worker->producer, item, colour, NULL);
    item->colour = colour;
}

/* Records what is older in the local list, up to and with `last`; NULL: all of it. */
static void record_older(struct worker *worker, tr_actor *actor, const tr_message *last) {
    uint64_t colour = actor_colour(actor);
    for (tr_message *item = actor->local.first; item != NULL; item = item->next) {
        /* They have left the cache: the next but one comes back while this one and the next are
         * encoded. */
        if (item->next != NULL) message_prefetch(item->next->next);
        record_if_older(worker, item, colour);
        if (item == last) break;
    }
}

static void token_taken(struct runtime *runtime) {
    /* Release: the core that sees the count at zero sees all that was recorded. */
    if (atomic_fetch_sub_explicit(&runtime->tokens_pending, 1, memory_order_acq_rel) == 1)
        runtime->router->progress(runtime->router_context);
}

/* The token that waits here is answered now. */
static void token_hurry(struct worker *worker, tr_actor *actor) {
    struct actor_extra *extra = actor->extra;
    if (extra == NULL || extra->token_last == NULL) return;
    record_older(worker, actor, extra->token_last);
    extra->token_last = NULL;
    token_taken(actor->runtime);
}

/* Mail that waits has left the cache, and to read it once more only to record it costs as much as
 * all the rest of a snapshot. It is recorded as it is handled, and the token waits for that; but
 * not for one that is kept from handling it, unless there is much of it. */
static bool token_waits(const tr_actor *actor) {
    if (actor->phase != ACTOR_READY || (actor->extra != NULL && actor->extra->hold != 0))
        return false;
    int32_t at_once = actor_is_blocked(actor) ? BATCH : TOKEN_AT_ONCE;
    return atomic_load_explicit(&actor->box.taken, memory_order_relaxed) > at_once;
}

static void actor_token(struct worker *worker, tr_actor *actor) {
    mailbox_take(&actor->box, &actor->local);
    token_hurry(worker, actor); /* one of an aborted snapshot */
    if (token_waits(actor)) {
        actor_extra(actor)->token_last = actor->local.last;
        return;
    }
    record_older(worker, actor, NULL);
    token_taken(actor->runtime);
}

/* A message is taken out of the local list, from behind `before`. The token that waits for it waits
 * for that one from now on; there is none when all that came before has been handled. */
static void token_pass(struct worker *worker, tr_actor *actor, tr_message *item,
                       tr_message *before) {
    struct actor_extra *extra = actor->extra;
    if (extra->token_last != item) return;
    record_if_older(worker, item, actor_colour(actor));
    extra->token_last = before;
    if (before == NULL) token_taken(actor->runtime);
}

/* ---- the message that is handled in its place -------------------------------------------------
 */

static tr_message *peek(struct worker *worker, tr_actor *actor) {
    tr_message *item = mailbox_peek(&actor->box, &worker->peeked_word);
    if (item == NULL || !message_is_plain(item)) return NULL; /* only those are freed last */
    worker->peeked = item;
    atomic_store_explicit(&actor->box.taken, -1, memory_order_relaxed);
    return item;
}

void actor_let_go(struct worker *worker, tr_actor *actor) {
    if (worker->peeked == NULL) return;
    atomic_store_explicit(&actor->box.taken, 0, memory_order_relaxed);
    mailbox_leave(&actor->box, worker->peeked, &actor->local);
    worker->peeked = NULL;
}

/* The message that stayed in its place has been handled. */
static void drop_peeked(struct worker *worker, tr_actor *actor) {
    tr_message *peeked = worker->peeked;
    actor_let_go(worker, actor);
    message_free(peeked);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void actor_release(struct reclaim_item *item) {
    tr_actor *ended = container_of(item, tr_actor, reclaim);
    pressure_free(ended);
    if (ended->behavior->state != NULL) record_state_fini(ended->behavior->state, ended->state);
    mem_free(ended->failure);
    for (uint32_t i = 0; ended->extra != NULL && i < ended->extra->name_count; i++)
        mem_free(ended->extra->names[i]);
    if (ended->extra != NULL) mem_free(ended->extra->names);
    mem_free(ended->extra);
    block_free(ended, actor_bytes(ended->behavior));
}

static void drop_extra(struct worker *worker, tr_actor *actor) {
    struct actor_extra *extra = actor->extra;
    if (extra == NULL) return;
    size_t cursor = 0;
    for (struct timer *timer; (timer = map_u64_next(&extra->timers, &cursor, NULL)) != NULL;) {
        timers_remove(timer);
        message_free(timer->message);
        mem_free(timer);
    }
    map_u64_fini(&extra->timers);
    asks_free(extra);
    if (extra->name_count > 0 || extra->has_claimed) post_names_dropped(worker, actor);
    extra->hold =
        0; /* the rest is freed with the actor: others may be reading its marks and name */
}

/* Answers the spawn that waits for init; one that waits for nothing is told of a failure only. */
static void actor_answer_birth(tr_actor *actor, tr_status status) {
    if (actor->extra == NULL || tr_pid_is_none(actor->extra->born_for.from)) return;
    tr_request request = actor->extra->born_for;
    actor->extra->born_for = (tr_request){{0, 0, 0}, 0};
    bool waits = request.id != 0;
    if (!waits && status == TR_OK) return;
    struct tr_spawned spawned = {.status = status, .pid = actor_pid(actor)};
    if (status != TR_OK)
        snprintf(spawned.reason, sizeof spawned.reason, "%.40s%sinit failed: %.70s",
                 waits ? "" : actor->behavior->offered->name, waits ? "" : ": ",
                 actor->failure != NULL ? actor->failure : tr_status_text(status));
    actor_send(actor, request.from, waits ? MESSAGE_REPLY : MESSAGE_EXEMPT, request.id,
               actor->runtime->spawned, &spawned, NULL, NULL);
}

/* Answers whoever asked it to end, and whoever waits for its init. */
static void answer_end(struct worker *worker, tr_actor *actor, tr_status reason) {
    struct actor_extra *extra = actor->extra;
    if (extra == NULL) return;
    if (extra->stop_for != NULL) {
        deadletter_answer(&worker->producer, actor, extra->stop_for, TR_OK);
        message_free(extra->stop_for);
        extra->stop_for = NULL;
    }
    if (reason != TR_EEXIST) actor_answer_birth(actor, reason == TR_OK ? TR_OK : TR_EFAILED);
}

/* Ends the actor: stop callback, dead letters for its mail, the slot's next generation. */
static void actor_end(struct worker *worker, tr_actor *actor, tr_status reason) {
    struct producer *producer = &worker->producer;
    struct runtime *runtime = actor->runtime;
    if (actor->phase == ACTOR_READY && actor->behavior->offered->stop != NULL)
        actor->behavior->offered->stop(actor, actor->state, reason);
    if (reason == TR_EFAILED) counter_add(&producer->counters.failed);
    actor->phase = ACTOR_ENDED;
    drop_peeked(worker, actor);
    mailbox_close(&actor->box, &actor->local);
    pressure_end(worker, actor);
    enum deadletter_reason why = reason == TR_EFAILED   ? DEADLETTER_FAILED
                                 : reason == TR_ECLOSED ? DEADLETTER_CLOSING
                                                        : DEADLETTER_ENDED;
    for (tr_message *item; (item = message_list_pop(&actor->local)) != NULL;)
        deadletter_drop(producer, actor, &item, why);
    drop_extra(worker, actor);
    uint32_t signals = atomic_fetch_or(&actor->signals, SIGNAL_DEAD);
    if ((signals & SIGNAL_TOKEN) != 0) token_taken(runtime);
    if (actor->extra != NULL && actor->extra->token_last != NULL) token_taken(runtime);
    /* Only now: while it drops older mail, the last token must find it (I7). */
    slots_remove(&runtime->slots, &actor->head, &producer->slots);
    answer_end(worker, actor, reason);
    actor_observe(actor, OBSERVE_DEATH);
    counter_add(&producer->counters.ended);
    tally_add(&producer->tally.left, actor_colour(actor));
    if (atomic_load_explicit(&runtime->draining, memory_order_relaxed) ||
        actor_colour(actor) < runtime_epoch(runtime))
        runtime->router->progress(runtime->router_context);
    reclaim_retire(&producer->reader, &actor->reclaim, actor_release);
}

/* ---- the turn -------------------------------------------------------------------------------- */

/* Answers the signals; true when the actor has ended. */
static bool actor_answer(struct worker *worker, tr_actor *actor) {
    uint32_t signals = atomic_exchange(&actor->signals, 0);
    actor_turn(worker, actor);
    if ((signals & SIGNAL_TOKEN) != 0) actor_token(worker, actor);
    if ((signals & SIGNAL_HURRY) != 0) token_hurry(worker, actor);
    if ((signals & (SIGNAL_KILL | SIGNAL_CANCEL)) != 0) {
        actor_end(worker, actor, (signals & SIGNAL_KILL) != 0 ? TR_ECLOSED : TR_EEXIST);
        return true;
    }
    if ((signals & SIGNAL_START) != 0 && actor->phase == ACTOR_STARTING) actor->phase = ACTOR_BORN;
    return false;
}

/* Runs init; true when the actor has ended. */
static bool actor_begin(struct worker *worker, tr_actor *actor) {
    actor->phase = ACTOR_READY;
    worker->pressed = NULL;
    const tr_behavior *offered = actor->behavior->offered;
    tr_status status = offered->init == NULL ? TR_OK : offered->init(actor, actor->state);
    actor_watch_time(worker, actor, NULL);
    if (status == TR_OK) actor_answer_birth(actor, TR_OK);
    if (status == TR_OK && !actor->exiting) return false;
    if (status != TR_OK) {
        actor->phase = ACTOR_BORN; /* it has never begun: no stop callback */
        actor_report_failure(actor, NULL, status);
    }
    actor_end(worker, actor, status == TR_OK ? TR_OK : TR_EFAILED);
    return true;
}

static bool is_awaited(const tr_actor *actor, const tr_message *item) {
    if (item->kind == MESSAGE_STOP || item->kind == MESSAGE_INSPECT) return true;
    uint64_t hold = actor->extra == NULL ? 0 : actor->extra->hold;
    if (hold == 0 || item->reference != hold) return false;
    return item->kind == MESSAGE_ASK_TIMEOUT ||
           (item->kind == MESSAGE_USER && (item->flags & MESSAGE_REPLY) != 0);
}

/* Takes the first message that a blocked actor handles all the same (an exit; the reply it holds
 * for), or NULL. What was searched once is not searched again. */
static tr_message *take_awaited(struct worker *worker, tr_actor *actor) {
    if (actor->phase == ACTOR_STARTING) return NULL;
    struct actor_extra *extra = actor_extra(actor);
    tr_message *before = extra->scanned;
    for (tr_message *item = before == NULL ? actor->local.first : before->next; item != NULL;
         before = item, item = item->next) {
        if (!is_awaited(actor, item)) continue;
        if (before == NULL)
            actor->local.first = item->next;
        else
            before->next = item->next;
        if (actor->local.last == item) actor->local.last = before;
        extra->scanned = before;
        token_pass(worker, actor, item, before);
        item->next = NULL;
        return item;
    }
    extra->scanned = before;
    return NULL;
}

/* The first message of the list is about to be handled. */
static void leave_list(struct worker *worker, tr_actor *actor, tr_message *first) {
    /* What was searched stays so until it is handled: an awaited reply comes after its ask. */
    if (actor->extra->scanned == first) actor->extra->scanned = NULL;
    token_pass(worker, actor, first, NULL);
}

/* The next message to handle, or NULL when there is none for now. */
static tr_message *actor_next(struct worker *worker, tr_actor *actor) {
    tr_message *item;
    if (actor_is_blocked(actor)) {
        mailbox_take(&actor->box, &actor->local);
        item = take_awaited(worker, actor);
    } else {
        if (actor->local.first == NULL) {
            item = peek(worker, actor);
            if (item != NULL) return item;
            mailbox_take(&actor->box, &actor->local);
        }
        item = message_list_pop(&actor->local);
        if (item != NULL && actor->extra != NULL) leave_list(worker, actor, item);
    }
    if (item == NULL) return NULL;
    /* Relaxed: the owner alone writes; a hint for senders. */
    atomic_store_explicit(&actor->box.taken,
                          atomic_load_explicit(&actor->box.taken, memory_order_relaxed) - 1,
                          memory_order_relaxed);
    return item;
}

/* Handles one message at the right colour; true when the actor has ended. */
static bool actor_receive(struct worker *worker, tr_actor *actor, tr_message *item) {
    if (actor_colour(actor) < runtime_epoch(actor->runtime)) actor_turn(worker, actor);
    uint64_t colour = actor_colour(actor);
    check(item->colour <= colour ||
          !message_in_channel(item)); /* every node starts before it meets a colour */
    record_if_older(worker, item, colour);
    worker->pressed = NULL;
    bool stop = item->kind == MESSAGE_STOP && !actor->behavior->system;
    tr_status status = dispatch_message(worker, actor, item);
    if (atomic_load_explicit(&actor->overloaded, memory_order_relaxed) && pressure_is_low(actor))
        pressure_drained(worker, actor);
    if (status == TR_OK && !stop && !actor->exiting) return false;
    actor_end(worker, actor, status == TR_OK ? TR_OK : TR_EFAILED);
    return true;
}

/* After mailbox_rest: what came up without a push while the owner was about to rest. */
static bool has_come_up(tr_actor *actor, bool muted) {
    return atomic_load(&actor->signals) != 0 || (muted && atomic_load(&actor->mutes) == 0) ||
           actor_colour(actor) < runtime_epoch(actor->runtime) ||
           (atomic_load(&actor->overloaded) && pressure_is_low(actor));
}

/* Goes idle if the mailbox's word is still `empty` (mailbox_rest). True: the actor belongs to
 * nobody now, or to somebody else. */
static bool actor_rest(struct worker *worker, tr_actor *actor, uint64_t empty) {
    /* A child of an older parent may have been born behind the sweep: nobody would signal it. */
    if (actor_colour(actor) < runtime_epoch(actor->runtime)) actor_turn(worker, actor);
    /* A sender may have marked it after its last message was handled. */
    if (atomic_load_explicit(&actor->overloaded, memory_order_relaxed))
        pressure_drained(worker, actor);
    bool muted = actor->phase == ACTOR_READY &&
                 !(actor->extra != NULL && actor->extra->hold != 0) && actor->local.first != NULL;
    actor->worker = NULL;
    if (mailbox_rest(&actor->box, empty) &&
        (!has_come_up(actor, muted) || !mailbox_wake(&actor->box)))
        return true;
    actor->worker = worker;
    return false;
}

/* After a message: true when the actor went idle with it. */
static bool actor_done(struct worker *worker, tr_actor *actor) {
    if (worker->peeked == NULL) return false;
    atomic_store_explicit(&actor->box.taken, 0, memory_order_relaxed);
    bool rests = actor_rest(worker, actor, worker->peeked_word);
    if (!rests) {
        drop_peeked(worker, actor);
        return false;
    }
    message_free(worker->peeked);
    worker->peeked = NULL;
    return true;
}

void actor_run(struct worker *worker, tr_actor *actor) {
    actor->worker = worker;
    uint64_t until_ns = worker->looked_ns + TURN_NS;
    worker->turn_sends = 0;
    for (int budget = BATCH;
         budget > 0 && worker->turn_sends < TURN_SENDS && worker->looked_ns < until_ns; budget--) {
        if (atomic_load_explicit(&actor->signals, memory_order_acquire) != 0 &&
            actor_answer(worker, actor))
            return;
        if (actor->phase == ACTOR_BORN && actor_begin(worker, actor)) return;
        tr_message *item = actor_next(worker, actor);
        if (item == NULL) {
            if (actor_rest(worker, actor, 0)) return;
            continue;
        }
        if (worker->owes_turn) worker_recall_core(worker); /* that would wait for this message */
        if (actor_receive(worker, actor, item) || actor_done(worker, actor)) return;
    }
    /* Mail that no handler took has not read it. */
    worker->looked_ns = environment_coarse_ns(actor->runtime->environment);
    actor->worker = NULL;
    run_queue_push(&worker->queue, actor);
}
