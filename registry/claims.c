#include "registry/claims.h"

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/memory.h"
#include "registry/bindings.h"
#include "registry/home.h"
#include "registry/names_core.h"
#include "registry/reservations.h"

static const tr_pid nobody;

/* ---- holders ---- */

static struct holder *holder_get(struct names *names, tr_pid pid) {
    struct holder *holder = map_pid_find(&names->holders, pid);
    if (holder != NULL) return holder;
    holder = mem_zalloc(1, sizeof(*holder));
    holder->pid = pid;
    list_init(&holder->entries);
    list_init(&holder->claims);
    map_pid_put(&names->holders, pid, holder);
    return holder;
}

static void holder_tidy(struct names *names, tr_pid pid) {
    struct holder *holder = map_pid_find(&names->holders, pid);
    if (holder == NULL || !list_empty(&holder->entries) || !list_empty(&holder->claims)) return;
    map_pid_remove(&names->holders, pid);
    mem_free(holder);
}

/* ---- the end of a claim ---- */

static void claim_free(struct names *names, struct claim *claim) {
    struct holder *holder = map_pid_find(&names->holders, claim->pid);
    list_remove(&holder->claims, &claim->of_holder);
    list_remove(&names->waiting, &claim->in_order);
    map_u64_remove(&names->claims, claim->token);
    claim->binding->claims--;
    bindings_changed(names, claim->binding);
    holder_tidy(names, claim->pid);
    mem_free(claim->acks);
    mem_free(claim);
}

/* Tells the home, if it still is where we asked, that it need not keep the name for us. */
static void cancel(struct names *names, struct claim *claim) {
    struct service *home = claim->home;
    if (home == NULL || home->stream != claim->home_stream || !home->listed) return;
    if (home == names->self) {
        reservations_done(names, claim->binding, home, claim->token);
        return;
    }
    struct names_message message =
        names_message_about(NAMES_CANCEL, claim->binding->name, claim->pid);
    message.token = claim->token;
    names_send(names, home, &message);
}

void claims_withdraw(struct names *names, struct entry *entry) {
    struct names_message message =
        names_message_about(NAMES_DROP, entry->binding->name, entry->pid);
    tr_pid pid = entry->pid;
    struct holder *holder = map_pid_find(&names->holders, pid);
    list_remove(&holder->entries, &entry->of_holder);
    bindings_remove(names, entry);
    names_broadcast(names, &message);
    holder_tidy(names, pid);
}

void claims_end(struct names *names, struct claim *claim, tr_status status, tr_pid holder) {
    uint64_t request = claim->request;
    cancel(names, claim);
    if (claim->entry != NULL) claims_withdraw(names, claim->entry);
    claim_free(names, claim);
    names->ops.claimed(names->ops.context, request, status, holder);
}

/* ---- asking the home ---- */

static void ask(struct names *names, struct claim *claim) {
    if (claim->entry != NULL || !names->self->listed) return;
    size_t index = home_of(claim->binding->name, names->listed_nodes, names->listed_count);
    struct service *home = names->listed[index];
    if (home == claim->home && home->stream == claim->home_stream) return;
    cancel(names, claim);
    claim->home = NULL;
    if (!home->greeted) return; /* asked as soon as it takes messages */
    claim->home = home;
    claim->home_stream = home->stream;
    if (home == names->self) {
        reservations_add(names, claim->binding, home, claim->token, claim->pid);
        return;
    }
    struct names_message message =
        names_message_about(NAMES_CLAIM, claim->binding->name, claim->pid);
    message.token = claim->token;
    names_send(names, home, &message);
}

void claims_start(struct names *names, struct binding *binding, tr_pid pid, uint64_t request) {
    struct claim *claim = mem_zalloc(1, sizeof(*claim));
    claim->binding = binding;
    claim->pid = pid;
    claim->request = request;
    claim->token = ++names->token_last;
    claim->deadline_ns = names->now_ns + names->claim_timeout_ns;
    map_u64_put(&names->claims, claim->token, claim);
    list_push_back(&names->waiting, &claim->in_order);
    list_push_back(&holder_get(names, pid)->claims, &claim->of_holder);
    binding->claims++;
    ask(names, claim);
}

void claims_ask(struct names *names) {
    for (list_node *node = list_first(&names->waiting); node != NULL;
         node = list_next(&names->waiting, node)) {
        ask(names, container_of(node, struct claim, in_order));
    }
}

/* ---- answers ---- */

void claims_granted(struct names *names, const struct service *from, uint64_t token) {
    struct claim *claim = map_u64_find(&names->claims, token);
    if (claim == NULL || claim->entry != NULL || claim->home != from) return;
    struct entry *other = bindings_entry_of(claim->binding, names->self);
    if (other != NULL) { /* another actor here was granted it by the home before this one */
        claims_end(names, claim, TR_EEXIST, other->pid);
        return;
    }
    uint64_t age = ++names->lamport;
    struct entry *entry = bindings_add(names, claim->binding, names->self, claim->pid, age, token);
    claim->entry = entry;
    entry->claim = claim;
    list_push_back(&holder_get(names, claim->pid)->entries, &entry->of_holder);
    struct names_message message = names_message_about(NAMES_PUT, claim->binding->name, claim->pid);
    message.token = token;
    message.age = age;
    names_broadcast(names, &message);
}

void claims_taken(struct names *names, const struct service *from, uint64_t token, tr_pid holder) {
    struct claim *claim = map_u64_find(&names->claims, token);
    if (claim == NULL || claim->entry != NULL || claim->home != from) return;
    bool own = names_same_pid(claim->pid, holder);
    claims_end(names, claim, own ? TR_OK : TR_EEXIST, holder);
}

static bool has_agreed(const struct claim *claim, uint64_t stream) {
    for (size_t i = 0; i < claim->ack_count; i++) {
        if (claim->acks[i] == stream) return true;
    }
    return false;
}

void claims_agreed(struct names *names, const struct service *from, uint64_t token) {
    struct claim *claim = map_u64_find(&names->claims, token);
    if (claim == NULL || claim->entry == NULL || has_agreed(claim, from->stream)) return;
    if (claim->ack_count == claim->ack_capacity) {
        claim->ack_capacity = claim->ack_capacity == 0 ? 4 : 2 * claim->ack_capacity;
        claim->acks = mem_realloc_array(claim->acks, claim->ack_capacity, sizeof(claim->acks[0]));
    }
    claim->acks[claim->ack_count++] = from->stream;
    bindings_changed(names, claim->binding);
}

void claims_objected(struct names *names, uint64_t token, tr_pid holder) {
    struct claim *claim = map_u64_find(&names->claims, token);
    if (claim == NULL || claim->entry == NULL) return;
    claims_end(names, claim, TR_EEXIST, holder);
}

static bool all_agreed(const struct names *names, const struct claim *claim) {
    if (!names->self->listed) return false;
    for (size_t i = 0; i < names->listed_count; i++) {
        const struct service *service = names->listed[i];
        if (service != names->self && !has_agreed(claim, service->stream)) return false;
    }
    return claim->binding->shown == claim->entry; /* our own word, by the same rule as theirs */
}

void claims_check(struct names *names, struct claim *claim) {
    struct entry *entry = claim->entry;
    if (entry == NULL || !all_agreed(names, claim)) return;
    uint64_t request = claim->request;
    tr_pid pid = claim->pid;
    struct names_message message =
        names_message_about(NAMES_SETTLE, claim->binding->name, claim->pid);
    entry->claim = NULL;
    bindings_settle(names, entry);
    names_broadcast(names, &message);
    claim_free(names, claim);
    names->ops.claimed(names->ops.context, request, TR_OK, pid);
}

/* ---- dropping and time ---- */

static void drop_claims(struct names *names, tr_pid pid, const struct binding *binding) {
    struct holder *holder = map_pid_find(&names->holders, pid);
    list_node *node = holder == NULL ? NULL : list_first(&holder->claims);
    while (node != NULL) {
        struct claim *claim = container_of(node, struct claim, of_holder);
        node = list_next(&holder->claims, node); /* the last one may take the holder with it */
        if (binding != NULL && claim->binding != binding) continue;
        claims_end(names, claim, TR_EABORTED, nobody);
    }
}

void claims_drop(struct names *names, tr_pid pid, const struct binding *binding) {
    drop_claims(names, pid, binding);
    struct holder *holder = map_pid_find(&names->holders, pid);
    list_node *node = holder == NULL ? NULL : list_first(&holder->entries);
    while (node != NULL) {
        struct entry *entry = container_of(node, struct entry, of_holder);
        node = list_next(&holder->entries, node);
        if (binding == NULL || entry->binding == binding) claims_withdraw(names, entry);
    }
}

uint64_t claims_tick(struct names *names) {
    for (list_node *node; (node = list_first(&names->waiting)) != NULL;) {
        struct claim *claim = container_of(node, struct claim, in_order);
        if (claim->deadline_ns > names->now_ns) return claim->deadline_ns;
        claims_end(names, claim, TR_ETIMEDOUT, nobody);
    }
    return UINT64_MAX;
}
