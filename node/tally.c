#include "node/tally.h"

#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

/* One writer: a relaxed load and store is an increment. Readers that need an exact value come after
 * the writer's last relevant event through the release/acquire of the population counters or of a
 * lock. */
static void bump(_Atomic uint64_t *counter, uint64_t by) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_release);
}

void tally_add(struct tally_lane *lane, uint64_t colour) {
    uint64_t newest = atomic_load_explicit(&lane->newest, memory_order_relaxed);
    if (colour == newest) {
        bump(&lane->fresh, 1);
    } else if (colour < newest) {
        bump(&lane->older, 1);
    } else {
        uint32_t version = atomic_load_explicit(&lane->version, memory_order_relaxed);
        /* A seqlock: readers retry when they see an odd or a moved version (Boehm, MSPC 2012). */
        atomic_store_explicit(&lane->version, version + 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_release);
        bump(&lane->older, atomic_load_explicit(&lane->fresh, memory_order_relaxed));
        atomic_store_explicit(&lane->newest, colour, memory_order_relaxed);
        atomic_store_explicit(&lane->fresh, 1, memory_order_relaxed);
        atomic_store_explicit(&lane->version, version + 2, memory_order_release);
    }
}

struct lane_view {
    uint64_t newest, older, fresh;
};

static struct lane_view lane_read(const struct tally_lane *lane) {
    struct lane_view view;
    uint32_t before, after;
    do {
        before = atomic_load_explicit(&lane->version, memory_order_acquire);
        view.older = atomic_load_explicit(&lane->older, memory_order_acquire);
        view.fresh = atomic_load_explicit(&lane->fresh, memory_order_acquire);
        view.newest = atomic_load_explicit(&lane->newest, memory_order_acquire);
        after = atomic_load_explicit(&lane->version, memory_order_relaxed);
    } while ((before & 1) != 0 || before != after);
    return view;
}

uint64_t tally_older(const struct tally_lane *lane, uint64_t epoch) {
    struct lane_view view = lane_read(lane);
    return view.newest >= epoch ? view.older : view.older + view.fresh;
}

uint64_t tally_fresh(const struct tally_lane *lane, uint64_t epoch) {
    struct lane_view view = lane_read(lane);
    return view.newest == epoch ? view.fresh : 0;
}

void tally_book_init(struct tally_book *book) {
    memset(book, 0, sizeof *book);
}

void tally_book_fini(struct tally_book *book) {
    for (size_t i = 0; i < TALLY_CHUNKS; i++) mem_free(atomic_load(&book->chunks[i]));
}

static struct tally_peer *peer_find(const struct tally_book *book, uint32_t peer) {
    check(peer < TALLY_CHUNK * TALLY_CHUNKS);
    struct tally_peer *chunk =
        atomic_load_explicit(&book->chunks[peer / TALLY_CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[peer % TALLY_CHUNK];
}

static struct tally_peer *peer_make(struct tally_book *book, uint32_t peer) {
    struct tally_peer *found = peer_find(book, peer);
    if (found != NULL) return found;
    struct tally_peer *chunk = mem_zalloc(TALLY_CHUNK, sizeof(struct tally_peer));
    /* Release: a reader that finds the chunk finds it zeroed. */
    atomic_store_explicit(&book->chunks[peer / TALLY_CHUNK], chunk, memory_order_release);
    return &chunk[peer % TALLY_CHUNK];
}

static void lane_reset(struct tally_lane *lane) {
    atomic_store_explicit(&lane->newest, 0, memory_order_relaxed);
    atomic_store_explicit(&lane->older, 0, memory_order_relaxed);
    atomic_store_explicit(&lane->fresh, 0, memory_order_relaxed);
}

void tally_count(struct tally_book *book, enum tally_kind kind, uint32_t peer, uint32_t session,
                 uint64_t colour) {
    struct tally_peer *lanes = peer_make(book, peer);
    uint32_t present = atomic_load_explicit(&lanes->session, memory_order_relaxed);
    if (present != session) {
        if ((int32_t)(session - present) < 0)
            return; /* of a session that has ended: nobody asks any more */
        /* Readers that see the new session and an old count meet it only between two snapshots: the
         * end of a session aborts the one that is open. */
        for (size_t i = 0; i < TALLY_KINDS; i++) lane_reset(&lanes->lanes[i]);
        atomic_store_explicit(&lanes->session, session, memory_order_release);
    }
    tally_add(&lanes->lanes[kind], colour);
}

static const struct tally_lane *lane_find(const struct tally_book *book, enum tally_kind kind,
                                          uint32_t peer, uint32_t session) {
    const struct tally_peer *lanes = peer_find(book, peer);
    if (lanes == NULL || atomic_load_explicit(&lanes->session, memory_order_acquire) != session)
        return NULL;
    return &lanes->lanes[kind];
}

uint64_t tally_sum_older(const struct tally_book *book, enum tally_kind kind, uint32_t peer,
                         uint32_t session, uint64_t epoch) {
    const struct tally_lane *lane = lane_find(book, kind, peer, session);
    return lane == NULL ? 0 : tally_older(lane, epoch);
}

uint64_t tally_sum_fresh(const struct tally_book *book, enum tally_kind kind, uint32_t peer,
                         uint32_t session, uint64_t epoch) {
    const struct tally_lane *lane = lane_find(book, kind, peer, session);
    return lane == NULL ? 0 : tally_fresh(lane, epoch);
}
