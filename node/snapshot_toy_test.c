/*
 * snapshot_toy_test.c - the toy's time, links, disks and processes.
 */
#include "node/snapshot_toy_test.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

enum { DELAY_NS = 300 * TOY_US, NOTICE_NS = 1500 * TOY_US };

void toy_push(struct toy_numbers *numbers, uint64_t item) {
    if (numbers->count == numbers->capacity) {
        numbers->capacity = numbers->capacity == 0 ? 8 : numbers->capacity * 2;
        numbers->items = mem_realloc_array(numbers->items, numbers->capacity, sizeof item);
    }
    numbers->items[numbers->count++] = item;
}

void toy_blame(struct toy_cluster *cluster, const char *format, ...) {
    if (cluster->violation[0] != '\0') return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cluster->violation, sizeof cluster->violation, format, arguments);
    va_end(arguments);
}

size_t toy_below(struct toy_cluster *cluster, size_t bound) {
    return (size_t)random_below(&cluster->random, bound);
}

bool toy_chance(struct toy_cluster *cluster, unsigned percent) {
    return toy_below(cluster, 100) < percent;
}

/* ---- time --------------------------------------------------------------------------------------
 */

static bool sooner(const struct toy_event *a, const struct toy_event *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void toy_queue(struct toy_cluster *cluster, struct toy_event *event) {
    if (cluster->events_count == cluster->events_capacity) {
        cluster->events_capacity =
            cluster->events_capacity == 0 ? 64 : cluster->events_capacity * 2;
        cluster->events =
            mem_realloc_array(cluster->events, cluster->events_capacity, sizeof event);
    }
    event->order = cluster->events_order++;
    size_t place = cluster->events_count++;
    while (place > 0 && sooner(event, cluster->events[(place - 1) / 2])) {
        cluster->events[place] = cluster->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    cluster->events[place] = event;
}

static struct toy_event *pop_event(struct toy_cluster *cluster) {
    struct toy_event *first = cluster->events[0];
    struct toy_event *last = cluster->events[--cluster->events_count];
    size_t place = 0;
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= cluster->events_count) break;
        if (child + 1 < cluster->events_count &&
            sooner(cluster->events[child + 1], cluster->events[child])) {
            child++;
        }
        if (!sooner(cluster->events[child], last)) break;
        cluster->events[place] = cluster->events[child];
        place = child;
    }
    cluster->events[place] = last;
    return first;
}

struct toy_event *toy_event_new(struct toy_cluster *cluster, enum toy_event_kind kind, int node,
                                int peer) {
    struct toy_event *event = mem_zalloc(1, sizeof *event);
    event->kind = kind;
    event->node = node;
    event->peer = peer;
    event->incarnation = cluster->nodes[node].incarnation;
    if (peer != TOY_NOBODY) event->peer_incarnation = cluster->nodes[peer].incarnation;
    event->message = TOY_NOBODY;
    return event;
}

struct toy_event *toy_later(struct toy_cluster *cluster, enum toy_event_kind kind, int node,
                            int peer, uint64_t spread_ns) {
    struct toy_event *event = toy_event_new(cluster, kind, node, peer);
    event->at = cluster->now + 1 + toy_below(cluster, (size_t)spread_ns);
    toy_queue(cluster, event);
    return event;
}

static void free_event(struct toy_event *event) {
    mem_free(event->bytes);
    mem_free(event);
}

/* ---- links -------------------------------------------------------------------------------------
 */

void toy_channel(struct toy_node *node, int peer, const uint8_t *bytes, size_t size, int message) {
    struct toy_cluster *cluster = node->cluster;
    struct toy_link *link = &node->links[peer];
    uint32_t session = message == TOY_NOBODY ? link->session : cluster->messages[message]->session;
    if (session == 0 || session != link->session) return; /* lost with its session */
    struct toy_event *event = toy_event_new(cluster, TOY_ARRIVE, peer, node->index);
    event->session = session;
    event->message = message;
    if (bytes != NULL) {
        event->bytes = mem_dup(bytes, size);
        event->size = size;
    }
    event->incarnation = link->peer_incarnation;
    uint64_t *last = &cluster->channel_at[node->index][peer];
    uint64_t at = cluster->now + 1 + toy_below(cluster, DELAY_NS);
    *last = at > *last ? at : *last + 1;
    event->at = *last;
    toy_queue(cluster, event);
}

static void bring_up(struct toy_cluster *cluster, int node, int peer, uint32_t session) {
    struct toy_node *self = &cluster->nodes[node];
    struct toy_link *link = &self->links[peer];
    if (link->session != 0 || session <= link->ended) return;
    link->session = session;
    link->peer_incarnation = cluster->nodes[peer].incarnation;
    link->sent.count = link->received.count = 0;
    link->recorded = 0;
    snapshot_session_up(self->machine, cluster->now, cluster->nodes[peer].name,
                        cluster->nodes[peer].epoch);
}

static void bring_down(struct toy_cluster *cluster, int node, int peer, uint32_t session) {
    struct toy_node *self = &cluster->nodes[node];
    struct toy_link *link = &self->links[peer];
    if (session > link->ended) link->ended = session;
    if (link->session != session) return;
    link->session = 0;
    const char *name = cluster->nodes[peer].name;
    bool lost = toy_chance(cluster, 30);
    if (lost) snapshot_member_lost(self->machine, cluster->now, name, "silent");
    if (!lost || toy_chance(cluster, 50)) {
        snapshot_session_ended(self->machine, cluster->now, name, "reset");
    }
}

/* Lets two nodes look for a session, once at a time. */
static void try_later(struct toy_cluster *cluster, int a, int b) {
    bool *trying = &cluster->trying[a < b ? a : b][a < b ? b : a];
    if (*trying) return;
    *trying = true;
    struct toy_event *event = toy_event_new(cluster, TOY_SESSION_TRY, a, b);
    /* Later than an offer under way takes to come up. */
    event->at = cluster->now + DELAY_NS + 1 + toy_below(cluster, NOTICE_NS);
    toy_queue(cluster, event);
}

static void try_session(struct toy_cluster *cluster, int a, int b) {
    cluster->trying[a < b ? a : b][a < b ? b : a] = false;
    struct toy_node *left = &cluster->nodes[a], *right = &cluster->nodes[b];
    uint32_t here = left->links[b].session, there = right->links[a].session;
    if (!left->alive || !right->alive || (here != 0 && here == there)) return;
    bool frozen =
        snapshot_admission_frozen(left->machine) || snapshot_admission_frozen(right->machine);
    if (here == 0 && there == 0 && (!frozen || cluster->weather.rude)) {
        uint32_t session = ++cluster->sessions_count;
        toy_later(cluster, TOY_SESSION_UP, a, b, DELAY_NS)->session = session;
        toy_later(cluster, TOY_SESSION_UP, b, a, DELAY_NS)->session = session;
    } else if (here != 0 && right->links[a].ended >= here) {
        toy_later(cluster, TOY_SESSION_END, a, b, NOTICE_NS)->session = here;
    } else if (there != 0 && left->links[b].ended >= there) {
        toy_later(cluster, TOY_SESSION_END, b, a, NOTICE_NS)->session = there;
    }
    try_later(cluster, a, b); /* and see what came of it */
}

void toy_end_session(struct toy_cluster *cluster, int a, int b) {
    uint32_t here = cluster->nodes[a].links[b].session, there = cluster->nodes[b].links[a].session;
    uint32_t session = here > there ? here : there;
    if (session == 0) return;
    toy_later(cluster, TOY_SESSION_END, a, b, NOTICE_NS)->session = session;
    toy_later(cluster, TOY_SESSION_END, b, a, NOTICE_NS)->session = session;
}

static void arrive(struct toy_cluster *cluster, const struct toy_event *event) {
    struct toy_node *node = &cluster->nodes[event->node];
    const struct toy_node *peer = &cluster->nodes[event->peer];
    struct toy_link *link = &node->links[event->peer];
    if (link->session == 0 && peer->alive && peer->incarnation == event->peer_incarnation) {
        bring_up(cluster, event->node, event->peer, event->session);
    }
    if (link->session != event->session) return;
    if (event->message != TOY_NOBODY) {
        uint64_t colour = cluster->messages[event->message]->colour;
        bool fair = cluster->weather.faults_max == 0 && cluster->weather.bug == TOY_SOUND;
        if (fair && colour > node->epoch) toy_blame(cluster, "a colour came before its start");
        if (cluster->weather.bug != TOY_START_LATE) {
            snapshot_epoch_seen(node->machine, cluster->now, colour);
            if (node->epoch < colour) toy_blame(cluster, "a colour above E was filed");
        }
        toy_file(cluster, event->message);
        return;
    }
    tr_error error = {0};
    if (snapshot_receive(node->machine, cluster->now, peer->name, event->bytes, event->size,
                         &error) != TR_OK) {
        toy_blame(cluster, "%s refused bytes of %s: %s", node->name, peer->name, error.message);
    }
}

/* ---- disks and processes -----------------------------------------------------------------------
 */

static bool disk_fails(struct toy_cluster *cluster) {
    return !cluster->calm && toy_chance(cluster, cluster->weather.disk);
}

static void part_done(struct toy_node *node, struct toy_part *part) {
    struct toy_cluster *cluster = node->cluster;
    part->writing = false;
    if (part->gone) return; /* discarded meanwhile */
    if (disk_fails(cluster)) {
        part->gone = true;
        tr_status status = toy_chance(cluster, 50) ? TR_ENOSPC : TR_EIO;
        snapshot_part_failed(node->machine, cluster->now, part->cut.epoch, status, "part: no luck");
        return;
    }
    part->durable = true;
    snapshot_part facts = {.bytes = 100,
                           .actors = part->actors.count,
                           .messages = part->messages.count,
                           .digest_bytes = 1,
                           .digest = {42}};
    snapshot_part_durable(node->machine, cluster->now, part->cut.epoch, &facts);
}

static void manifest_done(struct toy_node *node, struct toy_manifest *manifest) {
    struct toy_cluster *cluster = node->cluster;
    manifest->writing = false;
    if (disk_fails(cluster)) {
        snapshot_manifest_failed(node->machine, cluster->now, manifest->cut.epoch, TR_ENOSPC,
                                 "manifest: no luck");
        return;
    }
    manifest->durable = true;
    toy_judge(cluster, manifest);
    snapshot_manifest_durable(node->machine, cluster->now, manifest->cut.epoch,
                              (const uint8_t *)"man", 3);
}

static void manifest_found(struct toy_node *node, uint64_t epoch) {
    bool exists = false;
    for (size_t i = 0; i < node->manifests_count; i++) {
        exists |= node->manifests[i]->durable && node->manifests[i]->cut.epoch == epoch;
    }
    snapshot_manifest_found(node->machine, node->cluster->now, epoch, exists,
                            exists ? (const uint8_t *)"man" : NULL, exists ? 3 : 0);
}

static void floor_saved(struct toy_node *node, uint64_t epoch) {
    bool fails = disk_fails(node->cluster);
    if (!fails && epoch > node->floor) node->floor = epoch;
    snapshot_floor_saved(node->machine, node->cluster->now, epoch, fails ? TR_EIO : TR_OK,
                         "floor: no luck");
}

static void boot(struct toy_node *node) {
    struct toy_cluster *cluster = node->cluster;
    snapshot_options options = {.name = node->name,
                                .incarnation = ++node->incarnation,
                                .floor = node->floor,
                                .retry_ns = 2 * TOY_MS,
                                .poll_ns = 100 * TOY_US,
                                .progress_ns = 500 * TOY_US,
                                .ops = &toy_ops,
                                .context = node};
    node->machine = snapshot_new(&options);
    node->alive = true;
    node->epoch = 0;
    node->swept = false;
    toy_boot_actors(node);
    for (size_t i = 0; i < node->parts_count; i++) {
        const struct toy_part *part = node->parts[i];
        if (!part->durable || part->kept || part->gone) continue;
        snapshot_part_found(node->machine, part->cut.epoch, part->cut.initiator);
    }
    for (int i = 0; i < cluster->nodes_count; i++) {
        if (i == node->index || !cluster->nodes[i].alive) continue;
        try_later(cluster, node->index, i);
    }
}

/* What was being written is there or not; what was recorded only in memory is gone. */
static void crash_disk(struct toy_node *node) {
    struct toy_cluster *cluster = node->cluster;
    for (size_t i = 0; i < node->parts_count; i++) {
        struct toy_part *part = node->parts[i];
        if (part->durable || part->gone) continue;
        if (part->writing && toy_chance(cluster, 50)) {
            part->durable = true;
        } else {
            part->gone = true;
        }
        part->writing = false;
    }
    for (size_t i = 0; i < node->manifests_count; i++) {
        struct toy_manifest *manifest = node->manifests[i];
        if (!manifest->writing) continue;
        manifest->writing = false;
        if (!toy_chance(cluster, 50)) continue;
        manifest->durable = true;
        toy_judge(cluster, manifest);
    }
}

void toy_crash(struct toy_cluster *cluster, int index) {
    struct toy_node *node = &cluster->nodes[index];
    if (!node->alive) return;
    node->alive = false;
    crash_disk(node);
    snapshot_progress progress;
    snapshot_progress_get(node->machine, &progress);
    cluster->requests -= progress.requests; /* nobody waits for these any more */
    snapshot_free(node->machine);
    node->machine = NULL;
    node->part = NULL;
    node->actors.count = node->outbox.count = 0;
    for (int i = 0; i < cluster->nodes_count; i++) {
        node->links[i].session = 0;
        struct toy_link *link = &cluster->nodes[i].links[index];
        if (link->session == 0) continue;
        toy_later(cluster, TOY_SESSION_END, i, index, NOTICE_NS)->session = link->session;
    }
    toy_later(cluster, TOY_RESTART, index, TOY_NOBODY, 6 * TOY_MS);
}

/* ---- the loop ----------------------------------------------------------------------------------
 */

static bool is_current(const struct toy_cluster *cluster, const struct toy_event *event) {
    const struct toy_node *node = &cluster->nodes[event->node];
    if (event->kind == TOY_RESTART || event->kind == TOY_SESSION_TRY) return true;
    if (!node->alive || node->incarnation != event->incarnation) return false;
    if (event->kind != TOY_SESSION_UP) return true;
    const struct toy_node *peer = &cluster->nodes[event->peer];
    return peer->alive && peer->incarnation == event->peer_incarnation;
}

static void happen(struct toy_cluster *cluster, const struct toy_event *event) {
    struct toy_node *node = &cluster->nodes[event->node];
    if (!is_current(cluster, event)) return;
    switch (event->kind) {
        case TOY_ARRIVE:
            arrive(cluster, event);
            break;
        case TOY_QUEUE_LATE:
            toy_channel(node, event->peer, event->bytes, event->size, TOY_NOBODY);
            break;
        case TOY_SESSION_END:
            bring_down(cluster, event->node, event->peer, event->session);
            try_later(cluster, event->node, event->peer);
            break;
        case TOY_SESSION_TRY:
            try_session(cluster, event->node, event->peer);
            break;
        case TOY_SESSION_UP:
            bring_up(cluster, event->node, event->peer, event->session);
            break;
        case TOY_PART_DONE:
            part_done(node, event->part);
            break;
        case TOY_MANIFEST_DONE:
            manifest_done(node, event->manifest);
            break;
        case TOY_MANIFEST_FOUND:
            manifest_found(node, event->epoch);
            break;
        case TOY_FLOOR_SAVED:
            floor_saved(node, event->epoch);
            break;
        case TOY_RESTART:
            boot(node);
            break;
    }
}

void toy_step(struct toy_cluster *cluster) {
    cluster->now += 1 + toy_below(cluster, 40 * TOY_US);
    while (cluster->events_count > 0 && cluster->events[0]->at <= cluster->now) {
        struct toy_event *event = pop_event(cluster);
        happen(cluster, event);
        free_event(event);
    }
    for (int i = 0; i < cluster->nodes_count; i++) {
        struct toy_node *node = &cluster->nodes[i];
        if (!node->alive) continue;
        if (snapshot_deadline(node->machine) <= cluster->now || toy_chance(cluster, 3)) {
            snapshot_step(node->machine, cluster->now);
        }
        if (node->epoch != snapshot_epoch(node->machine)) toy_blame(cluster, "two ideas of E");
    }
    for (int i = 0; i < cluster->nodes_count; i++) {
        struct toy_node *node = &cluster->nodes[i];
        if (node->alive && toy_chance(cluster, 70)) toy_actor_step(node);
    }
}

void toy_run(struct toy_cluster *cluster, uint64_t duration_ns) {
    uint64_t end = cluster->now + duration_ns;
    while (cluster->now < end) toy_step(cluster);
}

void toy_request(struct toy_cluster *cluster, int index, uint64_t timeout_ms) {
    struct toy_node *node = &cluster->nodes[index];
    if (!node->alive) return;
    tr_error error;
    cluster->requests++;
    tr_status status =
        snapshot_request(node->machine, cluster->now, cluster->requests, timeout_ms, &error);
    if (status != TR_OK) toy_blame(cluster, "request refused: %s", error.message);
}

struct toy_cluster *toy_new(uint64_t seed, int nodes, const struct toy_weather *weather) {
    struct toy_cluster *cluster = mem_zalloc(1, sizeof *cluster);
    random_seed(&cluster->random, seed);
    cluster->weather = *weather;
    cluster->nodes_count = nodes;
    cluster->traffic = true;
    cluster->flush_percent = toy_chance(cluster, 50) ? 2 : 20;
    for (int i = 0; i < nodes; i++) {
        struct toy_node *node = &cluster->nodes[i];
        node->index = i;
        node->cluster = cluster;
        snprintf(node->name, sizeof node->name, "n%d", i + 1);
        boot(node);
    }
    while (cluster->sessions_count < (uint32_t)(nodes * (nodes - 1) / 2)) toy_step(cluster);
    toy_run(cluster, 2 * TOY_MS);
    return cluster;
}

/* Everybody is up, in session with all, and has nothing to do. */
static bool at_rest(const struct toy_cluster *cluster) {
    for (int i = 0; i < cluster->nodes_count; i++) {
        const struct toy_node *node = &cluster->nodes[i];
        if (!node->alive) return false;
        snapshot_progress progress;
        snapshot_progress_get(node->machine, &progress);
        if (progress.phase != SNAPSHOT_IDLE || progress.requests > 0 || progress.doubts > 0) {
            return false;
        }
        for (int k = 0; k < cluster->nodes_count; k++) {
            if (k == i) continue;
            uint32_t session = node->links[k].session;
            if (session == 0 || session != cluster->nodes[k].links[i].session) return false;
        }
    }
    return true;
}

bool toy_heal(struct toy_cluster *cluster) {
    cluster->calm = true;
    toy_run(cluster, 3 * NOTICE_NS); /* whatever was on its way has happened */
    uint64_t patience = cluster->now + 400 * (uint64_t)TOY_MS;
    while (!at_rest(cluster) && cluster->now < patience) toy_step(cluster);
    return at_rest(cluster);
}

static void free_node(struct toy_node *node) {
    snapshot_free(node->machine);
    for (size_t i = 0; i < node->parts_count; i++) {
        mem_free(node->parts[i]->actors.items);
        mem_free(node->parts[i]->messages.items);
        mem_free(node->parts[i]);
    }
    for (size_t i = 0; i < node->manifests_count; i++) mem_free(node->manifests[i]);
    for (int i = 0; i < TOY_NODES_MAX; i++) {
        mem_free(node->links[i].sent.items);
        mem_free(node->links[i].received.items);
    }
    mem_free(node->parts);
    mem_free(node->manifests);
    mem_free(node->actors.items);
    mem_free(node->outbox.items);
}

void toy_free(struct toy_cluster *cluster) {
    for (int i = 0; i < cluster->nodes_count; i++) free_node(&cluster->nodes[i]);
    while (cluster->events_count > 0) free_event(pop_event(cluster));
    for (size_t i = 0; i < cluster->messages_count; i++) mem_free(cluster->messages[i]);
    for (size_t i = 0; i < cluster->actors_count; i++) {
        mem_free(cluster->actors[i]->mailbox.items);
        mem_free(cluster->actors[i]);
    }
    mem_free(cluster->events);
    mem_free(cluster->messages);
    mem_free(cluster->actors);
    mem_free(cluster);
}
