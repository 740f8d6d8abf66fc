/*
 * check.h - assertions that are always on.
 *
 * check(x) states what the program itself guarantees: when x is false the line is printed to
 * stderr and the process aborts. Bytes from a peer, a file or a user never reach a check: they
 * get a tr_status and a message. Any thread may use it.
 */
#ifndef TROUPE_BASE_CHECK_H
#define TROUPE_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* Prints `file:line: check failed: text` to stderr and aborts. */
__attribute__((noreturn, cold)) static inline void check_failed(const char *text, const char *file,
                                                                int line) {
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
    abort();
}

/* Aborts with file, line and text when `x` is false; evaluates `x` exactly once. */
#define check(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__))

#endif
