/*
 * part_decode.c - reading actors, messages, digests and trailer.
 */
#include "node/part_decode.h"

#include <string.h>

#include "node/base/memory.h"

enum {
    DIGESTS_HEAD_BYTES = 14, /* array, name, and the head of the bytes */
};

void part_scratch_fini(struct part_scratch *scratch) {
    mem_free(scratch->names);
    mem_free(scratch->timers);
    mem_free(scratch->asks);
    *scratch = (struct part_scratch){0};
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static bool read_u32(struct record_cursor *cursor, uint32_t *number_out, const char *what,
                     struct part_fault *fault) {
    uint64_t number = 0;
    if (!part_read_number(cursor, UINT32_MAX, &number, what, fault)) return false;
    *number_out = (uint32_t)number;
    return true;
}

static bool read_u64(struct record_cursor *cursor, uint64_t *number_out, const char *what,
                     struct part_fault *fault) {
    return part_read_number(cursor, UINT64_MAX, number_out, what, fault);
}

static bool read_pid(struct record_cursor *cursor, uint64_t space, tr_pid *pid_out,
                     const char *what, struct part_fault *fault) {
    uint32_t count = 0;
    tr_pid pid = {0};
    *pid_out = pid;
    if (record_cursor_read_nil(cursor)) return true;
    if (!part_read_count(cursor, 3, &count, what, fault)) return false;
    if (count < 2) return part_fault_set(fault, "%s: a pid of %" PRIu32 " numbers", what, count);
    pid.space = space;
    if (count == 3 && !read_u64(cursor, &pid.space, what, fault)) return false;
    if (!read_u32(cursor, &pid.slot, what, fault)) return false;
    if (!read_u32(cursor, &pid.generation, what, fault)) return false;
    *pid_out = pid;
    return true;
}

/* Reads a text or nil, which gives data NULL. */
static bool read_optional_text(struct record_cursor *cursor, tr_text *text_out, const char *what,
                               struct part_fault *fault) {
    *text_out = (tr_text){0};
    return record_cursor_read_nil(cursor) || part_read_text(cursor, text_out, what, fault);
}

static bool read_trace(struct record_cursor *cursor, tr_trace *trace_out,
                       struct part_fault *fault) {
    const uint8_t *id;
    uint32_t bytes;
    *trace_out = (tr_trace){0};
    if (record_cursor_read_nil(cursor)) return true;
    if (!part_read_array(cursor, 2, "trace", fault)) return false;
    if (!record_cursor_read_bytes(cursor, &id, &bytes) || bytes != sizeof trace_out->id) {
        return part_fault_set(fault, "trace: an id that is not 16 bytes");
    }
    memcpy(trace_out->id, id, sizeof trace_out->id);
    return read_u64(cursor, &trace_out->span, "span", fault);
}

static bool read_bool(struct record_cursor *cursor, bool *value_out, const char *what,
                      struct part_fault *fault) {
    return record_cursor_read_bool(cursor, value_out) ||
           part_fault_set(fault, "%s: expected true or false, found %s", what,
                          record_cursor_what(cursor));
}

/* ---- actors ---------------------------------------------------------------------------------- */

static bool read_names(struct record_cursor *cursor, struct part_scratch *scratch,
                       part_actor *actor, struct part_fault *fault) {
    uint32_t count = 0;
    if (!part_read_count(cursor, PART_LIST_MAX, &count, "names", fault)) return false;
    scratch->names = mem_realloc_array(scratch->names, count + 1, sizeof scratch->names[0]);
    for (uint32_t i = 0; i < count; i++) {
        if (!part_read_text(cursor, &scratch->names[i], "a name", fault)) return false;
    }
    actor->names = scratch->names;
    actor->name_count = count;
    return true;
}

static bool read_mailbox(struct record_cursor *cursor, part_actor *actor,
                         struct part_fault *fault) {
    uint32_t overflow = 0;
    if (record_cursor_read_nil(cursor)) return true;
    actor->has_mailbox = true;
    if (!part_read_array(cursor, 4, "mailbox", fault) ||
        !read_u32(cursor, &overflow, "overflow", fault) ||
        !read_u32(cursor, &actor->mailbox.low, "low", fault) ||
        !read_u32(cursor, &actor->mailbox.high, "high", fault) ||
        !read_u32(cursor, &actor->mailbox.hard, "hard", fault)) {
        return false;
    }
    if (overflow > TR_OVERFLOW_UNBOUNDED) {
        return part_fault_set(fault, "overflow: no policy has the number %" PRIu32, overflow);
    }
    actor->mailbox.overflow = (tr_overflow)overflow;
    return true;
}

static bool read_timers(struct record_cursor *cursor, struct part_scratch *scratch,
                        part_actor *actor, struct part_fault *fault) {
    uint32_t count = 0;
    if (!part_read_count(cursor, PART_LIST_MAX, &count, "timers", fault)) return false;
    scratch->timers = mem_realloc_array(scratch->timers, count + 1, sizeof scratch->timers[0]);
    for (uint32_t i = 0; i < count; i++) {
        part_timer *timer = &scratch->timers[i];
        if (!part_read_array(cursor, 4, "timer", fault) ||
            !read_u64(cursor, &timer->id, "a timer's id", fault) ||
            !read_u64(cursor, &timer->remaining_ns, "a timer's time", fault) ||
            !read_u32(cursor, &timer->record, "a timer's record", fault) ||
            !part_read_value(cursor, &timer->body, "a timer's body", fault)) {
            return false;
        }
    }
    actor->timers = scratch->timers;
    actor->timer_count = count;
    return true;
}

static bool read_ask(struct record_cursor *cursor, uint64_t space, part_ask *ask,
                     struct part_fault *fault) {
    return part_read_array(cursor, 8, "ask", fault) &&
           read_u64(cursor, &ask->id, "an ask's id", fault) &&
           read_u32(cursor, &ask->kind, "an ask's kind", fault) &&
           read_pid(cursor, space, &ask->target, "an ask's target", fault) &&
           read_u64(cursor, &ask->remaining_ns, "an ask's time", fault) &&
           read_bool(cursor, &ask->hold, "an ask's hold", fault) &&
           read_optional_text(cursor, &ask->request, "an ask's request", fault) &&
           read_u32(cursor, &ask->context_record, "an ask's record", fault) &&
           part_read_value(cursor, &ask->context, "an ask's context", fault);
}

static bool read_asks(struct record_cursor *cursor, uint64_t space, struct part_scratch *scratch,
                      part_actor *actor, struct part_fault *fault) {
    uint32_t count = 0;
    if (!part_read_count(cursor, PART_LIST_MAX, &count, "asks", fault)) return false;
    scratch->asks = mem_realloc_array(scratch->asks, count + 1, sizeof scratch->asks[0]);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_ask(cursor, space, &scratch->asks[i], fault)) return false;
    }
    actor->asks = scratch->asks;
    actor->ask_count = count;
    return true;
}

bool part_decode_actor(struct record_cursor *cursor, uint64_t space, struct part_scratch *scratch,
                       part_actor *actor_out, struct part_fault *fault) {
    part_actor actor = {0};
    if (!part_read_item(cursor, "actor", 12, fault) ||
        !read_pid(cursor, space, &actor.pid, "pid", fault) ||
        !part_read_text(cursor, &actor.behavior, "behavior", fault) ||
        !read_u32(cursor, &actor.behavior_version, "behavior version", fault) ||
        !read_u64(cursor, &actor.colour, "colour", fault) ||
        !read_u32(cursor, &actor.status, "status", fault) ||
        !read_names(cursor, scratch, &actor, fault) || !read_mailbox(cursor, &actor, fault) ||
        !read_u32(cursor, &actor.record, "state's record", fault) ||
        !part_read_value(cursor, &actor.state, "state", fault) ||
        !read_timers(cursor, scratch, &actor, fault) ||
        !read_asks(cursor, space, scratch, &actor, fault)) {
        return false;
    }
    *actor_out = actor;
    return true;
}

/* ---- messages -------------------------------------------------------------------------------- */

bool part_decode_message(struct record_cursor *cursor, uint64_t space, part_message *message_out,
                         struct part_fault *fault) {
    part_message message = {0};
    if (!part_read_item(cursor, "message", 14, fault) ||
        !read_pid(cursor, space, &message.to, "to", fault) ||
        !read_u64(cursor, &message.order, "order", fault) ||
        !read_pid(cursor, space, &message.from, "from", fault) ||
        !read_u32(cursor, &message.kind, "kind", fault) ||
        !read_u32(cursor, &message.flags, "flags", fault) ||
        !read_u64(cursor, &message.id, "id", fault) ||
        !read_u64(cursor, &message.reference, "reference", fault) ||
        !read_u64(cursor, &message.colour, "colour", fault) ||
        !read_trace(cursor, &message.trace, fault) ||
        !read_optional_text(cursor, &message.link, "link", fault) ||
        !read_optional_text(cursor, &message.reason, "reason", fault) ||
        !read_u32(cursor, &message.record, "body's record", fault) ||
        !part_read_value(cursor, &message.body, "body", fault)) {
        return false;
    }
    *message_out = message;
    return true;
}

/* ---- the end of the file --------------------------------------------------------------------- */

bool part_decode_digests(struct record_cursor *cursor, uint64_t count, const uint8_t **digests_out,
                         struct part_fault *fault) {
    const uint8_t *begin = cursor->at;
    uint32_t bytes = 0;
    if (!part_read_item(cursor, "digests", 2, fault)) return false;
    if (!record_cursor_read_bytes(cursor, digests_out, &bytes) || bytes / DIGEST_BYTES != count ||
        bytes % DIGEST_BYTES != 0) {
        return part_fault_set(fault, "the digests are not %" PRIu64, count);
    }
    if (*digests_out - begin == DIGESTS_HEAD_BYTES) return true;
    return part_fault_set(fault, "the digests' head has an unusual form");
}

bool part_decode_trailer(struct record_cursor *cursor, part_trailer *trailer_out,
                         struct part_fault *fault) {
    tr_text magic = {0};
    if (record_cursor_left(cursor) != PART_TRAILER_BYTES) {
        return part_fault_set(fault, "the trailer has an unusual form");
    }
    if (!part_read_item(cursor, "trailer", 6, fault) ||
        !read_u64(cursor, &trailer_out->actors, "actors", fault) ||
        !read_u64(cursor, &trailer_out->messages, "messages", fault) ||
        !read_u64(cursor, &trailer_out->records_at, "place of the records", fault) ||
        !read_u64(cursor, &trailer_out->bytes, "bytes", fault) ||
        !part_read_text(cursor, &magic, "the end's magic", fault)) {
        return false;
    }
    if (record_cursor_left(cursor) == 0 && magic.bytes == strlen(PART_END_MAGIC) &&
        memcmp(magic.data, PART_END_MAGIC, magic.bytes) == 0) {
        return true;
    }
    return part_fault_set(fault, "the end's magic is not there");
}

bool part_item_is(const struct record_cursor *cursor, const char *name) {
    struct record_cursor look = *cursor;
    uint32_t count;
    const uint8_t *text;
    uint32_t bytes;
    return record_cursor_read_array(&look, &count) &&
           record_cursor_read_text(&look, &text, &bytes) && bytes == strlen(name) &&
           memcmp(text, name, bytes) == 0;
}
