#include "node/routes.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/memory.h"

struct routes *routes_new(const struct route *routes, size_t count, const size_t *up,
                          size_t up_count) {
    struct routes *made = mem_zalloc(1, sizeof *made);
    made->all = mem_zalloc(count + 1, sizeof *made->all);
    made->count = count;
    made->up = mem_zalloc(up_count + 1, sizeof *made->up);
    made->up_count = up_count;
    for (size_t i = 0; i < count; i++) {
        made->all[i] = routes[i];
        map_u64_put(&made->by_space, routes[i].space, &made->all[i]);
        if (routes[i].present) map_text_put(&made->by_node, routes[i].node, &made->all[i]);
    }
    for (size_t i = 0; i < up_count; i++) made->up[i] = routes[up[i]].node;
    return made;
}

void routes_free(struct routes *routes) {
    if (routes == NULL) return;
    map_u64_fini(&routes->by_space);
    map_text_fini(&routes->by_node);
    mem_free(routes->up);
    mem_free(routes->all);
    mem_free(routes);
}

const struct route *routes_of_space(const struct routes *routes, uint64_t space) {
    return map_u64_find(&routes->by_space, space);
}

const struct route *routes_of_node(const struct routes *routes, const char *node) {
    return map_text_find(&routes->by_node, node);
}

char *routes_pid_text(const struct routes *routes, tr_pid pid, char *out, size_t out_bytes) {
    const struct route *route = routes_of_space(routes, pid.space);
    if (tr_pid_is_none(pid))
        snprintf(out, out_bytes, "-");
    else if (route == NULL)
        snprintf(out, out_bytes, "?%016" PRIx64 "/%" PRIu32 ".%" PRIu32, pid.space, pid.slot,
                 pid.generation);
    else if (route->ordinal == 0)
        snprintf(out, out_bytes, "%s/%" PRIu32 ".%" PRIu32, route->node, pid.slot, pid.generation);
    else
        snprintf(out, out_bytes, "%s:%" PRIu32 "/%" PRIu32 ".%" PRIu32, route->node, route->ordinal,
                 pid.slot, pid.generation);
    return out;
}

/* Reads a number that ends at `end`. */
static bool read_number(const char *text, char end, int base, uint64_t max, uint64_t *out,
                        const char **rest) {
    if (!isxdigit((unsigned char)*text)) return false;
    char *stop;
    errno = 0;
    unsigned long long value = strtoull(text, &stop, base);
    if (errno != 0 || *stop != end || value > max) return false;
    *out = value;
    *rest = end == '\0' ? stop : stop + 1;
    return true;
}

static bool find_space(const struct routes *routes, const char *text, size_t bytes,
                       uint64_t *space_out) {
    char name[96];
    if (bytes == 0 || bytes >= sizeof name) return false;
    memcpy(name, text, bytes);
    name[bytes] = '\0';
    const char *rest;
    if (name[0] == '?') return read_number(name + 1, '\0', 16, UINT64_MAX, space_out, &rest);
    uint64_t ordinal = 0;
    char *colon = strchr(name, ':');
    if (colon != NULL) {
        *colon = '\0';
        if (!read_number(colon + 1, '\0', 10, UINT32_MAX, &ordinal, &rest)) return false;
    }
    for (size_t i = 0; i < routes->count; i++) { /* people type pids: no index needed */
        if (routes->all[i].ordinal != ordinal || strcmp(routes->all[i].node, name) != 0) continue;
        *space_out = routes->all[i].space;
        return true;
    }
    return false;
}

bool routes_pid_parse(const struct routes *routes, const char *text, tr_pid *pid_out) {
    if (strcmp(text, "-") == 0) {
        *pid_out = (tr_pid){0, 0, 0};
        return true;
    }
    const char *slash = strchr(text, '/');
    uint64_t space, slot, generation;
    const char *rest;
    if (slash == NULL || !read_number(slash + 1, '.', 10, UINT32_MAX, &slot, &rest) ||
        !read_number(rest, '\0', 10, UINT32_MAX, &generation, &rest) ||
        !find_space(routes, text, (size_t)(slash - text), &space))
        return false;
    *pid_out = (tr_pid){space, (uint32_t)slot, (uint32_t)generation};
    return true;
}
