/*
 * hex.h - bytes as lower-case hexadecimal text and back.
 *
 * Used for digests, trace ids and signatures. Decoding takes outside text: what is not exactly
 * hexadecimal is refused. Any thread may call.
 */
#ifndef TROUPE_BASE_HEX_H
#define TROUPE_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * `bytes` digits and a closing zero to `text_out`. */
void hex_encode(const uint8_t *source, size_t bytes, char *text_out);

/* Reads exactly 2 * `bytes` digits of either case; false, with `out` untouched, when the text has
 * any other length or any other character. */
bool hex_decode(const char *text, uint8_t *out, size_t bytes);

#endif
