/*
 * registry_sim.h - for tests: N registries over a virtual network, in virtual time, from a seed.
 *
 * It plays the link layer: sessions between pairs, in order within a session, with delays of their
 * own; a broken path holds messages back, and only silence, a hang-up or a new session ends one.
 * The name service of a node gets its inputs later than its members machine, as an actor would.
 * Faults: partitions, single paths cut, kills, restarts, stalls. Included by tests only.
 */
#ifndef TROUPE_REGISTRY_SIM_H
#define TROUPE_REGISTRY_SIM_H

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/container.h"
#include "node/base/heap.h"
#include "node/base/memory.h"
#include "node/base/random.h"
#include "registry/members.h"
#include "registry/bindings.h"
#include "registry/names.h"
#include "registry/names_core.h"

#define SIM_MS UINT64_C(1000000)
#define SIM_S UINT64_C(1000000000)
enum { SIM_NODES_MAX = 10, SIM_HELD_MAX = 512, SIM_CLAIMS_MAX = 4096 };

enum sim_kind { SIM_HELLO, SIM_ACCEPT, SIM_BYE, SIM_DATA, SIM_PING, SIM_TICK, SIM_SERVICE };
enum sim_channel { SIM_MEMBERS, SIM_NAMES, SIM_LIST };

/* Something that happens at node `to` at a time. */
struct sim_event {
    heap_node node;
    enum sim_kind kind;
    enum sim_channel channel;
    int from, to;
    uint64_t life; /* of the node it happens at; another one: nothing happens */
    uint64_t peer_incarnation;
    uint64_t session;
    uint64_t number; /* of a message in its session */
    size_t byte_count;
    uint8_t *bytes;
};

/* One end of what connects two nodes. */
struct sim_end {
    uint64_t session; /* 0: none */
    uint64_t peer_incarnation;
    uint64_t sent_until_ns;  /* the last message sent arrives then, unless it is held back */
    uint64_t sent, received; /* messages, in this session */
};

struct sim_held {
    char name[24];
    tr_pid pid;
};

struct sim_node {
    struct sim *sim;
    int index;
    char name[8];
    char endpoint[16];
    struct members *members; /* NULL: not running */
    struct names *names;
    uint64_t incarnation;
    uint64_t stalled_until_ns;
    uint64_t service_until_ns;
    uint32_t ordinal;
    uint32_t slot;
    bool left, frozen, refused, superseded;
    struct sim_end ends[SIM_NODES_MAX];
    struct sim_held held[SIM_HELD_MAX]; /* names that its actors were given and still have */
    int held_count;
    int changes[MEMBER_LEFT + 1]; /* how often another member has come to that state here */
    int lost_count;
    char nonsense[256]; /* the last report of a malformed message */
};

struct sim_claim {
    bool answered;
    tr_status status;
    tr_pid pid, holder;
    int node;
    char name[24];
};

struct sim {
    struct heap events;
    random_state random;
    uint64_t now_ns;
    int count;
    bool cut[SIM_NODES_MAX][SIM_NODES_MAX];
    uint64_t counters[SIM_NODES_MAX][SIM_NODES_MAX];
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_claim claims[SIM_CLAIMS_MAX];
    uint64_t claim_count;
    uint64_t incarnations;
    uint64_t claim_timeout_ms;
    bool faultless;    /* no session ever ends: what holds is checked more strictly */
    bool forced_space; /* all newcomers first try the same one */
};

/* ---- events ---- */

static inline struct sim_event *sim_at(struct sim *sim, uint64_t at_ns, enum sim_kind kind,
                                       int from, int to) {
    struct sim_event *event = mem_zalloc(1, sizeof(*event));
    event->kind = kind;
    event->from = from;
    event->to = to;
    event->life = sim->nodes[to].incarnation;
    heap_push(&sim->events, &event->node, at_ns);
    return event;
}

static inline uint64_t sim_delay(struct sim *sim) {
    uint64_t most = random_below(&sim->random, 10) == 0 ? 80 : 5;
    return SIM_MS / 4 + random_below(&sim->random, most * SIM_MS);
}

static inline bool sim_reachable(const struct sim *sim, int a, int b) {
    return !sim->cut[a][b] && sim->nodes[a].members != NULL && sim->nodes[b].members != NULL;
}

/* ---- what the members machine wants ---- */

static inline int sim_index(const char *name) {
    return name[1] - '1';
}

static inline void sim_post(struct sim_node *node, const char *peer, enum sim_channel channel,
                            const uint8_t *bytes, size_t byte_count) {
    struct sim *sim = node->sim;
    int to = sim_index(peer);
    struct sim_end *end = &node->ends[to];
    if (end->session == 0) return;
    uint64_t at_ns = sim->now_ns + sim_delay(sim);
    if (at_ns <= end->sent_until_ns) at_ns = end->sent_until_ns + 1;
    end->sent_until_ns = at_ns;
    struct sim_event *event = sim_at(sim, at_ns, SIM_DATA, node->index, to);
    event->life = end->peer_incarnation;
    event->peer_incarnation = node->incarnation;
    event->session = end->session;
    event->number = ++end->sent;
    event->channel = channel;
    event->bytes = mem_dup(bytes, byte_count);
    event->byte_count = byte_count;
}

static inline void sim_members_send(void *context, const char *peer, const uint8_t *bytes,
                                    size_t byte_count) {
    sim_post(context, peer, SIM_MEMBERS, bytes, byte_count);
}

static inline void sim_dial(void *context, const char *endpoint, const char *name) {
    struct sim_node *node = context;
    int to = endpoint[strlen("sim://n")] - '1';
    cr_assert(name[0] == '\0' || sim_index(name) == to, "dials %s at %s", name, endpoint);
    if (to < 0 || to >= node->sim->count) return;
    struct sim_event *event =
        sim_at(node->sim, node->sim->now_ns + sim_delay(node->sim), SIM_HELLO, node->index, to);
    event->peer_incarnation = node->incarnation;
}

static inline void sim_hang_up(void *context, const char *peer, const char *reason) {
    struct sim_node *node = context;
    int to = sim_index(peer);
    uint64_t session = node->ends[to].session;
    if (session == 0) return;
    node->ends[to].session = 0;
    struct sim_event *event =
        sim_at(node->sim, node->sim->now_ns + sim_delay(node->sim), SIM_BYE, node->index, to);
    event->session = session;
    event->peer_incarnation = node->incarnation;
    members_session_down(node->members, peer, session, reason, node->sim->now_ns);
}

static inline void sim_service_later(struct sim_node *node, int from, enum sim_channel channel,
                                     const void *bytes, size_t byte_count) {
    uint64_t at_ns = node->sim->now_ns + random_below(&node->sim->random, 3 * SIM_MS);
    if (at_ns <= node->service_until_ns) at_ns = node->service_until_ns + 1;
    node->service_until_ns = at_ns;
    struct sim_event *event = sim_at(node->sim, at_ns, SIM_SERVICE, from, node->index);
    event->channel = channel;
    event->bytes = mem_dup(bytes, byte_count);
    event->byte_count = byte_count;
}

static inline void sim_changed(void *context, const struct member *member,
                               enum member_state old_state) {
    struct sim_node *node = context;
    cr_assert(member->state != old_state);
    if (strcmp(member->name, node->name) != 0) node->changes[member->state]++;
    struct member_life lives[SIM_NODES_MAX];
    size_t count = node->members == NULL ? 0 : members_view(node->members, lives, SIM_NODES_MAX);
    cr_assert(count <= SIM_NODES_MAX);
    sim_service_later(node, node->index, SIM_LIST, lives, count * sizeof(lives[0]));
}

static inline bool sim_frozen(void *context) {
    return ((struct sim_node *)context)->frozen;
}

static inline void sim_report(void *context, tr_status status, const char *text) {
    struct sim_node *node = context;
    cr_assert(status != TR_EFULL, "%s: %s", node->name, text);
    if (status == TR_EDATA) snprintf(node->nonsense, sizeof(node->nonsense), "%s", text);
    if (status == TR_EREFUSED) node->refused = true;
    if (status == TR_EEXIST) node->superseded = true;
}

static inline void sim_left(void *context) {
    ((struct sim_node *)context)->left = true;
}

/* ---- what the name service wants ---- */

static inline void sim_names_send(void *context, const char *peer, const uint8_t *bytes,
                                  size_t byte_count) {
    sim_post(context, peer, SIM_NAMES, bytes, byte_count);
}

static inline bool sim_same(tr_pid a, tr_pid b) {
    return a.space == b.space && a.slot == b.slot && a.generation == b.generation;
}

static inline void sim_release(struct sim_node *node, const char *name, tr_pid pid) {
    for (int i = 0; i < node->held_count; i++) {
        if (strcmp(node->held[i].name, name) != 0 || !sim_same(node->held[i].pid, pid)) continue;
        node->held[i] = node->held[--node->held_count];
        return;
    }
}

static inline bool sim_holds(const struct sim_node *node, const char *name) {
    for (int i = 0; i < node->held_count; i++) {
        if (strcmp(node->held[i].name, name) == 0) return true;
    }
    return false;
}

/* True when the name services of both have each other on their lists in one and the same session.
 */
static inline bool sim_linked(const struct sim_node *a, const struct sim_node *b) {
    if (a->names == NULL || b->names == NULL) return false;
    const struct service *b_at_a = map_text_find(&a->names->services, b->name);
    const struct service *a_at_b = map_text_find(&b->names->services, a->name);
    return b_at_a != NULL && a_at_b != NULL && b_at_a->listed && a_at_b->listed &&
           b_at_a->session == a_at_b->session && b_at_a->incarnation == b->incarnation;
}

/* What an answer of TR_OK promises: no other holder, and the entry on every member that is up. */
static inline void sim_check_given(const struct sim_node *node, const struct sim_claim *claim) {
    for (int i = 0; i < node->sim->count; i++) {
        const struct sim_node *other = &node->sim->nodes[i];
        if (other == node || !sim_linked(node, other)) continue;
        cr_assert(!sim_holds(other, claim->name), "%s has two holders", claim->name);
        const struct binding *binding = bindings_find(other->names, claim->name);
        const struct service *owner = map_text_find(&other->names->services, node->name);
        const struct entry *entry = binding == NULL ? NULL : bindings_entry_of(binding, owner);
        cr_assert(entry != NULL && sim_same(entry->pid, claim->pid));
        if (node->sim->faultless) cr_assert(entry == binding->shown, "an old entry hides it");
    }
}

static inline void sim_claimed(void *context, uint64_t request, tr_status status, tr_pid holder) {
    struct sim_node *node = context;
    struct sim_claim *claim = &node->sim->claims[request];
    cr_assert(!claim->answered, "claim %" PRIu64 " is answered twice", request);
    claim->answered = true;
    claim->status = status;
    claim->holder = holder;
    if (status != TR_OK) return;
    cr_assert(sim_same(holder, claim->pid));
    if (sim_holds(node, claim->name)) return; /* claimed again */
    sim_check_given(node, claim);
    cr_assert(node->held_count < SIM_HELD_MAX);
    struct sim_held *held = &node->held[node->held_count++];
    snprintf(held->name, sizeof(held->name), "%s", claim->name);
    held->pid = claim->pid;
}

static inline void sim_put(void *context, const struct names_entry *entry) {
    (void)context;
    cr_assert(entry->pid.space != 0);
}

static inline void sim_dropped(void *context, const char *name, tr_pid pid) {
    (void)context;
    (void)name;
    cr_assert(pid.space != 0);
}

static inline void sim_lost(void *context, const char *name, tr_pid pid, tr_pid winner) {
    struct sim_node *node = context;
    cr_assert(!sim_same(pid, winner));
    node->lost_count++;
    sim_release(node, name, pid);
}

/* ---- nodes ---- */

static inline void sim_make_names(struct sim_node *node) {
    struct names_options options = {.node = node->name,
                                    .incarnation = node->incarnation,
                                    .claim_timeout_ms = node->sim->claim_timeout_ms};
    struct names_ops ops = {.context = node,
                            .send = sim_names_send,
                            .claimed = sim_claimed,
                            .put = sim_put,
                            .dropped = sim_dropped,
                            .lost = sim_lost};
    node->names = names_new(&options, &ops);
    node->held_count = 0;
}

/* Starts node `index`; `seeds` (NULL: founds) are the indices of others, ended by -1. */
static inline void sim_start(struct sim *sim, int index, const int *seeds) {
    struct sim_node *node = &sim->nodes[index];
    struct members_seed list[SIM_NODES_MAX];
    struct members_options options = {.name = node->name,
                                      .endpoint = node->endpoint,
                                      .ordinal = node->ordinal++,
                                      .seeds = list,
                                      .random_seed = random_u64(&sim->random)};
    if (sim->forced_space) options.space = 77;
    for (; seeds != NULL && *seeds >= 0; seeds++) {
        list[options.seed_count++].endpoint = sim->nodes[*seeds].endpoint;
        list[options.seed_count - 1].name = "";
    }
    struct members_ops ops = {.context = node,
                              .send = sim_members_send,
                              .dial = sim_dial,
                              .hang_up = sim_hang_up,
                              .changed = sim_changed,
                              .admission_frozen = sim_frozen,
                              .report = sim_report,
                              .left = sim_left};
    options.incarnation = node->incarnation = ++sim->incarnations;
    node->left = node->frozen = node->refused = node->superseded = false;
    memset(node->ends, 0, sizeof(node->ends));
    memset(node->changes, 0, sizeof(node->changes));
    node->members = members_new(&options, &ops, sim->now_ns);
    sim_make_names(node);
    sim_at(sim, sim->now_ns, SIM_TICK, index, index);
    for (int i = 0; i < sim->count; i++) {
        if (i != index) sim_at(sim, sim->now_ns, SIM_PING, index, index)->session = (uint64_t)i;
    }
}

static inline void sim_kill(struct sim *sim, int index) {
    struct sim_node *node = &sim->nodes[index];
    if (node->members == NULL) return;
    members_free(node->members);
    names_free(node->names);
    node->members = NULL;
    node->names = NULL;
    node->held_count = 0;
}

static inline struct sim *sim_new(uint64_t seed, int count) {
    struct sim *sim = mem_zalloc(1, sizeof(*sim));
    random_seed(&sim->random, seed);
    sim->now_ns = SIM_S;
    sim->count = count;
    sim->claim_count = 1;
    for (int i = 0; i < count; i++) {
        struct sim_node *node = &sim->nodes[i];
        node->sim = sim;
        node->index = i;
        snprintf(node->name, sizeof(node->name), "n%c", '1' + i);
        snprintf(node->endpoint, sizeof(node->endpoint), "sim://n%c", '1' + i);
    }
    return sim;
}

static inline void sim_free(struct sim *sim) {
    for (int i = 0; i < sim->count; i++) sim_kill(sim, i);
    for (heap_node *node; (node = heap_pop(&sim->events)) != NULL;) {
        struct sim_event *event = container_of(node, struct sim_event, node);
        mem_free(event->bytes);
        mem_free(event);
    }
    heap_fini(&sim->events);
    mem_free(sim);
}

/* ---- the link layer ---- */

static inline void sim_session_end(struct sim_node *node, int peer, const char *reason) {
    uint64_t session = node->ends[peer].session;
    node->ends[peer].session = 0;
    if (session == 0) return;
    members_session_down(node->members, node->sim->nodes[peer].name, session, reason,
                         node->sim->now_ns);
}

static inline void sim_session_begin(struct sim_node *node, int peer, uint64_t incarnation,
                                     uint64_t session) {
    struct sim_node *other = &node->sim->nodes[peer];
    sim_session_end(node, peer, "a new session");
    node->ends[peer] = (struct sim_end){.session = session, .peer_incarnation = incarnation};
    struct members_peer from = {.name = other->name,
                                .incarnation = incarnation,
                                .session = session,
                                .endpoint = other->endpoint};
    members_session_up(node->members, &from, node->sim->now_ns);
}

static inline void sim_on_hello(struct sim *sim, const struct sim_event *event) {
    struct sim_node *node = &sim->nodes[event->to];
    const struct sim_node *dialler = &sim->nodes[event->from];
    if (dialler->incarnation != event->peer_incarnation) return;
    const struct sim_end *here = &node->ends[event->from];
    const struct sim_end *there = &dialler->ends[event->to];
    if (here->session != 0 && here->session == there->session) return;
    int low = event->from < event->to ? event->from : event->to;
    uint64_t session = ++sim->counters[low][event->from + event->to - low];
    sim_session_begin(node, event->from, event->peer_incarnation, session);
    struct sim_event *accept =
        sim_at(sim, sim->now_ns + sim_delay(sim), SIM_ACCEPT, event->to, event->from);
    accept->life = event->peer_incarnation;
    accept->peer_incarnation = node->incarnation;
    accept->session = session;
}

static inline void sim_on_accept(struct sim *sim, const struct sim_event *event) {
    struct sim_node *node = &sim->nodes[event->to];
    if (node->ends[event->from].session >= event->session) return;
    sim_session_begin(node, event->from, event->peer_incarnation, event->session);
}

static inline void sim_on_ping(struct sim *sim, struct sim_event *event) {
    struct sim_node *node = &sim->nodes[event->to];
    int peer = (int)event->session;
    struct sim_node *other = &sim->nodes[peer];
    uint64_t session = node->ends[peer].session;
    if (session != 0 && sim_reachable(sim, event->to, peer) &&
        other->ends[event->to].session == session && other->stalled_until_ns <= sim->now_ns) {
        members_heard(other->members, node->name, sim->now_ns);
    }
    sim_at(sim, sim->now_ns + 500 * SIM_MS, SIM_PING, event->to, event->to)->session =
        event->session;
}

/* False: not now; the message stays where it is. */
static inline bool sim_on_data(struct sim *sim, struct sim_event *event) {
    struct sim_node *node = &sim->nodes[event->to];
    struct sim_node *sender = &sim->nodes[event->from];
    bool sender_lives = sender->incarnation == event->peer_incarnation && sender->members != NULL;
    if (node->ends[event->from].session > event->session) return true;
    if (sender_lives && sender->ends[event->to].session != event->session) return true;
    if (!sender_lives && node->ends[event->from].session != event->session) return true;
    if (sim->cut[event->from][event->to]) return false;
    if (node->ends[event->from].session != event->session) return false;
    if (node->ends[event->from].received + 1 != event->number) return false;
    node->ends[event->from].received++;
    members_heard(node->members, sender->name, sim->now_ns);
    if (event->channel == SIM_MEMBERS) {
        tr_error error;
        tr_status status = members_receive(node->members, sender->name, event->bytes,
                                           event->byte_count, sim->now_ns, &error);
        cr_assert(status == TR_OK, "%s", error.message);
    } else {
        sim_service_later(node, event->from, SIM_NAMES, event->bytes, event->byte_count);
    }
    return true;
}

static inline void sim_on_service(struct sim *sim, const struct sim_event *event) {
    struct sim_node *node = &sim->nodes[event->to];
    if (event->channel == SIM_LIST) {
        const void *lives = event->bytes;
        names_members(node->names, lives, event->byte_count / sizeof(struct member_life),
                      sim->now_ns);
        return;
    }
    tr_error error;
    tr_status status = names_receive(node->names, sim->nodes[event->from].name, event->bytes,
                                     event->byte_count, sim->now_ns, &error);
    cr_assert(status == TR_OK, "%s", error.message);
}

static inline void sim_on_tick(struct sim *sim, int index) {
    struct sim_node *node = &sim->nodes[index];
    uint64_t next_ns = members_tick(node->members, sim->now_ns);
    names_tick(node->names, sim->now_ns);
    sim_at(sim, next_ns, SIM_TICK, index, index);
}

/* ---- running ---- */

static inline void sim_push_back(struct sim *sim, struct sim_event *event, uint64_t at_ns) {
    heap_push(&sim->events, &event->node, at_ns);
}

/* False: the event is to be kept and has been put back. */
static inline bool sim_handle(struct sim *sim, struct sim_event *event) {
    struct sim_node *node = &sim->nodes[event->to];
    if (node->members == NULL || node->incarnation != event->life) return true;
    if (node->stalled_until_ns > sim->now_ns) {
        sim_push_back(sim, event, node->stalled_until_ns);
        return false;
    }
    bool path = event->from == event->to || !sim->cut[event->from][event->to];
    switch (event->kind) {
        case SIM_HELLO:
            if (path && sim->nodes[event->from].members != NULL) sim_on_hello(sim, event);
            return true;
        case SIM_ACCEPT:
            if (path) sim_on_accept(sim, event);
            return true;
        case SIM_BYE:
            if (path && node->ends[event->from].session == event->session &&
                node->ends[event->from].peer_incarnation == event->peer_incarnation) {
                sim_session_end(node, event->from, "the other side hung up");
            }
            return true;
        case SIM_PING:
            sim_on_ping(sim, event);
            return true;
        case SIM_TICK:
            sim_on_tick(sim, event->to);
            return true;
        case SIM_SERVICE:
            sim_on_service(sim, event);
            return true;
        case SIM_DATA:
            if (sim_on_data(sim, event)) return true;
            sim_push_back(sim, event, sim->now_ns + 40 * SIM_MS);
            return false;
    }
    return true;
}

static inline void sim_run(struct sim *sim, uint64_t for_ns) {
    uint64_t until_ns = sim->now_ns + for_ns;
    for (heap_node *node; (node = heap_peek(&sim->events)) != NULL && node->key <= until_ns;) {
        heap_pop(&sim->events);
        struct sim_event *event = container_of(node, struct sim_event, node);
        if (node->key > sim->now_ns) sim->now_ns = node->key;
        if (!sim_handle(sim, event)) continue;
        if (sim->nodes[event->to].left) sim_kill(sim, event->to);
        mem_free(event->bytes);
        mem_free(event);
    }
    sim->now_ns = until_ns;
}

/* ---- what tests ask ---- */

static inline bool sim_running(const struct sim *sim, int index) {
    return sim->nodes[index].members != NULL && !sim->nodes[index].left;
}

/* True when all running nodes of `group` (NULL: all) are up and see exactly each other up. */
static inline bool sim_agree(const struct sim *sim, const int *group) {
    size_t expected = 0;
    uint64_t digest = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < sim->count; i++) {
            bool inside = group == NULL;
            for (const int *at = group; at != NULL && *at >= 0; at++) inside |= *at == i;
            if (!inside || !sim_running(sim, i)) continue;
            const struct members *members = sim->nodes[i].members;
            if (pass == 0) {
                expected++;
                digest = members_view_digest(members);
            } else if (!members_ready(members) || members_view(members, NULL, 0) != expected ||
                       members_view_digest(members) != digest) {
                return false;
            }
        }
    }
    return true;
}

/* Runs until all (or the group) agree; false when they do not within the time. */
static inline bool sim_settles(struct sim *sim, const int *group, uint64_t within_ns) {
    for (uint64_t until_ns = sim->now_ns + within_ns; sim->now_ns < until_ns;) {
        if (sim_agree(sim, group)) return true;
        sim_run(sim, 10 * SIM_MS);
    }
    return sim_agree(sim, group);
}

/* Writes what every running node sees, for a test that fails. */
static inline void sim_print(const struct sim *sim) {
    for (int i = 0; i < sim->count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (node->members == NULL) continue;
        fprintf(stderr, "%s.%" PRIu64 "%s:", node->name, node->incarnation,
                node->left ? " (left)" : "");
        for (size_t j = 0; j < members_count(node->members); j++) {
            const struct member *member = members_at(node->members, j);
            fprintf(stderr, " %s.%" PRIu64 " %s (%s)", member->name, member->incarnation,
                    member_state_name(member->state), member->reason);
        }
        fprintf(stderr, "\n");
    }
}

/* Writes who has a name, as every running node knows it. */
static inline void sim_print_name(const struct sim *sim, const char *name) {
    for (int i = 0; i < sim->count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (node->names == NULL) continue;
        const struct binding *binding = bindings_find(node->names, name);
        const struct entry *entry = binding == NULL ? NULL : binding->entries;
        fprintf(stderr, "%s%s:", node->name, sim_holds(node, name) ? " (holds it)" : "");
        for (; entry != NULL; entry = entry->next) {
            fprintf(stderr, " %s.%" PRIu64 "/%u age %" PRIu64 "%s%s", entry->owner->node,
                    entry->pid.space, entry->pid.slot, entry->age, entry->settled ? " settled" : "",
                    entry == binding->shown ? " shown" : "");
        }
        fprintf(stderr, "\n");
    }
}

/* Starts node 0 as the founder and the others, all at once, with it as their seed. */
static inline void sim_start_all(struct sim *sim) {
    static const int seeds[] = {0, -1};
    sim_start(sim, 0, NULL);
    for (int i = 1; i < sim->count; i++) sim_start(sim, i, seeds);
}

static inline enum member_state sim_state(const struct sim *sim, int at, int of) {
    const struct member *member = members_find_by_name(sim->nodes[at].members, sim->nodes[of].name);
    return member == NULL ? MEMBER_UNKNOWN : member->state;
}

/* Cuts (or mends) all paths between the nodes below `border` and the others. */
static inline void sim_partition(struct sim *sim, int border, bool cut) {
    for (int i = 0; i < sim->count; i++) {
        for (int j = 0; j < sim->count; j++) {
            if ((i < border) != (j < border)) sim->cut[i][j] = cut;
        }
    }
}

/* Claims a name for an actor of a node; returns the claim's number. */
static inline uint64_t sim_claim_for(struct sim *sim, int index, const char *name, tr_pid pid) {
    uint64_t number = sim->claim_count++;
    struct sim_claim *claim = &sim->claims[number];
    snprintf(claim->name, sizeof(claim->name), "%s", name);
    claim->node = index;
    claim->pid = pid;
    tr_status status = names_claim(sim->nodes[index].names, name, pid, number, sim->now_ns);
    cr_assert(status == TR_OK);
    return number;
}

/* The same for a new actor. */
static inline uint64_t sim_claim(struct sim *sim, int index, const char *name) {
    struct sim_node *node = &sim->nodes[index];
    return sim_claim_for(sim, index, name, (tr_pid){node->incarnation, ++node->slot, 1});
}

/* An actor that holds or claims a name ends. */
static inline void sim_end_actor(struct sim *sim, int index, const char *name, tr_pid pid) {
    sim_release(&sim->nodes[index], name, pid);
    names_drop_all(sim->nodes[index].names, pid, sim->now_ns);
}

/* Whom a name resolves to at a node; all zero: nobody. */
static inline tr_pid sim_find(const struct sim *sim, int index, const char *name) {
    struct names_entry entry;
    if (!names_find(sim->nodes[index].names, name, &entry)) return (tr_pid){0};
    return entry.pid;
}

#endif
