/*
 * memory.h - the one place where memory is taken and given back.
 *
 * None of these returns NULL: when memory is exhausted the process says so on stderr and aborts
 * (a restart is a new life of the node, and must be survivable). Sizes that come from a peer, a
 * file or a user are limited before they get here (I5). Any thread may call.
 */
#ifndef TROUPE_BASE_MEMORY_H
#define TROUPE_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

/* Returns `bytes` bytes of unset memory, aligned for any type; 0 bytes give a unique pointer. */
void *mem_alloc(size_t bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Returns zeroed memory for `count` items of `bytes` each; a product that overflows aborts. */
void *mem_zalloc(size_t count, size_t bytes)
    __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Returns `memory` (NULL: nothing yet) grown or shrunk to `bytes`; it may have moved. */
void *mem_realloc(void *memory, size_t bytes) __attribute__((returns_nonnull, warn_unused_result));

/* As mem_realloc for `count` items of `bytes` each; a product that overflows aborts. */
void *mem_realloc_array(void *memory, size_t count, size_t bytes)
    __attribute__((returns_nonnull, warn_unused_result));

/* Gives memory of any function here back; NULL is nothing to do. */
void mem_free(void *memory);

/* memset to 0 by the library's own code: for a few cache lines compilers call a string instruction
 * instead, which takes several times as long to start. */
void mem_clear(void *memory, size_t bytes);

/* Returns a copy of `bytes` bytes at `source`, the caller's. */
void *mem_dup(const void *source, size_t bytes)
    __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Returns a copy of the text, the caller's. */
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Returns a text made as by printf, the caller's. */
char *mem_format(const char *format, ...)
    __attribute__((format(printf, 1, 2), returns_nonnull, warn_unused_result));

/* As mem_format, with the arguments in a list. */
char *mem_format_list(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0), returns_nonnull, warn_unused_result));

#endif
