/*
 * snapshot_toy_test.c - the toy's time, links, disks and processes, and its snapshot_ops.
 */
#include "node/snapshot_toy_test.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

enum { DELAY_NS = 300 * TOY_US, DISK_NS = 800 * TOY_US, NOTICE_NS = 1500 * TOY_US };
enum { START_KIND = 4, LATE_NS = 1000 * TOY_US };

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

static void push_event(struct toy_cluster *cluster, struct toy_event *event) {
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

static struct toy_event *new_event(struct toy_cluster *cluster, enum toy_event_kind kind, int node,
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
    struct toy_event *event = new_event(cluster, kind, node, peer);
    event->at = cluster->now + 1 + toy_below(cluster, (size_t)spread_ns);
    push_event(cluster, event);
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
    struct toy_event *event = new_event(cluster, TOY_ARRIVE, peer, node->index);
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
    push_event(cluster, event);
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
    struct toy_event *event = new_event(cluster, TOY_SESSION_TRY, a, b);
    /* Later than an offer under way takes to come up. */
    event->at = cluster->now + DELAY_NS + 1 + toy_below(cluster, NOTICE_NS);
    push_event(cluster, event);
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

/* ---- what a node does for its machine ----------------------------------------------------------
 */

/* Workers run on while the core thread is at work. */
static void bustle(struct toy_node *node) {
    while (toy_chance(node->cluster, 60)) toy_actor_step(node);
    if (toy_chance(node->cluster, node->cluster->flush_percent)) toy_flush(node);
}

static void op_send(void *context, const char *peer, const uint8_t *bytes, size_t size) {
    struct toy_node *node = context;
    int target = peer[1] - '1';
    bustle(node);
    if (node->cluster->weather.bug == TOY_START_LATE && node->links[target].session != 0) {
        struct toy_event *event = new_event(node->cluster, TOY_QUEUE_LATE, node->index, target);
        event->bytes = mem_dup(bytes, size);
        event->size = size;
        event->at = node->cluster->now + LATE_NS;
        push_event(node->cluster, event);
        return;
    }
    toy_channel(node, target, bytes, size, TOY_NOBODY);
}

static void op_members(void *context, struct snapshot_view *view) {
    struct toy_node *node = context;
    for (int i = 0; i < node->cluster->nodes_count; i++) {
        const struct toy_link *link = &node->links[i];
        const char *name = node->cluster->nodes[i].name;
        if (i == node->index) snapshot_view_add(view, name, node->incarnation, 7);
        if (link->session != 0)
            snapshot_view_add(view, name, link->peer_incarnation, link->session);
    }
}

static struct toy_part *find_part(const struct toy_node *node, const snapshot_cut *cut) {
    for (size_t i = 0; i < node->parts_count; i++) {
        if (strcmp(node->parts[i]->cut.id, cut->id) == 0) return node->parts[i];
    }
    return NULL;
}

static void op_begin(void *context, const snapshot_cut *cut) {
    struct toy_node *node = context;
    if (cut->epoch <= node->epoch) toy_blame(node->cluster, "E does not grow");
    if (node->part != NULL) toy_blame(node->cluster, "two parts are recorded at a time");
    node->epoch = cut->epoch;
    struct toy_part *part = mem_zalloc(1, sizeof *part);
    part->cut = *cut;
    for (int i = 0; i < node->cluster->nodes_count; i++) {
        part->sessions[i] = node->links[i].session;
        node->links[i].recorded = 0;
    }
    node->parts = mem_realloc_array(node->parts, node->parts_count + 1, sizeof part);
    node->parts[node->parts_count++] = part;
    node->part = part;
    bustle(node);
}

static void op_move_epoch(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    if (epoch <= node->epoch) toy_blame(node->cluster, "E does not grow");
    if (node->part != NULL) toy_blame(node->cluster, "E moved under a recording");
    node->epoch = epoch;
    node->swept = true;
    bustle(node);
}

static void op_sweep(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    check(epoch == node->epoch);
    node->swept = true;
}

static bool op_all_red(void *context, uint64_t epoch, snapshot_census *census) {
    bool red = toy_all_red(context, epoch, census);
    bustle(context);
    return red;
}

static void op_flush_links(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    (void)epoch;
    if (node->cluster->weather.bug != TOY_MARKER_BEFORE_LAST) toy_flush(node);
}

static int index_of(const char *name) {
    return name[1] - '1';
}

static uint64_t op_link_sent_older(void *context, const char *peer, uint64_t epoch) {
    struct toy_node *node = context;
    struct toy_link *link = &node->links[index_of(peer)];
    return link->marker = toy_older(&link->sent, epoch);
}

static void op_token_start(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    check(epoch == node->epoch && node->part != NULL);
    for (size_t i = 0; i < node->actors.count; i++) {
        node->cluster->actors[node->actors.items[i]]->token = true;
    }
}

static bool op_token_done(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    check(epoch == node->epoch);
    bool skip = node->cluster->weather.bug == TOY_TOKEN_SKIPPED;
    for (size_t i = 0; i < node->actors.count; i++) {
        struct toy_actor *actor = node->cluster->actors[node->actors.items[i]];
        if (skip) actor->token = false;
        if (actor->token) return false;
    }
    return true;
}

static void op_link_counts(void *context, const char *peer, uint64_t epoch, uint64_t *received,
                           uint64_t *recorded) {
    struct toy_node *node = context;
    const struct toy_link *link = &node->links[index_of(peer)];
    *received = toy_older(&link->received, epoch);
    *recorded = link->recorded;
    if (!node->cluster->weather.blind) return;
    uint64_t sent = node->cluster->nodes[index_of(peer)].links[node->index].marker;
    if (*recorded > sent) *recorded = sent;
    *received = sent - *recorded;
}

static void op_finish_part(void *context, const snapshot_cut *cut, const snapshot_link *links,
                           size_t links_count) {
    struct toy_node *node = context;
    (void)links;
    check(links_count < (size_t)node->cluster->nodes_count);
    if (node->part == NULL || strcmp(node->part->cut.id, cut->id) != 0) {
        toy_blame(node->cluster, "a part finished that is not recorded");
        return;
    }
    node->part->writing = true;
    toy_later(node->cluster, TOY_PART_DONE, node->index, TOY_NOBODY, DISK_NS)->part = node->part;
    node->part = NULL;
}

static void op_discard_part(void *context, const snapshot_cut *cut) {
    struct toy_node *node = context;
    struct toy_part *part = find_part(node, cut);
    if (part == NULL || part->kept) {
        toy_blame(node->cluster, "%s: %s part discarded", cut->id, part ? "kept" : "unknown");
        return;
    }
    if (part->gone) return; /* could not be written */
    part->gone = true;
    if (node->part == part) node->part = NULL;
}

static void op_keep_part(void *context, const snapshot_cut *cut, const uint8_t *manifest,
                         size_t size) {
    struct toy_node *node = context;
    struct toy_part *part = find_part(node, cut);
    if (part == NULL || part->gone || !part->durable || part->kept) {
        toy_blame(node->cluster, "%s: a part is kept that cannot be", cut->id);
        return;
    }
    bool mine = strcmp(cut->initiator, node->name) == 0;
    bool copied = manifest != NULL && size == 3 && memcmp(manifest, "man", 3) == 0;
    if (!mine && !copied) toy_blame(node->cluster, "%s: no copy of the manifest", cut->id);
    part->kept = true;
}

static void op_write_manifest(void *context, const snapshot_result *result) {
    struct toy_node *node = context;
    struct toy_manifest *manifest = mem_zalloc(1, sizeof *manifest);
    manifest->cut = result->cut;
    manifest->parts_count = result->parts_count;
    for (size_t i = 0; i < result->parts_count; i++) {
        manifest->nodes[i] = index_of(result->parts[i].node);
        manifest->incarnations[i] = result->parts[i].incarnation;
    }
    if (result->links_count != result->parts_count * (result->parts_count - 1)) {
        toy_blame(node->cluster, "%zu links", result->links_count);
    }
    manifest->writing = true;
    node->manifests =
        mem_realloc_array(node->manifests, node->manifests_count + 1, sizeof manifest);
    node->manifests[node->manifests_count++] = manifest;
    toy_later(node->cluster, TOY_MANIFEST_DONE, node->index, TOY_NOBODY, DISK_NS)->manifest =
        manifest;
}

static void op_find_manifest(void *context, const snapshot_cut *cut) {
    struct toy_node *node = context;
    toy_later(node->cluster, TOY_MANIFEST_FOUND, node->index, TOY_NOBODY, DISK_NS)->epoch =
        cut->epoch;
}

static bool op_save_floor(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    if (epoch <= node->floor) return true;
    if (toy_chance(node->cluster, 30)) {
        node->floor = epoch;
        return true;
    }
    toy_later(node->cluster, TOY_FLOOR_SAVED, node->index, TOY_NOBODY, DISK_NS)->epoch = epoch;
    return false;
}

static void op_done(void *context, uint64_t request, tr_status status,
                    const snapshot_result *result, const tr_error *error) {
    struct toy_node *node = context;
    struct toy_cluster *cluster = node->cluster;
    (void)request;
    cluster->answers++;
    cluster->last_status = status;
    cluster->timed_out += status == TR_ETIMEDOUT;
    cluster->aborted += status == TR_EABORTED;
    if ((status == TR_OK) != (result != NULL)) toy_blame(cluster, "an answer without result");
    if (error != NULL && strstr(error->message, "counts differ") != NULL) cluster->counts_differ++;
}

static void op_log(void *context, tr_log_level level, const char *text) {
    (void)context;
    (void)level;
    (void)text;
}

const snapshot_ops toy_ops = {
    .send = op_send,
    .members = op_members,
    .begin = op_begin,
    .move_epoch = op_move_epoch,
    .sweep = op_sweep,
    .all_red = op_all_red,
    .flush_links = op_flush_links,
    .link_sent_older = op_link_sent_older,
    .token_start = op_token_start,
    .token_done = op_token_done,
    .link_counts = op_link_counts,
    .finish_part = op_finish_part,
    .discard_part = op_discard_part,
    .keep_part = op_keep_part,
    .write_manifest = op_write_manifest,
    .find_manifest = op_find_manifest,
    .save_floor = op_save_floor,
    .done = op_done,
    .log = op_log,
};

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
