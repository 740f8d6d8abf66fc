/*
 * record_fault.h - what is wrong with a body from outside, and at which field.
 *
 * For the codec, the conversion and JSON. The place where something is found wrong sets the
 * reason; each caller on the way out puts its own field or item in front of the path. A body
 * without faults costs nothing here.
 */
#ifndef TROUPE_RECORD_FAULT_H
#define TROUPE_RECORD_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

#include "node/record.h"

struct record_fault {
    char path[256]; /* "owner.names[3]", cut at the end; empty: the record itself */
    char reason[256];
    char hint[192];
};

void record_fault_init(struct record_fault *fault);

/* Sets the reason; returns false, for the caller to return. */
bool record_fault_set(struct record_fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* Puts a field's name, or an item's index, in front of the path; both return false. */
bool record_fault_in_field(struct record_fault *fault, const char *name) __attribute__((cold));
bool record_fault_in_item(struct record_fault *fault, uint32_t index) __attribute__((cold));

/* Fills `*error` (may be NULL) with record, path and reason; returns TR_EDATA. */
tr_status record_fault_report(const struct record_fault *fault, const record_type *type,
                              tr_error *error) __attribute__((cold));

#endif
