/*
 * hex.c - hexadecimal text.
 */
#include "node/base/hex.h"

#include <string.h>

void hex_encode(const uint8_t *source, size_t bytes, char *text_out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        text_out[2 * i] = digits[source[i] >> 4];
        text_out[2 * i + 1] = digits[source[i] & 15];
    }
    text_out[2 * bytes] = '\0';
}

/* The value of a digit, or -1. */
static int digit_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

bool hex_decode(const char *text, uint8_t *out, size_t bytes) {
    if (strnlen(text, 2 * bytes + 1) != 2 * bytes) return false;
    for (size_t i = 0; i < 2 * bytes; i++) {
        if (digit_value(text[i]) < 0) return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
    }
    return true;
}
