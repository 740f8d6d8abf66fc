/*
 * envelope.h - one message between nodes, and the parcels that carry many.
 *
 * Envelopes have no number of their own: a frame tells that of its first, so what a worker has
 * encoded travels as it is. A `parcel` is one allocation with encoded envelopes in their order; an
 * envelope tells only what differs from the MESSAGE or CONTROL before it, and each parcel begins
 * afresh. Decoding allocates nothing and points into the input (I5). Any thread may call;
 * PROTOCOL.md has the bytes.
 */
#ifndef TROUPE_TRANSPORT_ENVELOPE_H
#define TROUPE_TRANSPORT_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/returns.h"
#include "transport/cursor.h"

enum envelope_kind {
    ENVELOPE_RECORD = 0,   /* `record` is from now on the record that `body` describes */
    ENVELOPE_MESSAGE = 1,  /* between user actors */
    ENVELOPE_CONTROL = 2,  /* between actors, but the runtime's: exits, downs, spawns, names */
    ENVELOPE_MEMBER = 3,   /* membership; only `flags` and `body` */
    ENVELOPE_SNAPSHOT = 4, /* snapshot coordination: start, marker, ...; only `flags` and `body` */
    ENVELOPE_LEASE = 5     /* slots lent for spawns, and what is spawned; only `flags` and `body` */
};
enum { ENVELOPE_KINDS = 6 };

/* Flags of an envelope. Further bits belong to the node; the transport carries them unread. */
enum {
    ENVELOPE_ASK = 1,  /* the sender waits for a reply to `message_id` */
    ENVELOPE_REPLY = 2 /* answers the ask `reference` */
};

enum {
    /* The most that an envelope takes besides its body. */
    ENVELOPE_HEAD_BYTES_MAX = 128,
    /* No limit of a cluster may allow a larger body. */
    ENVELOPE_BODY_BYTES_MAX = 256 * 1024 * 1024
};

/*
 * `to`, `from` (all zero: nobody), `record`, `colour`, `trace`, `message_id`, `reference`, `flags`
 * travel with the kinds MESSAGE and CONTROL only (a RECORD has `record`); with the others they are
 * zero. `body` is borrowed.
 */
struct envelope {
    enum envelope_kind kind;
    uint32_t flags;
    uint64_t sequence; /* set by the link when it delivers; else 0 */
    tr_pid to;         /* never nobody in a MESSAGE or CONTROL */
    tr_pid from;
    uint32_t record; /* the sender's dense number of the body's record */
    uint32_t body_bytes;
    uint64_t colour;
    tr_trace trace;
    uint64_t message_id; /* the sender's own count of its messages */
    uint64_t reference;  /* of a reply: the message_id it answers */
    const uint8_t *body;
    size_t wire_bytes; /* set by reading: what it took, and what it costs of the credit */
};

/* Encoded envelopes in order. Whoever holds it may use `next` and `tag`. */
struct parcel {
    union {
        struct parcel *next;
        struct returned returned; /* while it waits in a pool */
    };
    struct returns *pool; /* where parcel_free puts it; NULL: nowhere */
    uint32_t tag;         /* the holder's own */
    uint32_t count;       /* envelopes, and their bytes as they travel */
    uint32_t bytes;
    uint32_t room;    /* bytes of `data` */
    bool has_context; /* a MESSAGE or CONTROL is in it */
    uint8_t data[];
};

/* Makes an empty parcel with room for so many bytes. */
struct parcel *parcel_new(uint32_t room);

/* The same from a pool, all of whose parcels have one size; it must outlive them. Its owner calls.
 */
struct parcel *parcel_from(struct returns *pool, uint32_t room);
/* Frees the parcels that wait in a pool. */
void parcel_pool_fini(struct returns *pool);

/* Appends an envelope, copying the body (at most ENVELOPE_BODY_BYTES_MAX); there must be room for
 * ENVELOPE_HEAD_BYTES_MAX more than that. `context` is the parcel's own: what the envelope before
 * said, to which the next is compared. `sequence` and `wire_bytes` are not read. */
void parcel_append(struct parcel *parcel, struct envelope *context,
                   const struct envelope *envelope);

/* Makes a parcel of one envelope: link_send takes it, else parcel_free. */
struct parcel *envelope_encode(const struct envelope *envelope);

/* Reads the envelope at the cursor. `context` holds the MESSAGE or CONTROL read before, all zero
 * when there was none; one of these kinds is read into it, another into `other`, and whichever it
 * was is returned. NULL, with the cursor failed, for anything that is no envelope (cut, another
 * type, an unknown kind); both structs are then undefined. `body` points into the input. Further
 * elements after the body are skipped: a later version may add some. */
struct envelope *envelope_read(struct cursor *cursor, struct envelope *context,
                               struct envelope *other);

/* Steps over an envelope that nobody wants; false when it is cut or no array. */
bool envelope_skip(struct cursor *cursor);

/* Reads what a parcel was made of, one after the other: for dead letters of what never arrived. */
struct parcel_reader {
    struct cursor cursor;
    struct envelope context, other;
};
void parcel_open(const struct parcel *parcel, struct parcel_reader *reader);
/* The next envelope, borrowed until the next call and from the parcel; NULL at the end. */
const struct envelope *parcel_next(struct parcel_reader *reader);

/* Frees one parcel, or NULL, or gives it back to its pool. */
void parcel_free(struct parcel *parcel);

#endif
