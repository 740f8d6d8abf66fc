#include "registry/bindings.h"

#include <string.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/memory.h"
#include "registry/names_core.h"
#include "registry/reservations.h"

struct binding *bindings_find(const struct names *names, const char *name) {
    return map_text_find(&names->bindings, name);
}

struct binding *bindings_get(struct names *names, const char *name) {
    struct binding *binding = bindings_find(names, name);
    if (binding != NULL) return binding;
    binding = mem_zalloc(1, sizeof(*binding));
    binding->name = mem_strdup(name);
    list_init(&binding->queue);
    map_text_put(&names->bindings, name, binding);
    /* Looked at before the input ends, so that it goes again if nobody takes it. */
    bindings_changed(names, binding);
    return binding;
}

void bindings_changed(struct names *names, struct binding *binding) {
    if (!list_holds(&binding->changed)) list_push_back(&names->changed, &binding->changed);
}

void bindings_tidy(struct names *names, struct binding *binding) {
    if (binding->entries != NULL || binding->claims > 0) return;
    if (!list_empty(&binding->queue) || list_holds(&binding->changed)) return;
    map_text_remove(&names->bindings, binding->name);
    mem_free(binding->name);
    mem_free(binding);
}

/* ---- what a name resolves to ---- */

static int compare_age(const struct entry *a, const struct entry *b) {
    if (a->age != b->age) return a->age < b->age ? -1 : 1;
    int order = strcmp(a->owner->node, b->owner->node);
    if (order != 0) return order;
    if (a->owner->incarnation == b->owner->incarnation) return 0;
    return a->owner->incarnation < b->owner->incarnation ? -1 : 1;
}

bool bindings_older(const struct entry *a, const struct entry *b) {
    return compare_age(a, b) < 0;
}

static bool preferred(const struct entry *a, const struct entry *b) {
    if (a->settled != b->settled) return a->settled;
    return bindings_older(a, b);
}

/* `last` is whom the name resolved to when that entry is gone by now. */
static void show(struct names *names, struct binding *binding, tr_pid last) {
    struct entry *best = binding->entries;
    for (struct entry *entry = best; entry != NULL; entry = entry->next) {
        if (preferred(entry, best)) best = entry;
    }
    if (best == binding->shown) return;
    binding->shown = best;
    if (best == NULL) {
        names->ops.dropped(names->ops.context, binding->name, last);
        return;
    }
    struct names_entry shown = {
        binding->name, best->pid, {best->age, best->owner->node, best->owner->incarnation}};
    names->ops.put(names->ops.context, &shown);
}

/* ---- entries ---- */

struct entry *bindings_add(struct names *names, struct binding *binding, struct service *owner,
                           tr_pid pid, uint64_t age, uint64_t token) {
    check(bindings_entry_of(binding, owner) == NULL);
    struct entry *entry = mem_zalloc(1, sizeof(*entry));
    entry->binding = binding;
    entry->owner = owner;
    entry->pid = pid;
    entry->age = age;
    entry->token = token;
    entry->next = binding->entries;
    binding->entries = entry;
    list_push_back(&owner->entries, &entry->of_owner);
    bindings_changed(names, binding);
    show(names, binding, pid);
    return entry;
}

void bindings_settle(struct names *names, struct entry *entry) {
    entry->settled = true;
    reservations_done(names, entry->binding, entry->owner, entry->token);
    bindings_changed(names, entry->binding);
    show(names, entry->binding, entry->pid);
}

void bindings_remove(struct names *names, struct entry *entry) {
    struct binding *binding = entry->binding;
    struct entry **link = &binding->entries;
    while (*link != entry) link = &(*link)->next;
    *link = entry->next;
    list_remove(&entry->owner->entries, &entry->of_owner);
    reservations_done(names, binding, entry->owner, entry->token);
    bindings_changed(names, binding);
    show(names, binding, entry->pid);
    mem_free(entry);
}

struct entry *bindings_entry_of(const struct binding *binding, const struct service *owner) {
    struct entry *entry = binding->entries;
    while (entry != NULL && entry->owner != owner) entry = entry->next;
    return entry;
}
