/*
 * record_state.h - actor states: structs whose variable fields own their memory.
 *
 * Each text, bytes or list of a state (in nested structs and arrays too) points to an allocation
 * of its own, or to nothing; a list's allocation holds its items and all that these point to. A
 * state belongs to its actor, so to one thread at a time. record_encode, record_to_json and
 * record_copy take states as they are.
 */
#ifndef TROUPE_RECORD_STATE_H
#define TROUPE_RECORD_STATE_H

#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/record.h"

/* Fills a state of type->bytes bytes with a deep copy of `from` (borrowed; NULL: all zero).
 * Errors: TR_EINVAL, as record_measure; the state is then all zero. */
tr_status record_state_init(const record_type *type, void *state, const void *from);

/* Frees what the state owns and makes those fields empty; the struct itself stays the caller's. */
void record_state_fini(const record_type *type, void *state);

/* Sets the text, bytes or list at `field` to a copy and frees the old value, which `data` or
 * `items` may point into. Errors: TR_EINVAL when `field` is not the address of such a field in
 * this state, or there is a length but no data; TR_ETOOBIG beyond UINT32_MAX bytes. */
tr_status record_state_set_text(const record_type *type, void *state, tr_text *field,
                                const char *data, size_t bytes);
tr_status record_state_set_bytes(const record_type *type, void *state, tr_bytes *field,
                                 const void *data, size_t bytes);
tr_status record_state_set_list(const record_type *type, void *state, tr_list *field,
                                const void *items, uint32_t count);

#endif
