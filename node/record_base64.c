/*
 * record_base64.c - three bytes are four digits of six bits.
 */
#include "node/record_base64.h"

#include "node/base/check.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Returns the digit's six bits, or -1. */
static int value_of(char digit) {
    if (digit >= 'A' && digit <= 'Z') return digit - 'A';
    if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9') return digit - '0' + 52;
    if (digit == '+') return 62;
    return digit == '/' ? 63 : -1;
}

size_t base64_text_bytes(size_t bytes) {
    return (bytes + 2) / 3 * 4;
}

void base64_encode(const uint8_t *source, size_t bytes, char *text_out) {
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t bits = (uint32_t)source[i] << 16;
        if (left > 1) bits |= (uint32_t)source[i + 1] << 8;
        if (left > 2) bits |= source[i + 2];
        *text_out++ = digits[bits >> 18];
        *text_out++ = digits[bits >> 12 & 63];
        *text_out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *text_out++ = left > 2 ? digits[bits & 63] : '=';
    }
}

bool base64_measure(const char *text, size_t text_bytes, size_t *bytes_out) {
    if (text_bytes % 4 != 0) return false;
    size_t padding = 0;
    while (padding < 2 && padding < text_bytes && text[text_bytes - 1 - padding] == '=') padding++;
    size_t used = text_bytes - padding;
    for (size_t i = 0; i < used; i++)
        if (value_of(text[i]) < 0) return false;
    /* Bits that no byte holds must be zero, so that each run of bytes has one text only. */
    int spare = padding == 0 ? 0 : (padding == 1 ? 3 : 15);
    if (padding > 0 && (value_of(text[used - 1]) & spare) != 0) return false;
    *bytes_out = text_bytes / 4 * 3 - padding;
    return true;
}

void base64_decode(const char *text, size_t text_bytes, uint8_t *out) {
    size_t bytes = 0;
    check(base64_measure(text, text_bytes, &bytes));
    for (size_t i = 0; i < bytes; i++) {
        const char *pair = text + i / 3 * 4 + i % 3;
        unsigned shift = 2 * (unsigned)(i % 3);
        unsigned high = (unsigned)value_of(pair[0]) << (2 + shift);
        unsigned low = (unsigned)value_of(pair[1]) >> (4 - shift);
        out[i] = (uint8_t)(high | low);
    }
}
