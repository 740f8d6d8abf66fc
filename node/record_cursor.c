/*
 * record_cursor.c - the words for what stands where something else should.
 */
#include "node/record_cursor.h"

/* For heads from 0xc0 to 0xdf, in which no value but the length is hidden. */
static const char *word_of(uint8_t head) {
    static const char *const words[32] = {
        "nil",          "an unused code", "a bool",         "a bool",
        "bytes",        "bytes",          "bytes",          "an extension",
        "an extension", "an extension",   "a 32-bit float", "a 64-bit float",
        "an integer",   "an integer",     "an integer",     "an integer",
        "an integer",   "an integer",     "an integer",     "an integer",
        "an extension", "an extension",   "an extension",   "an extension",
        "an extension", "a text",         "a text",         "a text",
        "an array",     "an array",       "a map",          "a map"};
    return words[head - 0xc0];
}

const char *record_cursor_what(const struct record_cursor *cursor) {
    if (cursor->at == cursor->end) return "the end of the data";
    uint8_t head = *cursor->at;
    if (head <= 0x7f || head >= 0xe0) return "an integer";
    if (head <= 0x8f) return "a map";
    if (head <= 0x9f) return "an array";
    if (head <= 0xbf) return "a text";
    return word_of(head);
}
