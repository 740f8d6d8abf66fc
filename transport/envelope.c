/*
 * envelope.c - the envelope's array: [kind and changes, what has changed ..., body].
 *
 * Written and read by hand, since both run for each message.
 */
#include "transport/envelope.h"

#include <string.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/memory.h"

enum { ENVELOPE_ELEMENTS_MAX = 32, EXTRA_DEPTH_MAX = 8, EXTRA_ITEMS_MAX = 256 };

/* The first element: the kind in the low three bits, above them which elements follow. */
enum { KIND_BITS = 3, KIND_MASK = (1 << KIND_BITS) - 1 };
enum {
    CHANGE_TO = 1,
    CHANGE_FROM = 2,
    CHANGE_MESSAGE_ID = 4, /* is not one more than before */
    CHANGE_TRACE = 8,
    CHANGE_RECORD = 16,
    CHANGE_COLOUR = 32,
    CHANGE_SPAN = 64,
    CHANGE_REFERENCE = 128,
    CHANGE_FLAGS = 256,
    CHANGE_ALL = 511, /* each of these is an element */
    AFRESH = 512      /* what is not told is zero, not as before */
};

static bool is_nobody(tr_pid pid) {
    return pid.space == 0 && pid.slot == 0 && pid.generation == 0;
}

static bool is_between_actors(enum envelope_kind kind) {
    return kind == ENVELOPE_MESSAGE || kind == ENVELOPE_CONTROL;
}

static const tr_trace no_trace;

static bool same_id(const tr_trace *a, const tr_trace *b) {
    return memcmp(a->id, b->id, sizeof a->id) == 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static inline uint8_t *put_number(uint8_t *at, uint64_t value, size_t bytes) {
    for (size_t i = bytes; i-- > 0;) *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

/* The shortest msgpack of a number. */
static inline uint8_t *put_uint(uint8_t *at, uint64_t value) {
    if (value < 0x80) {
        *at++ = (uint8_t)value;
        return at;
    }
    unsigned width = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
    *at++ = (uint8_t)(0xcc + width);
    return put_number(at, value, (size_t)1 << width);
}

static uint8_t *put_pid(uint8_t *at, tr_pid pid) {
    if (is_nobody(pid)) {
        *at++ = 0xc0;
        return at;
    }
    *at++ = 0x93;
    at = put_uint(at, pid.space);
    at = put_uint(at, pid.slot);
    return put_uint(at, pid.generation);
}

static uint8_t *put_trace_id(uint8_t *at, const tr_trace *trace) {
    if (same_id(trace, &no_trace)) {
        *at++ = 0xc0;
        return at;
    }
    *at++ = 0xc4;
    *at++ = sizeof trace->id;
    memcpy(at, trace->id, sizeof trace->id);
    return at + sizeof trace->id;
}

static uint8_t *put_bin_head(uint8_t *at, uint32_t bytes) {
    unsigned width = bytes <= UINT8_MAX ? 0 : bytes <= UINT16_MAX ? 1 : 2;
    *at++ = (uint8_t)(0xc4 + width);
    return put_number(at, bytes, (size_t)1 << width);
}

static inline bool same_pid(tr_pid a, tr_pid b) {
    return a.space == b.space && a.slot == b.slot && a.generation == b.generation;
}

static unsigned changes_of(const struct envelope *context, const struct envelope *envelope) {
    unsigned changes = 0;
    if (!same_pid(context->to, envelope->to)) changes |= CHANGE_TO;
    if (!same_pid(context->from, envelope->from)) changes |= CHANGE_FROM;
    if (context->message_id + 1 != envelope->message_id) changes |= CHANGE_MESSAGE_ID;
    if (!same_id(&context->trace, &envelope->trace)) changes |= CHANGE_TRACE;
    if (context->record != envelope->record) changes |= CHANGE_RECORD;
    if (context->colour != envelope->colour) changes |= CHANGE_COLOUR;
    if (context->trace.span != envelope->trace.span) changes |= CHANGE_SPAN;
    if (context->reference != envelope->reference) changes |= CHANGE_REFERENCE;
    if (context->flags != envelope->flags) changes |= CHANGE_FLAGS;
    return changes;
}

static uint8_t *put_changes(uint8_t *at, const struct envelope *envelope, unsigned changes) {
    if (changes & CHANGE_TO) at = put_pid(at, envelope->to);
    if (changes & CHANGE_FROM) at = put_pid(at, envelope->from);
    if (changes & CHANGE_MESSAGE_ID) at = put_uint(at, envelope->message_id);
    if (changes & CHANGE_TRACE) at = put_trace_id(at, &envelope->trace);
    if (changes & CHANGE_RECORD) at = put_uint(at, envelope->record);
    if (changes & CHANGE_COLOUR) at = put_uint(at, envelope->colour);
    if (changes & CHANGE_SPAN) at = put_uint(at, envelope->trace.span);
    if (changes & CHANGE_REFERENCE) at = put_uint(at, envelope->reference);
    if (changes & CHANGE_FLAGS) at = put_uint(at, envelope->flags);
    return at;
}

/* All of the envelope but the body's bytes. */
static uint8_t *put_head(uint8_t *at, struct envelope *context, const struct envelope *envelope,
                         bool afresh) {
    unsigned changes = 0;
    if (is_between_actors(envelope->kind)) {
        if (afresh) *context = (struct envelope){0};
        changes = changes_of(context, envelope);
    } else if (envelope->kind == ENVELOPE_RECORD) {
        changes = CHANGE_RECORD;
    }
    *at++ = (uint8_t)(0x92 + __builtin_popcount(changes));
    unsigned fresh = afresh && is_between_actors(envelope->kind) ? AFRESH : 0;
    at = put_uint(at, (unsigned)envelope->kind | (changes | fresh) << KIND_BITS);
    at = put_changes(at, envelope, changes);
    if (!is_between_actors(envelope->kind)) return put_bin_head(at, envelope->body_bytes);
    if (changes & ~(unsigned)CHANGE_MESSAGE_ID)
        *context = *envelope;
    else
        context->message_id = envelope->message_id;
    return put_bin_head(at, envelope->body_bytes);
}

struct parcel *parcel_new(uint32_t room) {
    struct parcel *parcel = mem_alloc(sizeof *parcel + room);
    *parcel = (struct parcel){.room = room};
    return parcel;
}

void parcel_append(struct parcel *parcel, struct envelope *context,
                   const struct envelope *envelope) {
    check((unsigned)envelope->kind < ENVELOPE_KINDS);
    check(envelope->body_bytes <= ENVELOPE_BODY_BYTES_MAX);
    check(!is_between_actors(envelope->kind) || !is_nobody(envelope->to));
    check((size_t)parcel->room - parcel->bytes >=
          (size_t)ENVELOPE_HEAD_BYTES_MAX + envelope->body_bytes);
    uint8_t *at = parcel->data + parcel->bytes;
    at = put_head(at, context, envelope, !parcel->has_context);
    if (is_between_actors(envelope->kind)) parcel->has_context = true;
    if (envelope->body_bytes > 0) memcpy(at, envelope->body, envelope->body_bytes);
    parcel->bytes = (uint32_t)(at + envelope->body_bytes - parcel->data);
    parcel->count++;
}

struct parcel *envelope_encode(const struct envelope *envelope) {
    check(envelope->body_bytes <= ENVELOPE_BODY_BYTES_MAX);
    struct envelope context;
    struct parcel *parcel = parcel_new(ENVELOPE_HEAD_BYTES_MAX + envelope->body_bytes);
    parcel_append(parcel, &context, envelope);
    return parcel;
}

struct parcel *parcel_from(struct returns *pool, uint32_t room) {
    struct returned *waiting = returns_take(pool);
    struct parcel *parcel = waiting == NULL ? mem_alloc(sizeof *parcel + room)
                                            : container_of(waiting, struct parcel, returned);
    check(waiting == NULL || parcel->room == room);
    *parcel = (struct parcel){.room = room, .pool = pool};
    return parcel;
}

void parcel_pool_fini(struct returns *pool) {
    for (struct returned *waiting; (waiting = returns_take(pool)) != NULL;)
        mem_free(container_of(waiting, struct parcel, returned));
}

void parcel_free(struct parcel *parcel) {
    if (parcel == NULL) return;
    if (parcel->pool == NULL || !returns_push(parcel->pool, &parcel->returned)) mem_free(parcel);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_pid(struct cursor *cursor, tr_pid *pid_out) {
    if (cursor_take_nil(cursor))
        *pid_out = (tr_pid){0, 0, 0};
    else
        cursor_pid(cursor, pid_out);
}

static void read_trace_id(struct cursor *cursor, tr_trace *trace) {
    if (cursor_take_nil(cursor))
        memset(trace->id, 0, sizeof trace->id);
    else
        cursor_octets(cursor, trace->id, sizeof trace->id);
}

static void read_changes(struct cursor *cursor, struct envelope *envelope, unsigned changes) {
    if (changes & CHANGE_TO) read_pid(cursor, &envelope->to);
    if (changes & CHANGE_FROM) read_pid(cursor, &envelope->from);
    if (changes & CHANGE_MESSAGE_ID)
        cursor_uint(cursor, UINT64_MAX, &envelope->message_id);
    else
        envelope->message_id++;
    if (changes & CHANGE_TRACE) read_trace_id(cursor, &envelope->trace);
    if (changes & CHANGE_RECORD) cursor_u32(cursor, UINT32_MAX, &envelope->record);
    if (changes & CHANGE_COLOUR) cursor_uint(cursor, UINT64_MAX, &envelope->colour);
    if (changes & CHANGE_SPAN) cursor_uint(cursor, UINT64_MAX, &envelope->trace.span);
    if (changes & CHANGE_REFERENCE) cursor_uint(cursor, UINT64_MAX, &envelope->reference);
    if (changes & CHANGE_FLAGS) cursor_u32(cursor, UINT32_MAX, &envelope->flags);
    if (is_nobody(envelope->to)) cursor_fail(cursor);
}

/* The head of the array and its first element. False: malformed. */
static bool read_first(struct cursor *cursor, uint32_t *extra_out, enum envelope_kind *kind_out,
                       unsigned *changes_out) {
    uint32_t count = 0;
    uint64_t first = 0;
    if (!cursor_array(cursor, ENVELOPE_ELEMENTS_MAX, &count) || count < 2 ||
        !cursor_uint(cursor, (AFRESH | CHANGE_ALL) << KIND_BITS | KIND_MASK, &first))
        return cursor_fail(cursor);
    unsigned kind = (unsigned)first & KIND_MASK, changes = (unsigned)(first >> KIND_BITS);
    uint32_t wanted = 2 + (uint32_t)__builtin_popcount(changes & CHANGE_ALL);
    if (kind >= ENVELOPE_KINDS || count < wanted) return cursor_fail(cursor);
    *extra_out = count - wanted;
    *kind_out = (enum envelope_kind)kind;
    *changes_out = changes;
    return true;
}

static void read_other(struct cursor *cursor, struct envelope *other, unsigned changes) {
    if (changes != (other->kind == ENVELOPE_RECORD ? CHANGE_RECORD : 0u)) cursor_fail(cursor);
    if (changes != 0) cursor_u32(cursor, UINT32_MAX, &other->record);
}

struct envelope *envelope_read(struct cursor *cursor, struct envelope *context,
                               struct envelope *other) {
    const uint8_t *start = cursor->at;
    struct envelope *envelope = context;
    uint32_t extra = 0;
    enum envelope_kind kind = ENVELOPE_RECORD;
    unsigned changes = 0;
    if (!read_first(cursor, &extra, &kind, &changes)) return NULL;
    if (is_between_actors(kind)) {
        if (changes & AFRESH) *context = (struct envelope){0};
        context->kind = kind;
        read_changes(cursor, context, changes);
    } else {
        *other = (struct envelope){.kind = kind};
        read_other(cursor, other, changes);
        envelope = other;
    }
    cursor_bin(cursor, ENVELOPE_BODY_BYTES_MAX, &envelope->body, &envelope->body_bytes);
    for (; extra > 0; extra--) cursor_skip(cursor, EXTRA_DEPTH_MAX, EXTRA_ITEMS_MAX);
    if (cursor->failed) return NULL;
    envelope->wire_bytes = (size_t)(cursor->at - start);
    return envelope;
}

bool envelope_skip(struct cursor *cursor) {
    uint32_t count;
    if (!cursor_array(cursor, ENVELOPE_ELEMENTS_MAX, &count)) return false;
    for (; count > 0; count--)
        if (!cursor_skip(cursor, EXTRA_DEPTH_MAX, EXTRA_ITEMS_MAX)) return false;
    return true;
}

void parcel_open(const struct parcel *parcel, struct parcel_reader *reader) {
    *reader = (struct parcel_reader){.cursor = cursor_over(parcel->data, parcel->bytes)};
}

const struct envelope *parcel_next(struct parcel_reader *reader) {
    if (cursor_at_end(&reader->cursor)) return NULL;
    const struct envelope *envelope =
        envelope_read(&reader->cursor, &reader->context, &reader->other);
    check(envelope != NULL); /* parcel_append wrote it */
    return envelope;
}
