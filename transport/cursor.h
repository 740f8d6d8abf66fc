/*
 * cursor.h - reads msgpack values one by one from bytes that nobody vouches for.
 *
 * Strict and exact: each call names the one kind of value it takes; another kind, a value past
 * its limit or a cut one fails. A failure sticks: all later calls fail, so a reader may check
 * once at its end. Nothing is allocated; text and bytes point into the input (I5). Any integer
 * width is accepted for a value that fits. Any thread, each with cursors of its own.
 */
#ifndef TROUPE_TRANSPORT_CURSOR_H
#define TROUPE_TRANSPORT_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

/* `at` is the next unread byte; treat it as read-only. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

/* Starts at the first of `bytes` bytes at `data`, which must outlive the cursor. `data` may be NULL
 * when `bytes` is 0. */
static inline struct cursor cursor_over(const uint8_t *data, size_t bytes) {
    return (struct cursor){.at = data, .end = bytes > 0 ? data + bytes : data, .failed = false};
}

/* Bytes not read yet; 0 after a failure. */
static inline size_t cursor_left(const struct cursor *cursor) {
    return cursor->failed ? 0 : (size_t)(cursor->end - cursor->at);
}

/* True when all was read and nothing failed. */
static inline bool cursor_at_end(const struct cursor *cursor) {
    return !cursor->failed && cursor->at == cursor->end;
}

/* Makes the cursor fail (a value was read but its meaning is refused). Returns false. */
bool cursor_fail(struct cursor *cursor);

/* The same as cursor_uint below, for values that are not one byte long. */
bool cursor_uint_wide(struct cursor *cursor, uint64_t max, uint64_t *value_out);

/* Takes one value each; false and `*..._out` untouched when the next value is another or over
 * `max`. */
static inline bool cursor_uint(struct cursor *cursor, uint64_t max, uint64_t *value_out) {
    if (cursor->at < cursor->end && !cursor->failed && *cursor->at < 0x80 && *cursor->at <= max) {
        *value_out = *cursor->at++;
        return true;
    }
    return cursor_uint_wide(cursor, max, value_out);
}
bool cursor_u32(struct cursor *cursor, uint32_t max, uint32_t *value_out);
bool cursor_int(struct cursor *cursor, int64_t *value_out);
bool cursor_bool(struct cursor *cursor, bool *value_out);

/* Takes a nil. */
bool cursor_nil(struct cursor *cursor);
/* Takes a nil if one is next and says so; anything else stays and is no failure. */
bool cursor_take_nil(struct cursor *cursor);

/* Text and bytes of at most `bytes_max`, pointing into the input; text has no closing zero. */
bool cursor_str(struct cursor *cursor, uint32_t bytes_max, const char **text_out,
                uint32_t *bytes_out);
bool cursor_bin(struct cursor *cursor, uint32_t bytes_max, const uint8_t **data_out,
                uint32_t *bytes_out);

/* Takes a text of at most `room` - 1 bytes without zero bytes and copies it, closed with a zero, to
 * `text_out`. */
bool cursor_text(struct cursor *cursor, char *text_out, size_t room);
/* Takes a bin of exactly `bytes` bytes and copies it. */
bool cursor_octets(struct cursor *cursor, uint8_t *octets_out, uint32_t bytes);

/* Takes the head of an array or map of at most `count_max` elements (pairs); the elements follow.
 * Each element takes at least a byte, so a count that the rest of the input cannot hold fails here,
 * before anybody allocates for it. */
bool cursor_array(struct cursor *cursor, uint32_t count_max, uint32_t *count_out);
bool cursor_map(struct cursor *cursor, uint32_t count_max, uint32_t *count_out);

/* Takes a pid: an array of exactly [space, slot, generation]. */
bool cursor_pid(struct cursor *cursor, tr_pid *pid_out);

/* Takes one value of any kind, nested at most `depth_max` deep and with at most `items_max`
 * elements in all. */
bool cursor_skip(struct cursor *cursor, uint32_t depth_max, uint32_t items_max);

/* As cursor_skip, and gives the bytes of the value skipped. */
bool cursor_raw(struct cursor *cursor, uint32_t depth_max, uint32_t items_max,
                const uint8_t **data_out, size_t *bytes_out);

#endif
