/*
 * part.h - what one node writes into a snapshot: actors, messages, links, as msgpack items.
 *
 * A part file is a stream of msgpack arrays, each beginning with its name: header, then actors
 * and messages in any order, then records, links, digests, trailer; SNAPSHOT.md describes all. The
 * functions here append one item to a chunk; workers call them while they go on working, each
 * with a chunk of its own, so they take no lock and no memory but the chunk's. part_writer.h puts
 * chunks into a file, part_reader.h reads them back into the same structs.
 */
#ifndef TROUPE_PART_H
#define TROUPE_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"
#include "node/base/digest.h"

struct part_fault;
struct record_cursor;

#define PART_FORMAT "troupe-part"
#define PART_END_MAGIC "TRPEND\r\n" /* the file's last 8 bytes */

enum {
    PART_VERSION = 1,
    PART_TRAILER_BYTES = 54,
    PART_NAME_BYTES = 64,         /* a node's or cluster's name or a snapshot's id, with its zero */
    PART_CHUNK_BYTES = 64 * 1024, /* append a chunk to its part once it holds this much */
    PART_DIGEST_BYTES = 1024 * 1024, /* bytes of the file per chunk digest */
    PART_DEPTH_MAX = 32,             /* nesting of an item, its own array included */
    PART_LIST_MAX = 1 << 24,         /* names, timers, asks of one actor */
    PART_RECORDS_MAX = 65536,
    PART_LINKS_MAX = 65536,
};

/* One encoded msgpack value; `data` NULL (0 bytes) means nil. */
typedef struct part_value {
    const uint8_t *data;
    size_t bytes;
} part_value;

/* The first item. */
typedef struct part_header {
    char cluster[PART_NAME_BYTES];
    char snapshot[PART_NAME_BYTES]; /* the id, which is the folder's name */
    uint64_t epoch;
    char initiator[PART_NAME_BYTES];
    char node[PART_NAME_BYTES];
    uint64_t incarnation;
    uint32_t ordinal;    /* of `space`, for printing pids */
    uint64_t space;      /* of the pids that are written without one */
    uint64_t created_ms; /* wall time */
} part_header;

/* What an actor was doing when it was recorded; bits of part_actor.status. */
enum part_actor_status {
    PART_ACTOR_STARTING = 1, /* its init has not run yet */
    PART_ACTOR_HOLDING = 2,  /* waits for a reply before it handles anything else */
    PART_ACTOR_MUTED = 4,    /* waits for a receiver to drain */
    PART_ACTOR_STOPPING = 8, /* was asked to end */
};

/* A timer that has not been handled yet. */
typedef struct part_timer {
    uint64_t id;
    uint64_t remaining_ns; /* 0: due or fired */
    uint32_t record;       /* record_type.id in the node's table; 0: none */
    part_value body;
} part_timer;

/* A pending ask (or spawn or claim that expects an outcome). */
typedef struct part_ask {
    uint64_t id;
    uint32_t kind; /* the node's own number: ask, spawn, claim */
    tr_pid target;
    uint64_t remaining_ns;
    bool hold;
    tr_text request;         /* the request's record name, or a name */
    uint32_t context_record; /* 0: no context */
    part_value context;
} part_ask;

/* One actor at the cut. */
typedef struct part_actor {
    tr_pid pid;
    tr_text behavior;
    uint32_t behavior_version;
    uint64_t colour; /* its epoch before it was recorded; less than the snapshot's */
    uint32_t status; /* bits of part_actor_status */
    const tr_text *names;
    uint32_t name_count;
    bool has_mailbox; /* false: the node's default marks */
    tr_mailbox_options mailbox;
    uint32_t record; /* of the state: record_type.id in the node's table; 0: stateless */
    part_value state;
    const part_timer *timers;
    uint32_t timer_count;
    const part_ask *asks;
    uint32_t ask_count;
} part_actor;

/* One message that was in a channel at the cut. */
typedef struct part_message {
    tr_pid to;
    uint64_t order; /* among the messages of one target in this part: unique, larger is later */
    tr_pid from;
    uint32_t kind;      /* enum message_kind */
    uint32_t flags;     /* enum message_flags */
    uint64_t id;        /* the sender's count: (from, id) names one message; 0: none */
    uint64_t reference; /* of a reply: the request's serial */
    uint64_t colour;    /* less than the snapshot's epoch */
    tr_trace trace;
    tr_text link;    /* the node it came from over a link; data NULL: sent on this node */
    tr_text reason;  /* why it became a dead letter; data NULL: it did not */
    uint32_t record; /* record_type.id in the node's table; 0: none */
    part_value body;
} part_message;

/* A record's descriptor under the id that items use. */
typedef struct part_record {
    uint32_t id;           /* from 1, ascending */
    part_value descriptor; /* record_type.descriptor */
} part_record;

/* The older-colour messages of one link's session, as this node counted them (I8). */
typedef struct part_link {
    char peer[PART_NAME_BYTES];
    uint64_t session;
    uint64_t sent;     /* by this node's senders, to the peer */
    uint64_t received; /* from the peer: handled or set aside */
    uint64_t recorded; /* from the peer: written into this part with link = peer */
} part_link;

/* The last item; its encoding has PART_TRAILER_BYTES bytes. */
typedef struct part_trailer {
    uint64_t actors;
    uint64_t messages;
    uint64_t records_at; /* where in the file the records begin */
    uint64_t bytes;      /* of the file before the digests */
} part_trailer;

/* Items on their way to a part. A zeroed chunk is empty; one thread at a time. */
typedef struct part_chunk {
    struct buffer buffer;
    uint64_t actors;
    uint64_t messages;
} part_chunk;

/* Frees a chunk's bytes; it is empty again. */
void part_chunk_fini(part_chunk *chunk);

/* Borrows a C string; NULL gives data NULL. */
tr_text part_text(const char *text);

/* The number of digests that cover so many bytes. */
uint64_t part_digest_count(uint64_t bytes);

/* ---- items whose bodies are encoded already -------------------------------------------------- */

/* `space` is the header's: pids of that space are written without it. */
void part_encode_actor(part_chunk *chunk, uint64_t space, const part_actor *actor);
void part_encode_message(part_chunk *chunk, uint64_t space, const part_message *message);

/* ---- the same, with bodies encoded in place -------------------------------------------------- */

/* The caller appends the values and, the item being whole then, adds it to chunk->actors or
 * chunk->messages. Writes all of a message but its body; exactly one msgpack value must be appended
 * to chunk->buffer next. message->body is not looked at. */
void part_begin_message(part_chunk *chunk, uint64_t space, const part_message *message);

/* Writes an actor up to its state. Then, in this order: append the state to chunk->buffer, one
 * msgpack value (nil when record is 0); part_begin_timers with the count, and for each one
 * part_begin_timer and a value, its body; part_begin_asks with the count, and for each one
 * part_begin_ask and a value, its context. actor->state, timers and asks (and their body and
 * context) are not looked at. */
void part_begin_actor(part_chunk *chunk, uint64_t space, const part_actor *actor);
void part_begin_timers(part_chunk *chunk, uint32_t count);
void part_begin_timer(part_chunk *chunk, const part_timer *timer);
void part_begin_asks(part_chunk *chunk, uint32_t count);
void part_begin_ask(part_chunk *chunk, uint64_t space, const part_ask *ask);
/* Appends nil, for a value that is not there. */
void part_put_nil(part_chunk *chunk);

/* ---- items that only the writer makes -------------------------------------------------------- */

void part_encode_header(struct buffer *buffer, const part_header *header);
void part_encode_records(struct buffer *buffer, const part_record *records, size_t count);
void part_encode_links(struct buffer *buffer, const part_link *links, size_t count);
void part_encode_digests(struct buffer *buffer, const void *digests, size_t count);
void part_encode_trailer(struct buffer *buffer, const part_trailer *trailer);

/* ---- and reads back ---------------------------------------------------------------------------
 */

/* Reads a header item, or one link of the links; false, with the reason, for anything else (I5). */
bool part_decode_header(struct record_cursor *cursor, part_header *header_out,
                        struct part_fault *fault);
bool part_decode_link(struct record_cursor *cursor, part_link *link_out, struct part_fault *fault);

#endif
