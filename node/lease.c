#include "node/lease.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/node.h"
#include "node/peer.h"
#include "node/pressure.h"
#include "node/record_pack.h"
#include "node/unborn.h"
#include "node/worker.h"
#include "transport/cursor.h"

/* The bodies: [kind, ...]. */
enum lease_kind {
    LEASE_MOULD = 1, /* number, name, low, high, hard: what the number means from now on */
    LEASE_GRANT = 2, /* [slot, generation, count, ...]: runs of slots lent */
    LEASE_DRY = 3    /* none is left, and an actor waits for one */
};

enum {
    GRANT_RUNS_MAX = 256,                 /* of one body: it fits the smallest message limit */
    OUTSTANDING_MAX = 2 * LEASE_SLOTS_MAX /* lent and not spawned into */
};

#define SPENT_FAST_NS UINT64_C(200000000)     /* half a lease spent in less: it grows */
#define SPENT_SLOWLY_NS UINT64_C(10000000000) /* in more: it shrinks */

/* Slots `first` .. `first` + `count` - 1, all of one generation. */
struct run {
    uint32_t first, generation, count;
};

/* What one worker holds ready; its own. */
struct lease_cache {
    uint32_t session, count, next;
    struct run slots[LEASE_BATCH]; /* of one slot each */
    uint8_t *announced;            /* bits by mould number */
    uint32_t announced_bits;
};

struct lease {
    struct peer *peer;

    /* what the peer has lent */
    _Atomic bool lends;
    _Atomic bool dry_told; /* the peer knows; until it lends again */
    pthread_mutex_t mutex; /* guards the next four */
    uint32_t session;      /* peer->last_serial; 0: none */
    struct run *runs;
    uint32_t first_run, run_count, run_room;
    uint32_t slot_count;
    struct waiters waiters;      /* actors muted until there are slots */
    struct lease_cache **caches; /* by worker */

    /* what the peer was lent: core */
    bool begun;
    uint32_t size;        /* of the lease now */
    uint32_t outstanding; /* lent and not spawned into */
    uint64_t lent_ns;
    map_u64 moulds; /* struct mould_heard by the peer's number */
};

static struct runtime *runtime_of(const struct lease *lease) {
    return lease->peer->node->runtime;
}

struct lease *lease_new(struct peer *peer) {
    struct lease *lease = mem_zalloc(1, sizeof *lease);
    lease->peer = peer;
    pthread_mutex_init(&lease->mutex, NULL);
    lease->caches = mem_zalloc(runtime_of(lease)->worker_count, sizeof *lease->caches);
    return lease;
}

static void forget_moulds(struct lease *lease) {
    size_t cursor = 0;
    for (struct mould_heard *each; (each = map_u64_next(&lease->moulds, &cursor, NULL)) != NULL;)
        mem_free(each);
    map_u64_fini(&lease->moulds);
}

void lease_free(struct lease *lease) {
    for (unsigned i = 0; i < runtime_of(lease)->worker_count; i++) {
        if (lease->caches[i] != NULL) mem_free(lease->caches[i]->announced);
        mem_free(lease->caches[i]);
    }
    mem_free(lease->caches);
    mem_free(lease->runs);
    waiters_fini(&lease->waiters);
    forget_moulds(lease);
    pthread_mutex_destroy(&lease->mutex);
    mem_free(lease);
}

/* ---- borrowing: workers ---------------------------------------------------------------------- */

/* The worker's cache, empty if it was of another session. */
static struct lease_cache *cache_of(struct lease *lease, unsigned worker, uint32_t session) {
    struct lease_cache *cache = lease->caches[worker];
    if (cache == NULL) cache = lease->caches[worker] = mem_zalloc(1, sizeof *cache);
    if (cache->session == session) return cache;
    cache->session = session;
    cache->count = cache->next = 0;
    if (cache->announced != NULL) memset(cache->announced, 0, cache->announced_bits / 8);
    return cache;
}

/* Under the lock: moves some slots to a cache. A share of what there is, so that no worker hoards.
 */
static void take_batch(struct lease *lease, struct lease_cache *cache) {
    uint32_t share = lease->slot_count / (2 * runtime_of(lease)->worker_count) + 1;
    uint32_t wanted = share < LEASE_BATCH ? share : LEASE_BATCH;
    cache->count = cache->next = 0;
    while (cache->count < wanted && lease->slot_count > 0) {
        struct run *run = &lease->runs[lease->first_run];
        cache->slots[cache->count++] = (struct run){run->first, run->generation, 1};
        run->first++;
        lease->slot_count--;
        if (--run->count == 0) lease->first_run++;
    }
    if (lease->slot_count == 0) lease->first_run = lease->run_count = 0;
}

static bool push_body(struct lease *lease, const struct buffer *body, uint32_t session) {
    return peer_push_lease(lease->peer, body->data, body->bytes, session);
}

static void tell_dry(struct lease *lease, uint32_t session) {
    if (atomic_exchange(&lease->dry_told, true)) return;
    struct buffer body;
    buffer_init(&body);
    record_pack_array(&body, 1);
    record_pack_u64(&body, LEASE_DRY);
    /* Not told: the mark may be another session's by now, which has not been told either. */
    if (!push_body(lease, &body, session)) atomic_store(&lease->dry_told, false);
    buffer_fini(&body);
}

/* Fills an empty cache. Errors: TR_EFULL when there is nothing to fill it with; the actor is then
 * muted if it wants to wait. */
static tr_status refill(struct lease *lease, struct lease_cache *cache, tr_actor *self,
                        bool waits) {
    pthread_mutex_lock(&lease->mutex);
    bool present = lease->session == cache->session;
    if (present) take_batch(lease, cache);
    pthread_mutex_unlock(&lease->mutex);
    if (!present) return TR_EUNREACHABLE;
    if (cache->count > 0) return TR_OK;
    if (waits) {
        pressure_lock(self); /* before the lease's: the order everywhere */
        pthread_mutex_lock(&lease->mutex);
        present = lease->session == cache->session;
        if (present) take_batch(lease, cache);
        if (present && cache->count == 0) pressure_mute(&lease->waiters, self);
        pthread_mutex_unlock(&lease->mutex);
        pressure_unlock(self);
        if (cache->count > 0) return TR_OK;
    }
    tell_dry(lease, cache->session);
    return TR_EFULL;
}

/* Says what a number means, ahead of the spawn: this worker's pushes keep their order. */
static void announce(struct lease *lease, struct lease_cache *cache, uint32_t number) {
    if (number >= cache->announced_bits) {
        uint32_t bits = (number / 512 + 1) * 512;
        cache->announced = mem_realloc(cache->announced, bits / 8);
        memset(cache->announced + cache->announced_bits / 8, 0, (bits - cache->announced_bits) / 8);
        cache->announced_bits = bits;
    }
    uint8_t bit = (uint8_t)(1u << (number % 8));
    if ((cache->announced[number / 8] & bit) != 0) return;
    const struct mould *mould = moulds_at(runtime_of(lease)->moulds, number);
    struct buffer body;
    buffer_init(&body);
    record_pack_array(&body, 6);
    record_pack_u64(&body, LEASE_MOULD);
    record_pack_u64(&body, number);
    record_pack_text(&body, mould->name, strlen(mould->name));
    record_pack_u64(&body, mould->marks.low);
    record_pack_u64(&body, mould->marks.high);
    record_pack_u64(&body, mould->marks.hard);
    if (push_body(lease, &body, cache->session)) cache->announced[number / 8] |= bit;
    buffer_fini(&body);
}

tr_status lease_hold(struct peer *peer, uint64_t space, tr_actor *self,
                     const struct spawn_wish *wish, struct spawn_hold *hold_out) {
    struct lease *lease = peer->lease;
    /* Acquire: the lease of a session is begun before the session takes messages. */
    uint32_t session = atomic_load_explicit(&peer->serial, memory_order_acquire);
    if (session == 0) return TR_EUNREACHABLE;
    if (!atomic_load_explicit(&lease->lends, memory_order_relaxed)) return TR_ENOTSUP;
    unsigned worker = self->worker->index;
    uint32_t number =
        moulds_number(runtime_of(lease)->moulds, worker, wish->behavior, wish->name, wish->marks);
    if (number == 0) return TR_EINVAL;
    struct lease_cache *cache = cache_of(lease, worker, session);
    if (cache->next == cache->count) {
        tr_status status = refill(lease, cache, self, wish->waits);
        if (status != TR_OK) return status;
    }
    announce(lease, cache, number);
    const struct run *slot = &cache->slots[cache->next++];
    *hold_out = (struct spawn_hold){.pid = {space, slot->first, slot->generation},
                                    .session = session,
                                    .mould = number,
                                    .peer = peer};
    return TR_OK;
}

void lease_return(tr_actor *self, const struct spawn_hold *hold) {
    struct lease_cache *cache = hold->peer->lease->caches[self->worker->index];
    /* It is the one taken last, unless the session has changed. */
    if (cache->session == hold->session && cache->next > 0) cache->next--;
}

/* ---- borrowing: core ------------------------------------------------------------------------- */

static void add_run(struct lease *lease, struct run run) {
    if (lease->run_count == lease->run_room) {
        lease->run_room = lease->run_room == 0 ? 16 : 2 * lease->run_room;
        lease->runs = mem_realloc_array(lease->runs, lease->run_room, sizeof *lease->runs);
    }
    lease->runs[lease->run_count++] = run;
    lease->slot_count += run.count;
}

/* Under the lock: makes room at the front before more is put behind. */
static void close_ranks(struct lease *lease) {
    uint32_t left = lease->run_count - lease->first_run;
    if (lease->first_run < left) return; /* moved again only after as many have gone */
    if (left > 0) memmove(lease->runs, lease->runs + lease->first_run, left * sizeof *lease->runs);
    lease->first_run = 0;
    lease->run_count = left;
}

static void free_waiting(struct lease *lease) {
    pthread_mutex_lock(&lease->mutex);
    struct waiters freed = lease->waiters;
    lease->waiters = (struct waiters){0};
    pthread_mutex_unlock(&lease->mutex);
    pressure_free_waiters(runtime_of(lease), &freed);
}

static bool read_run(struct cursor *cursor, struct run *run) {
    return cursor_u32(cursor, UINT32_MAX, &run->first) &&
           cursor_u32(cursor, UINT32_MAX, &run->generation) &&
           cursor_u32(cursor, OUTSTANDING_MAX, &run->count) && run->generation > 0 &&
           run->count > 0 && run->first <= UINT32_MAX - run->count;
}

static tr_status take_grant(struct lease *lease, struct cursor *cursor, tr_error *error) {
    struct run runs[GRANT_RUNS_MAX];
    uint32_t count = 0;
    uint64_t slots = 0;
    bool good = cursor_array(cursor, 3 * GRANT_RUNS_MAX, &count) && count % 3 == 0;
    count /= 3;
    for (uint32_t i = 0; good && i < count; i++) {
        good = read_run(cursor, &runs[i]);
        if (good) slots += runs[i].count;
    }
    if (!good || !cursor_at_end(cursor))
        return error_set(error, TR_EDATA, NULL, "a lease of slots that cannot be");
    pthread_mutex_lock(&lease->mutex);
    good = slots + lease->slot_count <= OUTSTANDING_MAX;
    if (good) close_ranks(lease);
    for (uint32_t i = 0; good && i < count; i++) add_run(lease, runs[i]);
    pthread_mutex_unlock(&lease->mutex);
    if (!good) return error_set(error, TR_EDATA, NULL, "a lease of more slots than one may have");
    atomic_store(&lease->dry_told, false);
    free_waiting(lease);
    return TR_OK;
}

/* ---- lending: core --------------------------------------------------------------------------- */

static void send_runs(struct lease *lease, const struct run *runs, uint32_t count,
                      uint64_t now_ns) {
    struct buffer body;
    buffer_init(&body);
    record_pack_array(&body, 2);
    record_pack_u64(&body, LEASE_GRANT);
    record_pack_array(&body, 3 * count);
    for (uint32_t i = 0; i < count; i++) {
        record_pack_u64(&body, runs[i].first);
        record_pack_u64(&body, runs[i].generation);
        record_pack_u64(&body, runs[i].count);
    }
    peer_send_control(lease->peer, ENVELOPE_LEASE, body.data, body.bytes, now_ns);
    buffer_fini(&body);
}

static void lend(struct lease *lease, uint32_t count, uint64_t now_ns) {
    struct producer *producer = &lease->peer->node->producer;
    struct run runs[GRANT_RUNS_MAX];
    uint32_t used = 0;
    lease->outstanding += count;
    lease->lent_ns = now_ns;
    while (count-- > 0) {
        struct slot_head head = unborn_lease(producer, lease->peer->origin);
        struct run *last = used == 0 ? NULL : &runs[used - 1];
        if (last != NULL && last->generation == head.generation &&
            last->first + last->count == head.slot) {
            last->count++;
            continue;
        }
        if (used == GRANT_RUNS_MAX) {
            send_runs(lease, runs, used, now_ns);
            used = 0;
        }
        runs[used++] = (struct run){head.slot, head.generation, 1};
    }
    if (used > 0) send_runs(lease, runs, used, now_ns);
}

static bool may_lend(const struct lease *lease) {
    const tr_node *node = lease->peer->node;
    return node->space_taken && node->stage == NODE_UP &&
           atomic_load_explicit(&lease->lends, memory_order_relaxed);
}

void lease_step(struct peer *peer, uint64_t now_ns) {
    struct lease *lease = peer->lease;
    bool admitted = atomic_load_explicit(&peer->serial, memory_order_relaxed) != 0;
    if (lease->begun || !admitted || !may_lend(lease)) return;
    lease->begun = true;
    lease->size = LEASE_SLOTS_MIN;
    lend(lease, lease->size, now_ns);
}

static void grow(struct lease *lease) {
    if (lease->size < LEASE_SLOTS_MAX) lease->size *= 2;
}

/* Below half of the lease: lends what is missing, of a lease that follows its use. */
static void lend_again(struct lease *lease, uint64_t now_ns) {
    uint64_t took_ns = now_ns - lease->lent_ns;
    if (took_ns < SPENT_FAST_NS)
        grow(lease);
    else if (took_ns > SPENT_SLOWLY_NS && lease->size > LEASE_SLOTS_MIN)
        lease->size /= 2;
    if (lease->size > lease->outstanding) lend(lease, lease->size - lease->outstanding, now_ns);
}

const struct mould_heard *lease_mould(const struct peer *peer, uint64_t number) {
    return map_u64_find(&peer->lease->moulds, number);
}

bool lease_spent(struct peer *peer, tr_pid pid, uint64_t mould, uint64_t now_ns, tr_error *error) {
    struct lease *lease = peer->lease;
    if (lease_mould(peer, mould) == NULL) {
        error_set(error, TR_EDATA, NULL, "a spawn of a number that was never announced");
        return false;
    }
    if (!unborn_is_leased(runtime_of(lease), pid, peer->origin)) {
        error_set(error, TR_EDATA, NULL, "a spawn into a slot that is not leased to it");
        return false;
    }
    if (lease->outstanding > 0) lease->outstanding--;
    if (lease->outstanding < lease->size / 2 && may_lend(lease)) lend_again(lease, now_ns);
    return true;
}

uint32_t lease_outstanding(const struct peer *peer) {
    return peer->lease->outstanding;
}

/* The peer's workers have none left, whatever lies in the caches of some. */
static void lend_to_dry(struct lease *lease, uint64_t now_ns) {
    if (!lease->begun || !may_lend(lease)) return;
    grow(lease);
    uint32_t room = OUTSTANDING_MAX - lease->outstanding;
    lend(lease, room < lease->size ? room : lease->size, now_ns);
}

static tr_status learn_mould(struct lease *lease, struct cursor *cursor, tr_error *error) {
    struct mould mould = {0};
    uint32_t number = 0;
    cursor_u32(cursor, MOULDS_MAX, &number);
    cursor_text(cursor, mould.name, sizeof mould.name);
    cursor_u32(cursor, UINT32_MAX, &mould.marks.low);
    cursor_u32(cursor, UINT32_MAX, &mould.marks.high);
    cursor_u32(cursor, UINT32_MAX, &mould.marks.hard);
    if (!cursor_at_end(cursor) || number == 0)
        return error_set(error, TR_EDATA, NULL, "no behavior to spawn from can be read");
    struct mould_heard *known = map_u64_find(&lease->moulds, number);
    if (known == NULL) {
        map_u64_put(&lease->moulds, number, mould_hear(runtime_of(lease), &mould));
        return TR_OK;
    }
    /* Each worker of the peer tells once. */
    if (strcmp(known->mould.name, mould.name) == 0 &&
        memcmp(&known->mould.marks, &mould.marks, sizeof mould.marks) == 0)
        return TR_OK;
    return error_set(error, TR_EDATA, NULL, "one number for two behaviors to spawn from");
}

/* ---- both ------------------------------------------------------------------------------------ */

tr_status lease_receive(struct peer *peer, const uint8_t *data, size_t bytes, uint64_t now_ns,
                        tr_error *error) {
    struct lease *lease = peer->lease;
    struct cursor cursor = cursor_over(data, bytes);
    uint32_t count = 0;
    uint64_t kind = 0;
    cursor_array(&cursor, 6, &count);
    cursor_uint(&cursor, LEASE_DRY, &kind);
    if (kind == LEASE_MOULD && count == 6) return learn_mould(lease, &cursor, error);
    if (kind == LEASE_GRANT && count == 2) return take_grant(lease, &cursor, error);
    if (kind != LEASE_DRY || !cursor_at_end(&cursor))
        return error_set(error, TR_EDATA, NULL, "no word about leases can be read");
    lend_to_dry(lease, now_ns);
    return TR_OK;
}

/* Nothing lent by the peer is left. */
static void empty(struct lease *lease, uint32_t session) {
    pthread_mutex_lock(&lease->mutex);
    lease->session = session;
    lease->first_run = lease->run_count = lease->slot_count = 0;
    pthread_mutex_unlock(&lease->mutex);
    atomic_store(&lease->dry_told, false);
    free_waiting(lease);
}

void lease_session_up(struct peer *peer, bool lends) {
    struct lease *lease = peer->lease;
    atomic_store(&lease->lends, lends);
    empty(lease, peer->last_serial);
}

void lease_session_down(struct peer *peer) {
    struct lease *lease = peer->lease;
    empty(lease, 0);
    if (lease->begun) unborn_end(&peer->node->producer, peer->origin);
    forget_moulds(lease);
    lease->begun = false;
    lease->size = lease->outstanding = 0;
}
