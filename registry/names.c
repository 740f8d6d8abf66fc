#include "registry/names.h"

#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/base/utf8.h"
#include "registry/bindings.h"
#include "registry/claims.h"
#include "registry/names_core.h"
#include "registry/reservations.h"

enum { SERVICES_MAX = 4096 }; /* nodes that a peer can make us remember (I5) */

static const uint64_t ns_per_ms = UINT64_C(1000000);
static const uint64_t claim_timeout_default_ms = 15000;

/* ---- names ---- */

static bool is_blank(uint32_t code) {
    return code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

static bool is_allowed(uint32_t code) {
    bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    return !control && code != ' ' && code != 0xa0 && code != '/' && !is_blank(code);
}

bool names_valid(const char *name, size_t bytes) {
    if (bytes == 0 || bytes > NAMES_NAME_BYTES_MAX) return false;
    for (size_t at = 0; at < bytes;) {
        uint32_t code = 0;
        size_t step = utf8_decode(name + at, bytes - at, &code);
        if (step == 0 || !is_allowed(code)) return false;
        at += step;
    }
    return true;
}

/* ---- making ---- */

static struct service *service_new(struct names *names, const char *node) {
    struct service *service = mem_zalloc(1, sizeof(*service));
    snprintf(service->node, sizeof(service->node), "%s", node);
    list_init(&service->entries);
    list_init(&service->reservations);
    map_text_put(&names->services, service->node, service);
    return service;
}

struct names *names_new(const struct names_options *options, const struct names_ops *ops) {
    check(member_name_valid(options->node));
    struct names *names = mem_zalloc(1, sizeof(*names));
    names->ops = *ops;
    uint64_t timeout_ms = options->claim_timeout_ms;
    names->claim_timeout_ns = (timeout_ms == 0 ? claim_timeout_default_ms : timeout_ms) * ns_per_ms;
    map_text_init(&names->services);
    map_text_init(&names->bindings);
    map_pid_init(&names->holders);
    map_u64_init(&names->claims);
    list_init(&names->waiting);
    list_init(&names->queued);
    list_init(&names->changed);
    buffer_init(&names->message);
    names->self = service_new(names, options->node);
    names->self->incarnation = options->incarnation;
    names->self->stream = ++names->stream_last;
    return names;
}

static void free_service(struct service *service) {
    for (list_node *node; (node = list_pop_front(&service->entries)) != NULL;) {
        mem_free(container_of(node, struct entry, of_owner));
    }
    for (list_node *node; (node = list_pop_front(&service->reservations)) != NULL;) {
        mem_free(container_of(node, struct reservation, of_claimant));
    }
    mem_free(service);
}

static void free_claims(struct names *names) {
    for (list_node *node; (node = list_pop_front(&names->waiting)) != NULL;) {
        struct claim *claim = container_of(node, struct claim, in_order);
        mem_free(claim->acks);
        mem_free(claim);
    }
    map_u64_fini(&names->claims);
}

void names_free(struct names *names) {
    if (names == NULL) return;
    size_t cursor = 0;
    for (struct service *item; (item = map_text_next(&names->services, &cursor, NULL)) != NULL;) {
        free_service(item);
    }
    cursor = 0;
    for (struct binding *item; (item = map_text_next(&names->bindings, &cursor, NULL)) != NULL;) {
        mem_free(item->name);
        mem_free(item);
    }
    cursor = 0;
    for (struct holder *item; (item = map_pid_next(&names->holders, &cursor, NULL)) != NULL;) {
        mem_free(item);
    }
    free_claims(names);
    map_text_fini(&names->services);
    map_text_fini(&names->bindings);
    map_pid_fini(&names->holders);
    mem_free(names->listed);
    mem_free(names->listed_nodes);
    buffer_fini(&names->message);
    mem_free(names);
}

/* ---- sending ---- */

struct names_message names_message_about(enum names_kind kind, const char *name, tr_pid pid) {
    struct names_message message = {.kind = kind, .pid = pid};
    snprintf(message.name, sizeof(message.name), "%s", name);
    return message;
}

/* Puts the head of a message, stamped for this service, into names->message. */
static void stamp(struct names *names, const struct service *service,
                  struct names_message *message) {
    message->incarnation = names->self->incarnation;
    message->session = service->session;
    message->lamport = ++names->lamport;
    names_message_put(&names->message, message);
}

static void post(struct names *names, const struct service *service) {
    check(names->message.bytes <= NAMES_MESSAGE_BYTES_MAX);
    names->ops.send(names->ops.context, service->node, names->message.data, names->message.bytes);
    buffer_clear(&names->message);
}

void names_send(struct names *names, const struct service *service, struct names_message *message) {
    check(service != names->self && service->listed);
    stamp(names, service, message);
    post(names, service);
}

void names_broadcast(struct names *names, struct names_message *message) {
    for (size_t i = 0; i < names->listed_count; i++) {
        const struct service *service = names->listed[i];
        if (service == names->self || !service->greeted) continue;
        names_send(names, service, message);
    }
}

/* Sends all names of our actors, those being claimed too: for these it is the PUT. */
static void send_all_names(struct names *names, const struct service *service) {
    size_t left = list_count(&names->self->entries);
    const list_node *node = list_first(&names->self->entries);
    do {
        size_t count = left < NAMES_SYNC_MAX ? left : NAMES_SYNC_MAX;
        left -= count;
        struct names_message message = {
            .kind = NAMES_SYNC, .last = left == 0, .count = (uint32_t)count};
        stamp(names, service, &message);
        for (size_t i = 0; i < count; i++) {
            const struct entry *entry = container_of(node, struct entry, of_owner);
            names_message_put_entry(&names->message, entry->binding->name, entry->pid, entry->age,
                                    entry->token, entry->settled);
            node = list_next(&names->self->entries, node);
        }
        post(names, service);
    } while (left > 0);
}

/* ---- going on with what has changed ---- */

/* Our word goes to a claimant once the name resolves to its entry here. Whoever is in the way of
 * that, a holder or an earlier claimant, either objects to the claim itself or has given the name
 * up, and then word of that is on its way to us. */
static void give_word(struct names *names, struct binding *binding) {
    struct entry *entry = binding->shown;
    if (entry == NULL || !entry->ack_due) return;
    entry->ack_due = false;
    struct names_message message = {.kind = NAMES_ACK, .token = entry->token};
    names_send(names, entry->owner, &message);
}

static void advance(struct names *names) {
    for (list_node *node; (node = list_pop_front(&names->changed)) != NULL;) {
        struct binding *binding = container_of(node, struct binding, changed);
        give_word(names, binding);
        struct entry *own = bindings_entry_of(binding, names->self);
        if (own != NULL && own->claim != NULL) claims_check(names, own->claim);
        reservations_step(names, binding);
        bindings_tidy(names, binding);
    }
}

static void queued_changed(struct names *names) {
    for (list_node *node = list_first(&names->queued); node != NULL;
         node = list_next(&names->queued, node)) {
        bindings_changed(names, container_of(node, struct binding, queued));
    }
}

/* ---- members ---- */

static void service_lost(struct names *names, struct service *service) {
    service->listed = false;
    service->greeted = false;
    service->synced = false;
    if (service == names->self) return;
    for (list_node *node; (node = list_first(&service->entries)) != NULL;) {
        bindings_remove(names, container_of(node, struct entry, of_owner));
    }
    reservations_forget(names, service);
}

static void greet(struct names *names, struct service *service) {
    service->greeted = true;
    send_all_names(names, service);
}

/* True when it has said that it lists us, in the very session in which we list it. */
static bool said_hello(const struct service *service) {
    return service->hello_session == service->session &&
           service->hello_incarnation == service->incarnation;
}

static void service_found(struct names *names, struct service *service,
                          const struct member_life *life) {
    service->listed = true;
    if (service == names->self) {
        service->greeted = true;
        service->synced = true;
        return;
    }
    service->incarnation = life->incarnation;
    service->session = life->session;
    service->stream = ++names->stream_last;
    struct names_message hello = {.kind = NAMES_HELLO};
    names_send(names, service, &hello);
    if (said_hello(service)) greet(names, service);
}

static const struct member_life *life_of(const struct member_life *lives, size_t count,
                                         const char *node) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(lives[i].name, node) == 0) return &lives[i];
    }
    return NULL;
}

static bool is_same(const struct names *names, const struct service *service,
                    const struct member_life *life) {
    if (service == names->self) return true;
    return life->session == service->session && life->incarnation == service->incarnation;
}

static void remove_lost(struct names *names, const struct member_life *lives, size_t count) {
    for (size_t i = 0; i < names->listed_count; i++) {
        struct service *service = names->listed[i];
        const struct member_life *life = life_of(lives, count, service->node);
        if (life == NULL || !is_same(names, service, life)) service_lost(names, service);
    }
    names->listed_count = 0;
}

static void add_found(struct names *names, const struct member_life *lives, size_t count) {
    size_t room = count == 0 ? 1 : count;
    names->listed = mem_realloc_array(names->listed, room, sizeof(names->listed[0]));
    names->listed_nodes = mem_realloc_array(names->listed_nodes, room, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        struct service *service = map_text_find(&names->services, lives[i].name);
        if (service == NULL) service = service_new(names, lives[i].name);
        if (!service->listed) service_found(names, service, &lives[i]);
        names->listed[i] = service;
        names->listed_nodes[i] = service->node;
    }
    names->listed_count = count;
}

void names_members(struct names *names, const struct member_life *lives, size_t count,
                   uint64_t now_ns) {
    names->now_ns = now_ns;
    remove_lost(names, lives, count);
    add_found(names, lives, count);
    claims_ask(names);
    /* With fewer members a claim may have everybody's word, a question nobody to answer it. */
    for (list_node *node = list_first(&names->waiting); node != NULL;
         node = list_next(&names->waiting, node)) {
        bindings_changed(names, container_of(node, struct claim, in_order)->binding);
    }
    reservations_ask_again(names);
    advance(names);
}

/* ---- what other nodes say of their names ---- */

/* An actor of ours held the name by right, in a part of the cluster that knew no better. */
static void lose(struct names *names, struct entry *own, tr_pid winner) {
    struct binding *binding = own->binding;
    tr_pid pid = own->pid;
    claims_withdraw(names, own);
    names->ops.lost(names->ops.context, binding->name, pid, winner);
}

static void tell_loser(struct names *names, const struct entry *loser, const struct entry *winner) {
    if (!loser->owner->greeted) return;
    struct names_message message =
        names_message_about(NAMES_LOST, loser->binding->name, loser->pid);
    message.age = winner->age;
    message.winner = winner->pid;
    message.winner_incarnation = winner->owner->incarnation;
    snprintf(message.winner_node, sizeof(message.winner_node), "%s", winner->owner->node);
    names_send(names, loser->owner, &message);
}

/* Two settled entries meet: after a partition. The older one wins. */
static void resolve(struct names *names, struct entry *entry) {
    struct entry *other = entry->binding->entries;
    while (other != NULL) {
        struct entry *next = other->next;
        if (other != entry && other->settled) {
            bool other_loses = bindings_older(entry, other);
            struct entry *loser = other_loses ? other : entry;
            struct entry *winner = other_loses ? entry : other;
            if (loser->owner == names->self) {
                lose(names, loser, winner->pid);
            } else {
                tell_loser(names, loser, winner);
            }
        }
        other = next;
    }
}

/* True when an actor of ours has the name, or claimed it earlier; the claimant is told. When both
 * are still claiming, the one that claimed later is told so by the other in the same way. */
static bool object(struct names *names, const struct binding *binding, struct service *owner,
                   const struct names_sync_entry *put) {
    const struct entry *own = bindings_entry_of(binding, names->self);
    if (own == NULL) return false;
    struct entry theirs = {.owner = owner, .age = put->age};
    if (!own->settled && bindings_older(&theirs, own)) return false;
    struct names_message message = {.kind = NAMES_OBJECT, .token = put->token, .pid = own->pid};
    names_send(names, owner, &message);
    return true;
}

static void on_entry(struct names *names, struct service *owner,
                     const struct names_sync_entry *put) {
    struct binding *binding = bindings_get(names, put->name);
    struct entry *old = bindings_entry_of(binding, owner);
    if (old != NULL) bindings_remove(names, old);
    if (!put->settled && object(names, binding, owner, put)) return;
    struct entry *entry = bindings_add(names, binding, owner, put->pid, put->age, put->token);
    if (put->settled) {
        bindings_settle(names, entry);
        resolve(names, entry);
    } else {
        entry->ack_due = true;
    }
}

static void on_put(struct names *names, struct service *owner,
                   const struct names_message *message) {
    struct names_sync_entry put = {
        .pid = message->pid, .age = message->age, .token = message->token};
    memcpy(put.name, message->name, sizeof(put.name));
    on_entry(names, owner, &put);
}

static void on_sync(struct names *names, struct service *owner, struct names_message *message) {
    for (uint32_t i = 0; i < message->count; i++) {
        struct names_sync_entry put;
        names_message_next(message, &put);
        on_entry(names, owner, &put);
    }
    if (!message->last) return;
    owner->synced = true;
    queued_changed(names);
}

/* What the owner of an entry says of it later. */
static void on_word(struct names *names, struct service *owner,
                    const struct names_message *message) {
    struct binding *binding = bindings_find(names, message->name);
    struct entry *entry = binding == NULL ? NULL : bindings_entry_of(binding, owner);
    if (entry == NULL || !names_same_pid(entry->pid, message->pid)) return;
    if (message->kind == NAMES_DROP) {
        bindings_remove(names, entry);
    } else if (!entry->settled) {
        entry->ack_due = false;
        bindings_settle(names, entry);
        resolve(names, entry);
    }
}

/* A third node sees us and an older holder that we do not see; one that we see would have told
 * us itself, and knows better whether it still holds the name. */
static void on_lost(struct names *names, const struct names_message *message) {
    struct binding *binding = bindings_find(names, message->name);
    struct entry *own = binding == NULL ? NULL : bindings_entry_of(binding, names->self);
    if (own == NULL || !own->settled || !names_same_pid(own->pid, message->pid)) return;
    const struct service *seen = map_text_find(&names->services, message->winner_node);
    if (seen != NULL && seen->listed) return;
    struct service winner_node = {.incarnation = message->winner_incarnation};
    memcpy(winner_node.node, message->winner_node, sizeof(winner_node.node));
    struct entry winner = {.owner = &winner_node, .age = message->age};
    if (bindings_older(&winner, own)) lose(names, own, message->winner);
}

/* ---- what other nodes ask ---- */

static void on_home(struct names *names, struct service *from,
                    const struct names_message *message) {
    struct binding *binding = message->kind == NAMES_CLAIM ? bindings_get(names, message->name)
                                                           : bindings_find(names, message->name);
    if (binding == NULL) return;
    if (message->kind == NAMES_CLAIM) {
        reservations_add(names, binding, from, message->token, message->pid);
    } else if (message->kind == NAMES_CANCEL) {
        reservations_done(names, binding, from, message->token);
    } else {
        reservations_probed(names, binding, message->token);
    }
}

static void on_probe(struct names *names, const struct service *from,
                     const struct names_message *message) {
    struct names_message answer = names_message_about(NAMES_PROBED, message->name, message->pid);
    answer.token = message->token;
    names_send(names, from, &answer);
}

static void dispatch(struct names *names, struct service *from, struct names_message *message) {
    switch (message->kind) {
        case NAMES_HELLO:
            break; /* taken before: it may come before we list its sender */
        case NAMES_SYNC:
            on_sync(names, from, message);
            break;
        case NAMES_PUT:
            on_put(names, from, message);
            break;
        case NAMES_SETTLE:
        case NAMES_DROP:
            on_word(names, from, message);
            break;
        case NAMES_LOST:
            on_lost(names, message);
            break;
        case NAMES_CLAIM:
        case NAMES_CANCEL:
        case NAMES_PROBED:
            on_home(names, from, message);
            break;
        case NAMES_PROBE:
            on_probe(names, from, message);
            break;
        case NAMES_GRANT:
            claims_granted(names, from, message->token);
            break;
        case NAMES_TAKEN:
            claims_taken(names, from, message->token, message->pid);
            break;
        case NAMES_ACK:
            claims_agreed(names, from, message->token);
            break;
        case NAMES_OBJECT:
            claims_objected(names, message->token, message->pid);
            break;
    }
}

static void on_hello(struct names *names, const char *node, const struct names_message *hello) {
    struct service *service = map_text_find(&names->services, node);
    if (service == NULL && map_text_count(&names->services) >= SERVICES_MAX) return;
    if (service == NULL) service = service_new(names, node);
    service->hello_session = hello->session;
    service->hello_incarnation = hello->incarnation;
    if (!service->listed || service->greeted || !said_hello(service)) return;
    greet(names, service);
    claims_ask(names);
    queued_changed(names);
}

/* What a peer may still add, so that it cannot make us grow without bound (I5). */
static bool has_room(const struct service *from, const struct names_message *message) {
    size_t more = message->kind == NAMES_SYNC ? message->count : message->kind == NAMES_PUT;
    if (list_count(&from->entries) + more > NAMES_OWN_MAX) return false;
    return message->kind != NAMES_CLAIM || list_count(&from->reservations) < NAMES_OWN_MAX;
}

/* What is left of an earlier session, or comes before we list its sender, is of no use. */
static bool belongs(const struct service *from, const struct names_message *message) {
    return from->listed && from->session == message->session &&
           from->incarnation == message->incarnation;
}

tr_status names_receive(struct names *names, const char *node, const uint8_t *bytes,
                        size_t byte_count, uint64_t now_ns, tr_error *error) {
    struct names_message message;
    tr_status status = names_message_decode(bytes, byte_count, node, &message, error);
    if (status != TR_OK) return status;
    if (!member_name_valid(node) || strcmp(node, names->self->node) == 0) {
        return error_set(error, TR_EDATA, NULL, "a names message from %s, which is no other node",
                         node);
    }
    names->now_ns = now_ns;
    if (message.lamport > names->lamport) names->lamport = message.lamport;
    if (message.kind == NAMES_HELLO) on_hello(names, node, &message);
    struct service *from = map_text_find(&names->services, node);
    if (from != NULL && belongs(from, &message)) {
        if (!has_room(from, &message)) {
            return error_set(error, TR_EDATA, NULL, "%s has more names or claims than %d", node,
                             (int)NAMES_OWN_MAX);
        }
        dispatch(names, from, &message);
    }
    advance(names);
    return TR_OK;
}

/* ---- what this node's actors want ---- */

tr_status names_claim(struct names *names, const char *name, tr_pid pid, uint64_t request,
                      uint64_t now_ns) {
    if (!names_valid(name, strlen(name)) || pid.space == 0) return TR_EINVAL;
    size_t own = list_count(&names->self->entries) + map_u64_count(&names->claims);
    if (own >= NAMES_OWN_MAX) return TR_EFULL;
    names->now_ns = now_ns;
    struct binding *binding = bindings_get(names, name);
    const struct entry *held = bindings_entry_of(binding, names->self);
    if (held != NULL && held->settled) {
        bool same = names_same_pid(held->pid, pid);
        names->ops.claimed(names->ops.context, request, same ? TR_OK : TR_EEXIST, held->pid);
    } else {
        claims_start(names, binding, pid, request);
    }
    advance(names);
    return TR_OK;
}

void names_drop(struct names *names, const char *name, tr_pid pid, uint64_t now_ns) {
    names->now_ns = now_ns;
    const struct binding *binding = bindings_find(names, name);
    if (binding == NULL) return;
    claims_drop(names, pid, binding);
    advance(names);
}

void names_drop_all(struct names *names, tr_pid pid, uint64_t now_ns) {
    names->now_ns = now_ns;
    claims_drop(names, pid, NULL);
    advance(names);
}

uint64_t names_tick(struct names *names, uint64_t now_ns) {
    names->now_ns = now_ns;
    uint64_t next_ns = claims_tick(names);
    advance(names);
    return next_ns;
}

/* ---- lookups ---- */

static void describe(const struct binding *binding, struct names_entry *entry_out) {
    const struct entry *shown = binding->shown;
    *entry_out = (struct names_entry){
        binding->name, shown->pid, {shown->age, shown->owner->node, shown->owner->incarnation}};
}

bool names_find(const struct names *names, const char *name, struct names_entry *entry_out) {
    const struct binding *binding = bindings_find(names, name);
    if (binding == NULL || binding->shown == NULL) return false;
    describe(binding, entry_out);
    return true;
}

bool names_next(const struct names *names, size_t *cursor, struct names_entry *entry_out) {
    for (const struct binding *binding;
         (binding = map_text_next(&names->bindings, cursor, NULL)) != NULL;) {
        if (binding->shown == NULL) continue;
        describe(binding, entry_out);
        return true;
    }
    return false;
}
