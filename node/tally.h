/*
 * tally.h - counts of events by colour, kept by one thread and summed by another (I8).
 *
 * A lane answers one question exactly once things have come to rest: how many of its events had a
 * colour older than e? It needs only two counts, those older than the newest colour it has met and
 * those of that colour, because one snapshot is open at a time. Each thread that handles messages
 * (a worker, a port under its lock, the core) has a book: for each peer a lane of sends, of
 * receives, of records; and two for the population: born and left.
 *
 * The book's thread writes; any thread reads. Peers are named by small index numbers.
 */
#ifndef TROUPE_TALLY_H
#define TROUPE_TALLY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct tally_lane {
    _Atomic uint32_t version; /* odd while the newest colour is being moved on */
    _Atomic uint64_t newest;
    _Atomic uint64_t older; /* events of colours below `newest` */
    _Atomic uint64_t fresh; /* events of colour `newest` */
};

/* Counts one event of `colour`. Owner only. */
void tally_add(struct tally_lane *lane, uint64_t colour);
/* Events whose colour is below `epoch`, and those of that very colour. No colour above `epoch` may
 * exist yet. */
uint64_t tally_older(const struct tally_lane *lane, uint64_t epoch);
uint64_t tally_fresh(const struct tally_lane *lane, uint64_t epoch);

enum tally_kind { TALLY_SENT, TALLY_RECEIVED, TALLY_RECORDED, TALLY_KINDS };

/* The lanes towards one peer; they belong to one session and start anew with the next. */
struct tally_peer {
    _Atomic uint32_t session;
    struct tally_lane lanes[TALLY_KINDS];
};

enum { TALLY_CHUNK = 64, TALLY_CHUNKS = 1024 }; /* peers: as many as a message's origin can name */

struct tally_book {
    struct tally_lane born, left;
    _Atomic(struct tally_peer *) chunks[TALLY_CHUNKS];
};

void tally_book_init(struct tally_book *book);
void tally_book_fini(struct tally_book *book);

/* Owner: counts one event with `peer` in `session`. */
void tally_count(struct tally_book *book, enum tally_kind kind, uint32_t peer, uint32_t session,
                 uint64_t colour);
/* Sum for one lane in `session`; 0 when the book has met no such session. `recorded` asks for the
 * events of `epoch` itself. */
uint64_t tally_sum_older(const struct tally_book *book, enum tally_kind kind, uint32_t peer,
                         uint32_t session, uint64_t epoch);
uint64_t tally_sum_fresh(const struct tally_book *book, enum tally_kind kind, uint32_t peer,
                         uint32_t session, uint64_t epoch);

#endif
