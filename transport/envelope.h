/*
 * envelope.h - one message between nodes, and the msgpack array that carries it.
 *
 * A worker encodes a message before its place in the link's order is known. So envelope_encode
 * makes a `parcel`: one allocation with everything but the array's head, its kind and its
 * sequence number, which the link writes in front when it frames the parcel. Decoding allocates
 * nothing and points into the input. Any thread may call; PROTOCOL.md has the bytes.
 */
#ifndef TROUPE_TRANSPORT_ENVELOPE_H
#define TROUPE_TRANSPORT_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

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
 * `to`, `from` (all zero: nobody), `record`, `colour`, `trace`, `message_id` travel with the kinds
 * MESSAGE and CONTROL only (a RECORD has `record`); with the others they are zero. `body` is
 * borrowed.
 */
struct envelope {
    enum envelope_kind kind;
    uint32_t flags;
    uint64_t sequence; /* set by decoding from a frame; 0 otherwise */
    tr_pid to;         /* never nobody in a MESSAGE or CONTROL */
    tr_pid from;
    uint32_t record; /* the sender's dense number of the body's record */
    uint32_t body_bytes;
    uint64_t colour;
    tr_trace trace;
    uint64_t message_id; /* the sender's own count of its messages */
    uint64_t reference;  /* of a reply: the message_id it answers */
    const uint8_t *body;
    size_t wire_bytes; /* set by decoding: what it took in the frame, and what it costs of the
                          credit */
};

/* An encoded envelope that waits for its sequence number. Whoever holds it may use `next`. */
struct parcel {
    struct parcel *next;
    uint64_t colour;
    uint32_t flags;
    uint32_t record;
    uint32_t bytes; /* of `data` */
    uint32_t kind;  /* an envelope_kind */
    uint32_t tag;   /* the holder's own */
    uint8_t data[]; /* the envelope from `to` on */
};

/* Makes a parcel of `*envelope`, copying the body (at most ENVELOPE_BODY_BYTES_MAX). `sequence` and
 * `wire_bytes` are not read. The caller owns it: link_send takes it, else parcel_free. */
struct parcel *envelope_encode(const struct envelope *envelope);

/* Reads the envelope that starts at `data`. Errors: TR_EDATA for anything that is not exactly one
 * (cut, another type, an unknown kind); the outputs are then untouched. `envelope_out->body` points
 * into `data`; `*used_out` (may be NULL) gets its length in bytes. Further elements after the body
 * are skipped: a later version may add some. */
tr_status envelope_decode(const uint8_t *data, size_t bytes, struct envelope *envelope_out,
                          size_t *used_out);

/* What a parcel was made of, with `body` pointing into it: for dead letters of what never arrived.
 */
void parcel_read(const struct parcel *parcel, struct envelope *envelope_out);

/* Bytes that the parcel takes in a frame under this sequence number. */
size_t parcel_wire_bytes(const struct parcel *parcel, uint64_t sequence);

/* Writes the envelope with its sequence number to `place`, which has parcel_wire_bytes of room;
 * returns the end. */
uint8_t *parcel_write(const struct parcel *parcel, uint64_t sequence, uint8_t *place);

/* Frees one parcel, or NULL. */
void parcel_free(struct parcel *parcel);

#endif
