#include "node/core.h"

#include <sched.h>

#include "node/base/error.h"
#include "node/base/futex.h"
#include "node/node.h"
#include "node/parking.h"

enum {
    LOOK_NS = 150000,  /* looking for input before sleeping */
    SHORT_NS = 300000, /* a wait after which the next one looks */
    WATCH_NS = 125000,
    WATCH_GROWTH = 16
};

void core_init(struct core *core) {
    pthread_mutex_init(&core->mutex, NULL);
    core->watch_ns = WATCH_NS;
}

void core_fini(struct core *core) {
    pthread_mutex_destroy(&core->mutex);
}

static uint64_t now_of(const tr_node *node) {
    return environment_now_ns(node->world.environment);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void step(tr_node *node) {
    node->core.due_ns = node_step(node);
    if (atomic_load(&node->commands) != NULL) node->core.due_ns = 0;
    reclaim_offline(&node->producer.reader); /* until a driver's event, or the next step */
}

/* Does what is due, then what has come. True when something came. */
static bool turn(tr_node *node) {
    /* What goes out first: others work on it while this one looks for what comes in. */
    if (atomic_load_explicit(&node->dirty, memory_order_relaxed) != NULL) step(node);
    bool came = driver_wait(&node->driver, 0);
    uint64_t now_ns = now_of(node);
    if (came || now_ns >= node->core.due_ns) step(node);
    /* Relaxed: only tells that turns are taken. */
    atomic_store_explicit(&node->core.turned_ns, now_ns, memory_order_relaxed);
    return came;
}

/* Who has the role: whether workers may take turns. */
static bool is_light(const tr_node *node) {
    return node->stage != NODE_STOPPED && !snapshot_admission_frozen(node->snapshot);
}

bool core_take_turn(tr_node *node) {
    struct core *core = &node->core;
    /* Relaxed: a look before the work; the mutex decides. */
    if (atomic_load_explicit(&core->offered, memory_order_relaxed) == 0) return false;
    if (pthread_mutex_trylock(&core->mutex) != 0) return false;
    bool light = is_light(node);
    bool came = light && turn(node);
    pthread_mutex_unlock(&core->mutex);
    if (!light) core_recall(node);
    return came;
}

void core_recall(tr_node *node) {
    /* Whoever finds 1 wakes; the thread itself makes it 1 again only to stand by anew. */
    if (atomic_load(&node->core.offered) != 0 && atomic_exchange(&node->core.offered, 0) != 0)
        futex_wake(&node->core.offered, 1);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static uint64_t longer(const struct core *core, uint64_t watch_ns) {
    uint64_t max_ns = WATCH_GROWTH * core->watch_ns;
    return watch_ns < max_ns / 2 ? 2 * watch_ns : max_ns;
}

/* Stands by until no turns are taken any more, or it is recalled; then has the core again. */
static void await_core(tr_node *node) {
    struct core *core = &node->core;
    bool recalled = false;
    for (uint64_t watch_ns = core->watch_ns;; watch_ns = longer(core, watch_ns)) {
        futex_wait(&core->offered, 1, watch_ns);
        if (atomic_exchange(&core->offered, 1) == 0) recalled = true;
        uint64_t turned_ns = atomic_load_explicit(&core->turned_ns, memory_order_relaxed);
        bool unattended = now_of(node) >= turned_ns + core->watch_ns;
        if (!unattended && !recalled) continue;
        if (pthread_mutex_trylock(&core->mutex) == 0) return;
        /* A turn that is about to end, perhaps past what this thread was recalled for; or one that
         * takes long, and its worker sees to nothing else meanwhile. */
        if (unattended)
            parking_relieve(node->runtime);
        else
            watch_ns = WATCH_NS / 2;
    }
}

/* Offers the core to workers, if one of them still looks around. */
static void stand_by(tr_node *node) {
    struct core *core = &node->core;
    atomic_store_explicit(&core->turned_ns, now_of(node), memory_order_relaxed);
    /* Dekker with a worker that leaves off looking: it counts itself out and then recalls; this
     * offers and then looks at the count. One sees the other. */
    atomic_store(&core->offered, 1);
    if (parking_takes_turns(node->runtime)) {
        pthread_mutex_unlock(&core->mutex);
        await_core(node);
    }
    atomic_store(&core->offered, 0);
}

/* Looks for input for a while, since to sleep, and to be woken, takes longer than an answer of a
 * peer that is at work; or leaves that to a worker that looks too. True when something came. */
static bool look(tr_node *node, uint64_t until_ns) {
    do {
        if (driver_wait(&node->driver, 0)) return true;
        if (parking_takes_turns(node->runtime) && is_light(node)) {
            stand_by(node);
            return false;
        }
        sched_yield(); /* to those that what is looked for comes from */
    } while (now_of(node) < until_ns);
    return false;
}

static void wait_for_input(tr_node *node) {
    struct core *core = &node->core;
    uint64_t began_ns = now_of(node);
    uint64_t until_ns = began_ns + LOOK_NS;
    if (core->due_ns < until_ns) until_ns = core->due_ns;
    bool came = core->waited_shortly && look(node, until_ns);
    if (!came) driver_wait(&node->driver, core->due_ns);
    core->waited_shortly = now_of(node) - began_ns < SHORT_NS;
}

static void *core_thread(void *argument) {
    tr_node *node = argument;
    pthread_mutex_lock(&node->core.mutex);
    while (node->stage != NODE_STOPPED) {
        step(node);
        wait_for_input(node);
    }
    node_step(node); /* the last frames: BYE, replies */
    pthread_mutex_unlock(&node->core.mutex);
    node_log(node, TR_INFO, "node", "stopped");
    return NULL;
}

tr_status core_start(tr_node *node, tr_error *error) {
    if (pthread_create(&node->core.thread, NULL, core_thread, node) == 0) return TR_OK;
    return error_set(error, TR_EIO, "raise the limit of threads", "no thread can be had");
}

void core_join(tr_node *node) {
    pthread_join(node->core.thread, NULL);
}
