/*
 * duration.c - reading and writing lengths of time.
 */
#include "node/cli/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
    const char *name;
    uint64_t us;
} units[] = {
    {"", 1000000},          {"ms", 1000},         {"s", 1000000},
    {"m", 60 * 1000000ull}, {"h", 3600000000ull}, {"d", 86400000000ull},
};

static const struct unit *unit_find(const char *name) {
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(units[i].name, name) == 0) return &units[i];
    return NULL;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Reads digits with at most one point as a whole number and millionths; false when there are no
 * digits, or far too many. */
static bool read_number(const char **text, uint64_t *whole_out, uint64_t *millionths_out) {
    const char *at = *text;
    uint64_t whole = 0, millionths = 0;
    if (!is_digit(*at)) return false;
    for (; is_digit(*at); at++) {
        if (whole > DURATION_MS_MAX) return false;
        whole = whole * 10 + (uint64_t)(*at - '0');
    }
    if (*at == '.') {
        if (!is_digit(*++at)) return false;
        for (uint64_t scale = 100000; is_digit(*at); at++, scale /= 10)
            millionths += scale * (uint64_t)(*at - '0');
    }
    *text = at;
    *whole_out = whole;
    *millionths_out = millionths;
    return true;
}

bool duration_parse(const char *text, uint64_t *ms_out) {
    uint64_t whole, millionths, us;
    if (!read_number(&text, &whole, &millionths)) return false;
    const struct unit *unit = unit_find(text);
    if (unit == NULL || __builtin_mul_overflow(whole, unit->us, &us)) return false;
    us += millionths * unit->us / 1000000;
    if (us / 1000 > DURATION_MS_MAX) return false;
    *ms_out = us / 1000;
    return true;
}

char *duration_text(uint64_t ms, char out[DURATION_TEXT_BYTES]) {
    uint64_t s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;
    if (s == 0)
        snprintf(out, DURATION_TEXT_BYTES, "%" PRIu64 "ms", ms);
    else if (m == 0)
        snprintf(out, DURATION_TEXT_BYTES, "%" PRIu64 "s", s);
    else if (h == 0)
        snprintf(out, DURATION_TEXT_BYTES, "%" PRIu64 "m%02" PRIu64 "s", m, s % 60);
    else if (d == 0)
        snprintf(out, DURATION_TEXT_BYTES, "%" PRIu64 "h%02" PRIu64 "m", h, m % 60);
    else
        snprintf(out, DURATION_TEXT_BYTES, "%" PRIu64 "d%02" PRIu64 "h", d, h % 24);
    return out;
}
