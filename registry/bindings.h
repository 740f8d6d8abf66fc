/*
 * bindings.h - who holds which name, and what each name resolves to on this node.
 *
 * Usually a name has one entry. It has more while claims compete and after a partition; it then
 * resolves to the oldest that is settled, or to the oldest of all when none is. Part of the name
 * service.
 */
#ifndef TROUPE_REGISTRY_BINDINGS_H
#define TROUPE_REGISTRY_BINDINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

struct binding;
struct entry;
struct names;
struct service;

/* The binding of a name; made if missing; or NULL if missing. */
struct binding *bindings_get(struct names *names, const char *name);
struct binding *bindings_find(const struct names *names, const char *name);

/* Has names.c look at the binding again before the input ends. */
void bindings_changed(struct names *names, struct binding *binding);

/* Frees a binding that nobody holds or wants; any other stays. */
void bindings_tidy(struct names *names, struct binding *binding);

/* Adds an entry; its owner has none for this name. */
struct entry *bindings_add(struct names *names, struct binding *binding, struct service *owner,
                           tr_pid pid, uint64_t age, uint64_t token);

/* The entry is settled, or gone; a reservation that led to it is over by that. */
void bindings_settle(struct names *names, struct entry *entry);
void bindings_remove(struct names *names, struct entry *entry);

/* The owner's entry, or NULL. */
struct entry *bindings_entry_of(const struct binding *binding, const struct service *owner);

/* True when `a` was claimed before `b`. */
bool bindings_older(const struct entry *a, const struct entry *b);

#endif
