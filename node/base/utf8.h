/*
 * utf8.h - well-formed UTF-8, one character at a time (RFC 3629).
 *
 * Overlong forms, surrogates and numbers past U+10FFFF are refused. Works on outside bytes; any
 * thread may call.
 */
#ifndef TROUPE_BASE_UTF8_H
#define TROUPE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns the length of the character at the start of these `bytes` bytes and its number in
 * `*code_out` (NULL: not wanted), or 0 when there is no well-formed one. */
size_t utf8_decode(const char *text, size_t bytes, uint32_t *code_out);

/* True when the bytes are nothing but well-formed characters; zero bytes count as such. */
bool utf8_valid(const char *text, size_t bytes);

/* Returns the largest count of at most `bytes_max` bytes of `text` that does not end inside a
 * character; for cutting a text to the room there is. */
size_t utf8_cut(const char *text, size_t bytes_max);

#endif
