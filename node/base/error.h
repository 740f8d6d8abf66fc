/*
 * error.h - how a tr_error is filled: what went wrong, where, and what to do.
 *
 * Functions that can fail for a reason the user must read take a `tr_error *` as their last
 * argument; it may be NULL and is written on errors only. Not for several threads at once.
 */
#ifndef TROUPE_BASE_ERROR_H
#define TROUPE_BASE_ERROR_H

#include <troupe.h>

/* Writes status, message (made as by printf) and hint (NULL: none), each cut to the room there
 * is at the end of a whole character; NULL `error`: nowhere. Returns `status`, so that
 * `return error_set(error, TR_E..., ...)` does both. */
tr_status error_set(tr_error *error, tr_status status, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Replaces the hint by one made as by printf; NULL `error`: nothing happens. */
void error_hint(tr_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
