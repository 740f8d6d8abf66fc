/*
 * snapshot_toy_actors_test.c - the toy's actors: turning, handling, sending, births and deaths.
 *
 * Each follows the colour rules of the design as a worker would, in micro-steps, so that E, markers
 * and the token can come between any two of them.
 */
#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/snapshot_toy_test.h"

enum { ACTORS_MAX = 10, ROOTS = 4, MESSAGES_MAX = 8000 };

static struct toy_actor *actor_at(struct toy_cluster *cluster, uint64_t index) {
    return cluster->actors[index];
}

static size_t new_actor(struct toy_node *node, uint64_t colour, int parent, int parent_event) {
    struct toy_cluster *cluster = node->cluster;
    struct toy_actor *actor = mem_zalloc(1, sizeof *actor);
    actor->node = node->index;
    actor->incarnation = node->incarnation;
    actor->alive = true;
    actor->current = TOY_NOBODY;
    actor->colour = colour;
    actor->parent = parent;
    actor->parent_event = parent_event;
    cluster->actors = mem_realloc_array(cluster->actors, cluster->actors_count + 1, sizeof actor);
    cluster->actors[cluster->actors_count] = actor;
    toy_push(&node->actors, cluster->actors_count);
    return cluster->actors_count++;
}

void toy_boot_actors(struct toy_node *node) {
    for (int i = 0; i < ROOTS; i++) new_actor(node, 0, TOY_NOBODY, 0);
}

/* Records the message as in flight, once, and recolours it. */
static void record_message(struct toy_node *node, int id) {
    struct toy_message *message = node->cluster->messages[id];
    toy_push(&node->part->messages, (uint64_t)id);
    message->colour = node->part->cut.epoch;
    struct toy_link *link = &node->links[message->from_node];
    if (message->remote && message->session == link->session) link->recorded++;
}

static void count_received(struct toy_node *node, int id, uint64_t colour) {
    const struct toy_message *message = node->cluster->messages[id];
    struct toy_link *link = &node->links[message->from_node];
    if (message->remote && message->session == link->session) toy_push(&link->received, colour);
}

/* A message that nobody will handle. */
static void set_aside(struct toy_node *node, int id) {
    struct toy_message *message = node->cluster->messages[id];
    message->aside = true;
    message->aside_epoch = node->epoch;
    count_received(node, id, node->epoch);
    if (node->part == NULL || message->colour >= node->part->cut.epoch) return;
    if (node->cluster->weather.bug != TOY_DEAD_FORGOTTEN) record_message(node, id);
}

void toy_file(struct toy_cluster *cluster, int id) {
    struct toy_message *message = cluster->messages[id];
    struct toy_actor *actor = actor_at(cluster, (uint64_t)message->to);
    message->filed = true;
    message->filed_epoch = cluster->nodes[message->to_node].epoch;
    if (actor->alive) {
        toy_push(&actor->mailbox, (uint64_t)id);
    } else {
        set_aside(&cluster->nodes[message->to_node], id);
    }
}

static void turn(struct toy_node *node, size_t index, uint64_t colour) {
    struct toy_actor *actor = actor_at(node->cluster, index);
    if (node->part != NULL && node->part->cut.epoch == colour) {
        toy_push(&node->part->actors, (uint64_t)index << 32 | (uint64_t)actor->events);
    }
    actor->colour = colour;
}

/* Before anything is handled: turn if E or the message is newer, record the message if older. */
static void begin_handling(struct toy_node *node, size_t index, int id) {
    struct toy_actor *actor = actor_at(node->cluster, index);
    struct toy_message *message = id == TOY_NOBODY ? NULL : node->cluster->messages[id];
    uint64_t colour = node->epoch;
    if (message != NULL && message->colour > colour) colour = message->colour;
    if (actor->colour < colour) turn(node, index, colour);
    bool records = node->part != NULL && actor->colour == node->part->cut.epoch &&
                   node->cluster->weather.bug != TOY_CHANNEL_FORGOTTEN;
    if (message != NULL && message->colour < actor->colour && records) record_message(node, id);
    actor->busy = true;
    actor->current = id;
    if (message != NULL) message->handled_event = actor->events;
    actor->events++;
    if (message != NULL && message->spawns && node->actors.count < ACTORS_MAX) {
        new_actor(node, actor->colour, (int)index, actor->events - 1);
    }
}

static void die(struct toy_node *node, size_t index) {
    struct toy_actor *actor = actor_at(node->cluster, index);
    actor->alive = false;
    while (actor->mailbox_at < actor->mailbox.count) {
        set_aside(node, (int)actor->mailbox.items[actor->mailbox_at++]);
    }
    for (size_t i = 0; i < node->actors.count; i++) {
        if (node->actors.items[i] != index) continue;
        node->actors.items[i] = node->actors.items[--node->actors.count];
        break;
    }
}

static bool is_service(const struct toy_node *node, size_t index) {
    return node->cluster->actors[index]->parent == TOY_NOBODY &&
           (index == 0 || node->cluster->actors[index - 1]->node != node->index ||
            node->cluster->actors[index - 1]->incarnation != node->incarnation);
}

static void end_handling(struct toy_node *node, size_t index) {
    struct toy_actor *actor = actor_at(node->cluster, index);
    if (actor->current != TOY_NOBODY) count_received(node, actor->current, actor->colour);
    actor->busy = false;
    actor->current = TOY_NOBODY;
    if (!is_service(node, index) && toy_chance(node->cluster, 4)) die(node, index);
}

/* Any actor that ever lived on the other node's present life may be a target. */
static int pick_target(struct toy_node *node, struct toy_node *target) {
    struct toy_cluster *cluster = node->cluster;
    for (int tries = 0; tries < 20; tries++) {
        size_t index = toy_below(cluster, cluster->actors_count);
        const struct toy_actor *actor = actor_at(cluster, index);
        if (actor->node == target->index && actor->incarnation == target->incarnation) {
            return (int)index;
        }
    }
    return TOY_NOBODY;
}

static void send_message(struct toy_node *node, size_t index) {
    struct toy_cluster *cluster = node->cluster;
    struct toy_actor *actor = actor_at(cluster, index);
    struct toy_node *target = &cluster->nodes[toy_below(cluster, (size_t)cluster->nodes_count)];
    bool remote = target != node;
    struct toy_link *link = &node->links[target->index];
    if (cluster->messages_count == MESSAGES_MAX) return;
    if (remote && (link->session == 0 || link->peer_incarnation != target->incarnation)) return;
    int to = pick_target(node, target);
    if (to == TOY_NOBODY) return;
    struct toy_message *message = mem_zalloc(1, sizeof *message);
    message->from = (int)index;
    message->to = to;
    message->from_node = node->index;
    message->to_node = target->index;
    message->remote = remote;
    message->spawns = toy_chance(cluster, 15);
    message->colour = actor->colour;
    message->session = remote ? link->session : 0;
    message->sent_event = actor->events++;
    message->handled_event = TOY_NEVER;
    cluster->messages =
        mem_realloc_array(cluster->messages, cluster->messages_count + 1, sizeof message);
    int id = (int)cluster->messages_count++;
    cluster->messages[id] = message;
    if (remote) {
        toy_push(&link->sent, actor->colour);
        toy_push(&node->outbox, (uint64_t)id);
    } else {
        toy_file(cluster, id);
    }
}

static void go_on_handling(struct toy_node *node, size_t index) {
    struct toy_cluster *cluster = node->cluster;
    struct toy_actor *actor = actor_at(cluster, index);
    size_t what = cluster->traffic ? toy_below(cluster, 10) : 9;
    if (what < 3) {
        send_message(node, index);
    } else if (what == 3 && node->actors.count < ACTORS_MAX) {
        new_actor(node, actor->colour, (int)index, actor->events);
        actor->events++;
    } else if (what > 4) {
        end_handling(node, index);
    }
}

/* The last token looks through a mailbox for what is still older. */
static void take_token(struct toy_node *node, struct toy_actor *actor) {
    actor->token = false;
    if (node->part == NULL) return;
    for (size_t i = actor->mailbox_at; i < actor->mailbox.count; i++) {
        int id = (int)actor->mailbox.items[i];
        if (node->cluster->messages[id]->colour < node->part->cut.epoch) record_message(node, id);
    }
}

void toy_actor_step(struct toy_node *node) {
    struct toy_cluster *cluster = node->cluster;
    if (node->outbox.count > 0 && toy_chance(cluster, cluster->flush_percent)) toy_flush(node);
    if (node->actors.count == 0) return;
    size_t index = (size_t)node->actors.items[toy_below(cluster, node->actors.count)];
    struct toy_actor *actor = actor_at(cluster, index);
    if (actor->busy) {
        go_on_handling(node, index);
    } else if (actor->token && toy_chance(cluster, 50)) {
        take_token(node, actor);
    } else if (actor->mailbox_at < actor->mailbox.count) {
        begin_handling(node, index, (int)actor->mailbox.items[actor->mailbox_at++]);
    } else if (node->swept && actor->colour < node->epoch) {
        turn(node, index, node->epoch);
    } else if (cluster->traffic && toy_chance(cluster, 20)) {
        begin_handling(node, index, TOY_NOBODY);
    }
}

void toy_flush(struct toy_node *node) {
    for (size_t i = 0; i < node->outbox.count; i++) {
        int id = (int)node->outbox.items[i];
        toy_channel(node, node->cluster->messages[id]->to_node, NULL, 0, id);
    }
    node->outbox.count = 0;
}

bool toy_all_red(const struct toy_node *node, uint64_t epoch, snapshot_census *census) {
    *census = (snapshot_census){.total = node->actors.count};
    for (size_t i = 0; i < node->actors.count; i++) {
        census->red += actor_at(node->cluster, node->actors.items[i])->colour >= epoch;
    }
    size_t spare = node->cluster->weather.bug == TOY_NOT_ALL_RED ? 1 : 0;
    return census->red + spare >= census->total;
}

uint64_t toy_older(const struct toy_numbers *colours, uint64_t epoch) {
    uint64_t count = 0;
    for (size_t i = 0; i < colours->count; i++) count += colours->items[i] < epoch;
    return count;
}
