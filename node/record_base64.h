/*
 * record_base64.h - bytes as base64 text with padding (RFC 4648, section 4), for JSON.
 *
 * Decoding takes outside text: only what encoding could have made is read.
 */
#ifndef TROUPE_RECORD_BASE64_H
#define TROUPE_RECORD_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns the length of the text for that many bytes. */
size_t base64_text_bytes(size_t bytes);

/* Writes the text, base64_text_bytes(bytes) characters without a closing zero. */
void base64_encode(const uint8_t *source, size_t bytes, char *text_out);

/* Checks a text and tells how many bytes it holds; false when it is no base64. */
bool base64_measure(const char *text, size_t text_bytes, size_t *bytes_out);

/* Writes the bytes of a text that was measured. */
void base64_decode(const char *text, size_t text_bytes, uint8_t *out);

#endif
