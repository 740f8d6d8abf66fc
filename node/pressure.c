#include "node/pressure.h"

#include "node/base/memory.h"
#include "node/port.h"
#include "node/runtime.h"

struct pressure {
    pthread_mutex_t mutex;
    struct waiters waiters;
    bool ended;
};

static char present; /* the value of a set's members */

static struct pressure *pressure_of(tr_actor *actor) {
    struct pressure *found = atomic_load_explicit(&actor->pressure, memory_order_acquire);
    if (found != NULL) return found;
    struct pressure *made = mem_zalloc(1, sizeof *made);
    pthread_mutex_init(&made->mutex, NULL);
    /* Release: whoever finds it finds it initialised. Sequentially consistent: see is_over. */
    if (atomic_compare_exchange_strong(&actor->pressure, &found, made)) return made;
    pthread_mutex_destroy(&made->mutex);
    mem_free(made);
    return found;
}

void waiters_fini(struct waiters *waiters) {
    map_pid_fini(&waiters->actors);
    map_pid_fini(&waiters->ports);
    map_u64_fini(&waiters->origins);
}

static void lock_both(tr_actor *a, tr_actor *b) {
    tr_actor *first = a->head.slot < b->head.slot ? a : b;
    tr_actor *second = first == a ? b : a;
    pthread_mutex_lock(&pressure_of(first)->mutex);
    pthread_mutex_lock(&pressure_of(second)->mutex);
}

/* Under the target's lock: it has ended, so nobody will drain it. The end closes the mailbox and
 * then looks for a pressure to end; whoever makes a pressure then looks at the mailbox. One of the
 * two sees the other. */
static bool is_over(tr_actor *target, struct pressure *pressure) {
    return pressure->ended || mailbox_is_closed(&target->box);
}

/* Under the target's lock: is it overloaded, or has it just become so? */
static bool overloaded_now(tr_actor *target, struct pressure *pressure) {
    if (is_over(target, pressure) || atomic_load_explicit(&target->holding, memory_order_relaxed))
        return false;
    if (mailbox_count(&target->box) > target->limits->high) atomic_store(&target->overloaded, true);
    return atomic_load_explicit(&target->overloaded, memory_order_relaxed);
}

static void mute(struct waiters *waiters, tr_actor *sender) {
    if (map_pid_put(&waiters->actors, actor_pid(sender), &present) == NULL)
        atomic_fetch_add(&sender->mutes, 1);
}

/* After the target was marked, without its lock: it may have drained meanwhile and gone idle
 * without seeing the mark, and then only the marker can free those muted. */
static void look_again(struct worker *worker, tr_actor *target) {
    /* With the owner's look at the mark after mailbox_rest: one of the two sides sees the other. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&target->overloaded, memory_order_relaxed))
        pressure_drained(worker, target);
}

void pressure_pushed(tr_actor *target, tr_actor *sender, uint32_t count) {
    if (count <= target->limits->high) return;
    if (sender == NULL ||
        sender == target) { /* marked, so that others are muted and the owner drains */
        pthread_mutex_lock(&pressure_of(target)->mutex);
        overloaded_now(target, pressure_of(target));
        pthread_mutex_unlock(&pressure_of(target)->mutex);
        look_again(sender == NULL ? NULL : sender->worker, target);
        return;
    }
    bool overloaded = atomic_load_explicit(&target->overloaded, memory_order_relaxed);
    if (overloaded && atomic_load_explicit(&sender->overloaded, memory_order_relaxed))
        return; /* nothing would change */
    /* One handler that floods is muted once. Should the target have drained meanwhile, it is muted
     * by its next handler's first send. */
    if (overloaded && sender->worker->pressed == target) return;
    sender->worker->pressed = target;
    lock_both(target, sender);
    if (overloaded_now(target, pressure_of(target)) &&
        !atomic_load_explicit(&sender->overloaded, memory_order_relaxed))
        mute(&pressure_of(target)->waiters, sender);
    pthread_mutex_unlock(&pressure_of(target)->mutex);
    pthread_mutex_unlock(&pressure_of(sender)->mutex);
    look_again(sender->worker, target);
}

void pressure_arrived(tr_actor *target, uint16_t origin, uint32_t count) {
    if (count <= target->limits->high) return;
    struct runtime *runtime = target->runtime;
    struct pressure *pressure = pressure_of(target);
    /* The peer's senders cannot know that this actor holds; only its hard mark applies then. */
    uintptr_t level = count >= target->limits->hard ? PRESSURE_LEVEL_REFUSE : PRESSURE_LEVEL_MUTE;
    pthread_mutex_lock(&pressure->mutex);
    bool told = false;
    if (!is_over(target, pressure) &&
        (overloaded_now(target, pressure) || level == PRESSURE_LEVEL_REFUSE)) {
        uintptr_t before = (uintptr_t)map_u64_find(&pressure->waiters.origins, origin);
        if (before < level) {
            map_u64_put(&pressure->waiters.origins, origin, (void *)level);
            /* Owners look at this flag after each message; a holding actor must be asked too. */
            atomic_store(&target->overloaded, true);
            told = true;
        }
    }
    if (told)
        runtime->router->pressure(runtime->router_context, origin, actor_pid(target),
                                  (unsigned)level);
    pthread_mutex_unlock(&pressure->mutex);
    look_again(NULL, target);
}

enum pressure_level pressure_origin_level(tr_actor *target, uint16_t origin) {
    struct pressure *pressure = atomic_load_explicit(&target->pressure, memory_order_acquire);
    if (pressure == NULL) return PRESSURE_LEVEL_FREE;
    pthread_mutex_lock(&pressure->mutex);
    uintptr_t level = (uintptr_t)map_u64_find(&pressure->waiters.origins, origin);
    pthread_mutex_unlock(&pressure->mutex);
    return (enum pressure_level)level;
}

bool pressure_admits_port(tr_actor *target, tr_pid port, bool refused) {
    if (!refused && !atomic_load_explicit(&target->overloaded, memory_order_relaxed)) return true;
    struct pressure *pressure = pressure_of(target);
    pthread_mutex_lock(&pressure->mutex);
    bool full = refused && !is_over(target, pressure) &&
                mailbox_count(&target->box) >= target->limits->hard;
    bool waits = full || overloaded_now(target, pressure);
    if (waits) {
        map_pid_put(&pressure->waiters.ports, port, &present);
        atomic_store(&target->overloaded, true); /* so that the owner looks, once it has drained */
    }
    pthread_mutex_unlock(&pressure->mutex);
    if (waits) look_again(NULL, target);
    return !waits;
}

/* Frees all in a set that nobody else sees any more. */
static void free_waiters(struct runtime *runtime, struct worker *worker, struct waiters *waiters,
                         tr_pid target) {
    size_t cursor = 0;
    tr_pid pid;
    while (map_pid_next(&waiters->actors, &cursor, &pid) != NULL) {
        struct slot_head *head = runtime_find(runtime, pid);
        if (head == NULL) continue; /* ended meanwhile */
        tr_actor *freed = (tr_actor *)(void *)head;
        if (atomic_fetch_sub(&freed->mutes, 1) == 1) actor_wake(worker, freed);
    }
    cursor = 0;
    while (map_pid_next(&waiters->ports, &cursor, &pid) != NULL) {
        struct slot_head *head = runtime_find(runtime, pid);
        if (head != NULL) port_room(head);
    }
    cursor = 0;
    uint64_t origin;
    while (map_u64_next(&waiters->origins, &cursor, &origin) != NULL)
        runtime->router->pressure(runtime->router_context, (uint32_t)origin, target,
                                  PRESSURE_LEVEL_FREE);
    waiters_fini(waiters);
}

/* Takes the set out under the lock and frees its members outside. */
static void open_gate(struct worker *worker, tr_actor *target, struct pressure *pressure) {
    atomic_store(&target->overloaded, false);
    struct waiters freed = pressure->waiters;
    pressure->waiters = (struct waiters){0};
    pthread_mutex_unlock(&pressure->mutex);
    free_waiters(target->runtime, worker, &freed, actor_pid(target));
}

void pressure_drained(struct worker *worker, tr_actor *target) {
    if (!pressure_is_low(target)) return;
    struct pressure *pressure = pressure_of(target);
    pthread_mutex_lock(&pressure->mutex);
    if (!pressure_is_low(target)) { /* filled again: it goes on muting */
        pthread_mutex_unlock(&pressure->mutex);
        return;
    }
    open_gate(worker, target, pressure);
}

void pressure_hold(tr_actor *target) {
    struct pressure *pressure = pressure_of(target);
    pthread_mutex_lock(&pressure->mutex);
    atomic_store(&target->holding, true);
    open_gate(target->worker, target, pressure);
}

void pressure_unhold(tr_actor *target) {
    atomic_store(&target->holding, false);
}

void pressure_end(struct worker *worker, tr_actor *target) {
    struct pressure *pressure =
        atomic_load(&target->pressure); /* sequentially consistent: see is_over */
    if (pressure == NULL) return;
    pthread_mutex_lock(&pressure->mutex);
    pressure->ended = true;
    open_gate(worker, target, pressure);
}

void pressure_free(tr_actor *target) {
    struct pressure *pressure = atomic_load_explicit(&target->pressure, memory_order_relaxed);
    if (pressure == NULL) return;
    waiters_fini(&pressure->waiters);
    pthread_mutex_destroy(&pressure->mutex);
    mem_free(pressure);
}

void pressure_lock(tr_actor *sender) {
    pthread_mutex_lock(&pressure_of(sender)->mutex);
}

void pressure_unlock(tr_actor *sender) {
    pthread_mutex_unlock(&pressure_of(sender)->mutex);
}

void pressure_mute(struct waiters *waiters, tr_actor *sender) {
    if (!atomic_load_explicit(&sender->overloaded, memory_order_relaxed)) mute(waiters, sender);
}

void pressure_free_waiters(struct runtime *runtime, struct waiters *waiters) {
    free_waiters(runtime, NULL, waiters, (tr_pid){0, 0, 0});
}
