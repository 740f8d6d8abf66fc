/*
 * part_decode.h - the items of a part, from bytes to structs.
 *
 * Takes outside bytes (I5): what is not exactly as part.c writes it is refused with a reason.
 * Nothing is copied: texts and values point into the input. Bodies are taken as they are; who
 * knows the records checks them. One thread at a time.
 */
#ifndef TROUPE_PART_DECODE_H
#define TROUPE_PART_DECODE_H

#include "node/part.h"
#include "node/part_map.h"

/* Where an actor's lists go; grows with use, never beyond what the bytes hold. Zeroed is empty. */
struct part_scratch {
    tr_text *names;
    part_timer *timers;
    part_ask *asks;
};

void part_scratch_fini(struct part_scratch *scratch);

/* Reads one actor item; its lists are the scratch's until the next call. */
bool part_decode_actor(struct record_cursor *cursor, uint64_t space, struct part_scratch *scratch,
                       part_actor *actor_out, struct part_fault *fault);

/* Reads one message item. */
bool part_decode_message(struct record_cursor *cursor, uint64_t space, part_message *message_out,
                         struct part_fault *fault);

/* Reads the digests' item, which must cover `count` digests; they point into the input. */
bool part_decode_digests(struct record_cursor *cursor, uint64_t count, const uint8_t **digests_out,
                         struct part_fault *fault);

/* Reads the trailer, which must end where the input ends. */
bool part_decode_trailer(struct record_cursor *cursor, part_trailer *trailer_out,
                         struct part_fault *fault);

/* True when the item that begins here has that name; reads nothing. */
bool part_item_is(const struct record_cursor *cursor, const char *name);

#endif
