/* cluster.c - membership: between registry/members.h's machine and this node's links, routes and
 * services. */
#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/lease.h"
#include "node/node.h"
#include "node/services.h"

static uint64_t now_of(const tr_node *node) {
    return environment_now_ns(node->world.environment);
}

/* Mixes bits (splitmix64, Vigna 2015). */
static uint64_t mix(uint64_t value) {
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static uint64_t mix_life(const char *name, uint64_t incarnation) {
    uint64_t hash = mix(incarnation);
    for (; *name != '\0'; name++) hash = mix(hash ^ (unsigned char)*name);
    return hash;
}

uint64_t cluster_session(const struct peer *peer, const struct identity *identity,
                         uint64_t session) {
    /* Symmetric in the two lives, so both ends get the same number; never 0. */
    const tr_node *node = peer->node;
    uint64_t lives =
        mix_life(node->name, node->incarnation) ^ mix_life(identity->name, identity->incarnation);
    return mix(lives ^ mix(session)) | 1;
}

/* ---- what members wants ---------------------------------------------------------------------- */

static void op_send(void *context, const char *name, const uint8_t *bytes, size_t size) {
    tr_node *node = context;
    struct peer *peer = peer_find(node, name);
    if (peer != NULL) peer_send_control(peer, ENVELOPE_MEMBER, bytes, size, now_of(node));
}

static void op_dial(void *context, const char *endpoint, const char *name) {
    peer_dial(context, endpoint, name);
}

static void op_hang_up(void *context, const char *name, const char *reason) {
    tr_node *node = context;
    struct peer *peer = peer_find(node, name);
    if (peer != NULL && peer->link != NULL)
        link_close(peer->link, LINK_END_DOWN, reason, now_of(node));
}

/* The namer's list: who is up, with what sessions. */
static void tell_namer(tr_node *node) {
    if (!node->space_taken) return;
    size_t count = members_view(node->members, NULL, 0);
    struct member_life *lives = mem_zalloc(count + 1, sizeof *lives);
    count = members_view(node->members, lives, count);
    services_members(node->runtime, &node->producer, lives, count);
    mem_free(lives);
}

static void op_changed(void *context, const struct member *member, enum member_state old_state) {
    tr_node *node = context;
    bool self = strcmp(member->name, node->name) == 0;
    bool was_up = old_state == MEMBER_UP || old_state == MEMBER_SUSPECT;
    node_log(node,
             member->state == MEMBER_DOWN || member->state == MEMBER_SUSPECT ? TR_WARN : TR_INFO,
             "cluster", "member %s is %s (was %s): %s", member->name,
             member_state_name(member->state), member_state_name(old_state), member->reason);
    struct peer *peer = self ? NULL : peer_obtain(node, member->name);
    if (peer != NULL) peer_admit(peer);
    if (peer != NULL && member->state == MEMBER_LEFT)
        peer->left = member->incarnation == peer->incarnation;
    if (self && member->state == MEMBER_UP && !node->space_taken) node_host(node);
    cluster_publish(node);
    if (!self && was_up && !member_is_up(member))
        snapshot_member_lost(node->snapshot, now_of(node), member->name, member->reason);
    else
        snapshot_view_changed(node->snapshot, now_of(node));
    tell_namer(node);
}

static bool op_frozen(void *context) {
    tr_node *node = context;
    return snapshot_admission_frozen(node->snapshot);
}

static void op_report(void *context, tr_status status, const char *text) {
    tr_node *node = context;
    node_log(node, status == TR_OK ? TR_INFO : TR_ERROR, "cluster", "%s", text);
    if (status != TR_EREFUSED && status != TR_EEXIST) return;
    pthread_mutex_lock(&node->mutex);
    error_set(&node->refusal, TR_EREFUSED, NULL, "%s", text);
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

static void op_left(void *context) {
    node_set_stage(context, NODE_STOPPED);
}

/* ---- routes ---------------------------------------------------------------------------------- */

static void release_routes(struct reclaim_item *item) {
    routes_free((struct routes *)(void *)item); /* its first field */
}

void cluster_publish(tr_node *node) {
    size_t capacity = 0, count = 0, cursor = 0;
    while (members_next(node->members, &cursor) != NULL) capacity++;
    struct route *routes = mem_zalloc(capacity + 1, sizeof *routes);
    size_t *up = mem_zalloc(capacity + 1, sizeof *up);
    size_t up_count = 0;
    cursor = 0;
    for (const struct member *each; (each = members_next(node->members, &cursor)) != NULL;) {
        struct peer *peer =
            strcmp(each->name, node->name) == 0 ? NULL : peer_obtain(node, each->name);
        const struct member *present = members_find_by_name(node->members, each->name);
        routes[count++] =
            (struct route){.space = each->space,
                           .node = peer == NULL ? node->name : peer->name,
                           .ordinal = each->ordinal,
                           .present = present != NULL && present->space == each->space,
                           .up = member_is_up(each),
                           .peer = peer};
    }
    for (size_t i = 0; i < members_count(node->members); i++) {
        const struct member *member = members_at(node->members, i);
        if (!member_is_up(member)) continue;
        for (size_t j = 0; j < count; j++)
            if (routes[j].present && routes[j].space == member->space) up[up_count++] = j;
    }
    struct routes *made = routes_new(routes, count, up, up_count);
    mem_free(routes);
    mem_free(up);
    /* Release: a reader that finds the table finds it whole. */
    struct routes *old = atomic_exchange_explicit(&node->routes, made, memory_order_acq_rel);
    if (old != NULL) reclaim_retire(&node->producer.reader, &old->reclaim, release_routes);
}

/* ---- the router: for workers and ports --------------------------------------------------------
 */

static const struct routes *routes_of(void *context) {
    tr_node *node = context;
    return atomic_load_explicit(&node->routes, memory_order_acquire);
}

static tr_status router_post(void *context, struct producer *producer, tr_actor *sender,
                             tr_message **message) {
    const struct route *route = routes_of_space(routes_of(context), (*message)->to.space);
    if (route == NULL || !route->present || route->peer == NULL) {
        deadletter_drop(producer, sender, message,
                        route == NULL ? DEADLETTER_UNKNOWN_HOME : DEADLETTER_NOBODY);
        return TR_OK;
    }
    tr_status status = peer_post(route->peer, producer, sender, *message, (*message)->body);
    if (status != TR_OK) return status;
    message_free(*message);
    *message = NULL;
    return TR_OK;
}

static bool router_post_direct(void *context, struct producer *producer, tr_actor *sender,
                               const tr_message *head, const void *body, tr_status *status_out) {
    const struct route *route = routes_of_space(routes_of(context), head->to.space);
    if (route == NULL || !route->present || route->peer == NULL) return false;
    *status_out = peer_post(route->peer, producer, sender, head, body);
    return true;
}

static bool router_admits_port(void *context, tr_pid to, tr_pid port, bool refused) {
    tr_node *node = context;
    const struct route *route = routes_of_space(routes_of(node), to.space);
    return route == NULL || route->peer == NULL || peer_admits_port(route->peer, to, port, refused);
}

/* A notice of release, made by a worker, for the core to tell. */
struct release_notice {
    struct command command;
    uint32_t origin;
    tr_pid pid;
};

static void tell_release(tr_node *node, struct command *command) {
    struct release_notice *notice = (struct release_notice *)(void *)command;
    struct peer *peer = peer_at(node, notice->origin - 1);
    struct slot_head *head = runtime_find(node->runtime, notice->pid);
    enum pressure_level level = PRESSURE_LEVEL_FREE;
    if (head != NULL && head->kind == SLOT_ACTOR)
        level = pressure_origin_level((tr_actor *)(void *)head, (uint16_t)notice->origin);
    if (peer->link != NULL) {
        link_pressure(peer->link, notice->pid, PRESSURE_FREE);
        /* Pressed anew meanwhile: said anew, and the peer frees whom the old notice muted. Were the
         * release left out, one that was muted before this actor was itself muted could wait for it
         * in a circle. */
        if (level != PRESSURE_LEVEL_FREE)
            link_pressure(peer->link, notice->pid, (enum frame_pressure)level);
    }
    mem_free(notice);
}

static void router_pressure(void *context, uint32_t origin, tr_pid pid, unsigned level) {
    tr_node *node = context;
    if (level != PRESSURE_LEVEL_FREE) { /* the core itself, filing what a link brought: before its
                                           credit returns (I3) */
        struct peer *peer = peer_at(node, origin - 1);
        link_pressure(peer->link, pid,
                      (enum frame_pressure)level); /* the two enums have the same numbers */
        return;
    }
    struct release_notice *notice = mem_zalloc(1, sizeof *notice);
    notice->command.run = tell_release;
    notice->origin = origin;
    notice->pid = pid;
    node_submit(node, &notice->command);
}

static void router_progress(void *context) {
    node_wake(context);
}

static const char *router_origin_name(void *context, uint32_t origin, uint32_t session) {
    tr_node *node = context;
    const struct peer *peer = peer_at(node, origin - 1);
    return atomic_load_explicit(&peer->serial, memory_order_relaxed) == session ? peer->name : NULL;
}

static char *router_pid_text(void *context, tr_pid pid, char *out, size_t out_bytes) {
    return routes_pid_text(routes_of(context), pid, out, out_bytes);
}

static bool router_pid_parse(void *context, const char *text, tr_pid *pid_out) {
    return routes_pid_parse(routes_of(context), text, pid_out);
}

static bool router_space_of(void *context, const char *name, uint64_t *space_out) {
    const struct route *route = routes_of_node(routes_of(context), name);
    if (route == NULL || !route->up) return false;
    *space_out = route->space;
    return true;
}

static const char *router_node_of(void *context, uint64_t space) {
    const struct route *route = routes_of_space(routes_of(context), space);
    return route == NULL ? NULL : route->node;
}

static tr_status router_hold_slot(void *context, tr_actor *self, const struct spawn_wish *wish,
                                  struct spawn_hold *hold_out) {
    const struct route *route = routes_of_node(routes_of(context), wish->node);
    if (route == NULL || !route->up) return TR_ENOENT;
    if (route->peer == NULL) return TR_EUNREACHABLE;
    return lease_hold(route->peer, route->space, self, wish, hold_out);
}

static void router_return_slot(void *context, tr_actor *self, const struct spawn_hold *hold) {
    (void)context;
    lease_return(self, hold);
}

static const struct mould_heard *router_heard_mould(void *context, uint32_t origin,
                                                    uint64_t number) {
    tr_node *node = context;
    return lease_mould(peer_at(node, origin - 1), number);
}

static bool router_core_turn(void *context) {
    return core_take_turn(context);
}

static void router_core_recall(void *context) {
    core_recall(context);
}

static const char *router_member_at(void *context, size_t index) {
    const struct routes *routes = routes_of(context);
    return index < routes->up_count ? routes->up[index] : NULL;
}

static const struct router_ops router = {
    .post = router_post,
    .post_direct = router_post_direct,
    .admits_port = router_admits_port,
    .pressure = router_pressure,
    .progress = router_progress,
    .origin_name = router_origin_name,
    .pid_text = router_pid_text,
    .pid_parse = router_pid_parse,
    .space_of = router_space_of,
    .node_of = router_node_of,
    .hold_slot = router_hold_slot,
    .return_slot = router_return_slot,
    .heard_mould = router_heard_mould,
    .core_turn = router_core_turn,
    .core_recall = router_core_recall,
    .member_at = router_member_at,
};

/* ---- open ------------------------------------------------------------------------------------ */

/* "NAME@tcp://HOST:PORT" or the endpoint alone. */
static void parse_seed(const char *text, char *name, size_t name_room,
                       struct members_seed *seed_out) {
    const char *at = strchr(text, '@');
    const char *slashes = strstr(text, "://");
    name[0] = '\0';
    if (at != NULL && slashes != NULL && at < slashes) {
        snprintf(name, name_room, "%.*s", (int)(at - text), text);
        text = at + 1;
    }
    *seed_out = (struct members_seed){.endpoint = text, .name = name};
}

tr_status cluster_open(tr_node *node, const tr_node_options *options, tr_error *error) {
    size_t count = 0;
    while (options->seeds != NULL && options->seeds[count] != NULL) count++;
    struct members_seed *seeds = mem_zalloc(count + 1, sizeof *seeds);
    char(*names)[MEMBER_NAME_BYTES] = mem_zalloc(count + 1, sizeof *names);
    tr_status status = TR_OK;
    for (size_t i = 0; i < count; i++) {
        parse_seed(options->seeds[i], names[i], sizeof names[i], &seeds[i]);
        if (strstr(seeds[i].endpoint, "://") == NULL)
            status = error_set(error, TR_ECONFIG, "write it as NAME@tcp://HOST:PORT",
                               "seed %s is no endpoint", options->seeds[i]);
        else if (node->security == TR_SECURITY_CURVE && names[i][0] == '\0')
            status =
                error_set(error, TR_ECONFIG,
                          "write it as NAME@tcp://HOST:PORT, and have its NAME.pub among the keys",
                          "seed %s has no name, so its key is not known", options->seeds[i]);
    }
    uint64_t seed;
    environment_random(node->world.environment, &seed, sizeof seed);
    struct members_options members = {.name = node->name,
                                      .incarnation = node->incarnation,
                                      .endpoint = node->advertise,
                                      .control = node->advertise_control,
                                      .ordinal = node->lives,
                                      .seeds = seeds,
                                      .seed_count = count,
                                      .suspect_after_ms = options->suspect_after_ms,
                                      .down_after_ms = options->down_after_ms,
                                      .random_seed = seed};
    memcpy(members.public_key, node->keys.curve_public, sizeof members.public_key);
    struct members_ops ops = {.context = node,
                              .send = op_send,
                              .dial = op_dial,
                              .hang_up = op_hang_up,
                              .changed = op_changed,
                              .admission_frozen = op_frozen,
                              .report = op_report,
                              .left = op_left};
    node->runtime->router = &router;
    node->runtime->router_context = node;
    if (status == TR_OK) node->members = members_new(&members, &ops, now_of(node));
    mem_free(seeds);
    mem_free(names);
    if (status == TR_OK) cluster_publish(node);
    return status;
}
