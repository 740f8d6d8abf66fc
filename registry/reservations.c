#include "registry/reservations.h"

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/memory.h"
#include "registry/bindings.h"
#include "registry/claims.h"
#include "registry/names_core.h"

static struct reservation *first_of(const struct binding *binding) {
    list_node *node = list_first(&binding->queue);
    return node == NULL ? NULL : container_of(node, struct reservation, of_binding);
}

static struct reservation *find(const struct binding *binding, const struct service *claimant,
                                uint64_t token) {
    for (list_node *node = list_first(&binding->queue); node != NULL;
         node = list_next(&binding->queue, node)) {
        struct reservation *found = container_of(node, struct reservation, of_binding);
        if (found->claimant == claimant && found->token == token) return found;
    }
    return NULL;
}

bool reservations_add(struct names *names, struct binding *binding, struct service *claimant,
                      uint64_t token, tr_pid pid) {
    if (find(binding, claimant, token) != NULL) return true;
    if (list_count(&claimant->reservations) >= NAMES_OWN_MAX) return false;
    struct reservation *reservation = mem_zalloc(1, sizeof(*reservation));
    reservation->binding = binding;
    reservation->claimant = claimant;
    reservation->token = token;
    reservation->pid = pid;
    if (list_empty(&binding->queue)) list_push_back(&names->queued, &binding->queued);
    list_push_back(&binding->queue, &reservation->of_binding);
    list_push_back(&claimant->reservations, &reservation->of_claimant);
    bindings_changed(names, binding);
    return true;
}

static void end(struct names *names, struct reservation *reservation) {
    struct binding *binding = reservation->binding;
    list_remove(&binding->queue, &reservation->of_binding);
    list_remove(&reservation->claimant->reservations, &reservation->of_claimant);
    if (list_empty(&binding->queue)) list_remove(&names->queued, &binding->queued);
    bindings_changed(names, binding);
    mem_free(reservation);
}

void reservations_done(struct names *names, struct binding *binding, const struct service *claimant,
                       uint64_t token) {
    struct reservation *reservation = find(binding, claimant, token);
    if (reservation != NULL) end(names, reservation);
}

void reservations_forget(struct names *names, struct service *claimant) {
    for (list_node *node; (node = list_first(&claimant->reservations)) != NULL;) {
        end(names, container_of(node, struct reservation, of_claimant));
    }
}

void reservations_probed(struct names *names, struct binding *binding, uint64_t probe) {
    struct reservation *first = first_of(binding);
    if (first == NULL || first->probe != probe) return;
    first->probed = true;
    bindings_changed(names, binding);
}

void reservations_ask_again(struct names *names) {
    for (list_node *node = list_first(&names->queued); node != NULL;
         node = list_next(&names->queued, node)) {
        struct binding *binding = container_of(node, struct binding, queued);
        first_of(binding)->probe = 0;
        bindings_changed(names, binding);
    }
}

/* ---- deciding ---- */

/* A home that does not know all names yet would give away what others hold. */
static bool knows_all(const struct names *names) {
    if (!names->self->listed) return false;
    for (size_t i = 0; i < names->listed_count; i++) {
        if (!names->listed[i]->synced) return false;
    }
    return true;
}

static void grant(struct names *names, struct reservation *reservation) {
    reservation->granted = true;
    if (reservation->claimant == names->self) {
        claims_granted(names, names->self, reservation->token);
        return;
    }
    struct names_message message = {.kind = NAMES_GRANT, .token = reservation->token};
    names_send(names, reservation->claimant, &message);
}

static void turn_away(struct names *names, struct reservation *reservation, tr_pid holder) {
    struct service *claimant = reservation->claimant;
    uint64_t token = reservation->token;
    end(names, reservation);
    if (claimant == names->self) {
        claims_taken(names, names->self, token, holder);
        return;
    }
    struct names_message message = {.kind = NAMES_TAKEN, .token = token, .pid = holder};
    names_send(names, claimant, &message);
}

/* True when what we have of the holder is sure: it is ours, or the claimant's own node's, whose
 * word of a drop would have come before the claim; or its node was asked. */
static bool is_sure(const struct names *names, struct reservation *reservation,
                    const struct entry *held) {
    return held->owner == names->self || held->owner == reservation->claimant ||
           reservation->probed;
}

static void probe(struct names *names, struct reservation *reservation, const struct entry *held) {
    if (reservation->probe != 0 || !held->owner->greeted) return;
    reservation->probe = ++names->token_last;
    struct names_message message = names_message_about(NAMES_PROBE, held->binding->name, held->pid);
    message.token = reservation->probe;
    names_send(names, held->owner, &message);
}

void reservations_step(struct names *names, struct binding *binding) {
    struct reservation *first = first_of(binding);
    if (first == NULL || first->granted || !knows_all(names)) return;
    if (binding->entries == NULL) {
        grant(names, first);
        return;
    }
    const struct entry *held = binding->shown;
    if (!held->settled) return; /* a claim granted elsewhere; its end will change this binding */
    if (is_sure(names, first, held)) {
        turn_away(names, first, held->pid);
    } else {
        probe(names, first, held);
    }
}
