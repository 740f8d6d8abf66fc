/*
 * routes.h - which space lives where, and who is up: a table that workers read without a lock.
 *
 * Built by the core from the member table whenever that changes, published whole, and never
 * changed afterwards. A reader holds it within a reclaim section.
 */
#ifndef TROUPE_ROUTES_H
#define TROUPE_ROUTES_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/map.h"
#include "node/reclaim.h"

struct peer;

struct route {
    uint64_t space;
    const char *node; /* lives as long as the node */
    uint32_t ordinal;
    bool present; /* the space of the node's present life */
    bool up;
    struct peer *peer; /* NULL: this node, or one never linked */
};

struct routes {
    struct reclaim_item reclaim;
    map_u64 by_space; /* struct route */
    map_text by_node; /* the present life's struct route */
    const char **up;  /* names, oldest first */
    size_t up_count;
    struct route *all;
    size_t count;
};

/* Makes a table of `count` routes, taking a copy of the array; `up` are indexes into it, oldest
 * first. */
struct routes *routes_new(const struct route *routes, size_t count, const size_t *up,
                          size_t up_count);
void routes_free(struct routes *routes);

const struct route *routes_of_space(const struct routes *routes, uint64_t space);
const struct route *routes_of_node(const struct routes *routes, const char *node);

/* "n2/17.3", "n2:1/17.3" for another ordinal than 0, "-" for nobody, "?HEX/17.3" for an unknown
 * space. */
char *routes_pid_text(const struct routes *routes, tr_pid pid, char *out, size_t out_bytes);
/* The inverse. */
bool routes_pid_parse(const struct routes *routes, const char *text, tr_pid *pid_out);

#endif
