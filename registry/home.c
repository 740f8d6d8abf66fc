#include "registry/home.h"

#include <string.h>

#include "node/base/check.h"

/* FNV-1a over the text and its closing zero, so that "ab","c" and "a","bc" differ. */
static uint64_t mix_text(uint64_t hash, const char *text) {
    for (const char *at = text;; at++) {
        hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
        if (*at == '\0') return hash;
    }
}

uint64_t home_weight(const char *name, const char *node) {
    uint64_t hash = mix_text(mix_text(0xcbf29ce484222325u, name), node);
    /* FNV's high bits know little of the last bytes; the finalizer of MurmurHash3 spreads them. */
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 33;
}

size_t home_of(const char *name, const char *const *nodes, size_t count) {
    check(count > 0);
    size_t best = 0;
    uint64_t best_weight = home_weight(name, nodes[0]);
    for (size_t i = 1; i < count; i++) {
        uint64_t weight = home_weight(name, nodes[i]);
        if (weight < best_weight) continue;
        if (weight == best_weight && strcmp(nodes[i], nodes[best]) > 0) continue;
        best = i;
        best_weight = weight;
    }
    return best;
}
