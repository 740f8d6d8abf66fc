/*
 * suggest.c - edit distance, and the nearest of a list.
 */
#include "node/cli/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static bool same(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t suggest_distance(const char *a, const char *b) {
    size_t rows = strnlen(a, SUGGEST_BYTES_MAX), columns = strnlen(b, SUGGEST_BYTES_MAX);
    unsigned char cost[SUGGEST_BYTES_MAX + 1][SUGGEST_BYTES_MAX + 1];
    for (size_t i = 0; i <= rows; i++) cost[i][0] = (unsigned char)i;
    for (size_t j = 0; j <= columns; j++) cost[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            size_t best = cost[i - 1][j - 1] + (same(a[i - 1], b[j - 1]) ? 0u : 1u);
            best = least(best, cost[i - 1][j] + 1u);
            best = least(best, cost[i][j - 1] + 1u);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                best = least(best, cost[i - 2][j - 2] + 1u);
            cost[i][j] = (unsigned char)best;
        }
    }
    return cost[rows][columns];
}

static size_t distance_allowed(const char *a, const char *b) {
    size_t a_bytes = strnlen(a, SUGGEST_BYTES_MAX), b_bytes = strnlen(b, SUGGEST_BYTES_MAX);
    size_t longer = a_bytes > b_bytes ? a_bytes : b_bytes;
    if (longer <= 3) return 1;
    return longer < 6 ? 2 : longer / 3;
}

const char *suggest_nearest(const char *word, const char *const *words, size_t count) {
    const char *nearest = NULL, *continued = NULL;
    size_t nearest_distance = SUGGEST_BYTES_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        if (words[i] == NULL) continue;
        size_t distance = suggest_distance(word, words[i]);
        if (distance < nearest_distance && distance <= distance_allowed(word, words[i])) {
            nearest = words[i];
            nearest_distance = distance;
        }
        if (continued == NULL && strlen(word) >= 2 &&
            strncasecmp(word, words[i], strlen(word)) == 0)
            continued = words[i];
    }
    return nearest != NULL ? nearest : continued;
}
