/*
 * utf8.c - the table of RFC 3629, section 4, as code.
 */
#include "node/base/utf8.h"

/* Length by the first byte, 0 where no character begins; the smallest number of each length tells
 * overlong forms. */
static size_t sequence_bytes(uint8_t first) {
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return 2;
    if (first >= 0xe0 && first <= 0xef) return 3;
    if (first >= 0xf0 && first <= 0xf4) return 4;
    return 0;
}

size_t utf8_decode(const char *text, size_t bytes, uint32_t *code_out) {
    static const uint32_t code_min[] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    if (bytes == 0) return 0;
    size_t length = sequence_bytes((uint8_t)text[0]);
    if (length == 0 || length > bytes) return 0;

    uint32_t code = (uint8_t)text[0] & first_mask[length];
    for (size_t i = 1; i < length; i++) {
        uint8_t byte = (uint8_t)text[i];
        if ((byte & 0xc0) != 0x80) return 0;
        code = code << 6 | (byte & 0x3f);
    }
    if (code < code_min[length] || code > 0x10ffff) return 0;
    if (code >= 0xd800 && code <= 0xdfff) return 0;
    if (code_out != NULL) *code_out = code;
    return length;
}

bool utf8_valid(const char *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes) {
        size_t length = utf8_decode(text + at, bytes - at, NULL);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

size_t utf8_cut(const char *text, size_t bytes_max) {
    /* At most three continuation bytes follow a first byte. */
    for (size_t back = 1; back <= 4 && back <= bytes_max; back++) {
        size_t length = sequence_bytes((uint8_t)text[bytes_max - back]);
        if (length == 0) continue;
        return length > back ? bytes_max - back : bytes_max;
    }
    return bytes_max;
}
