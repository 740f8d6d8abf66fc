/*
 * home.h - which member decides about a name: rendezvous hashing (Thaler and Ravishankar, 1998).
 *
 * Every node computes the same weights from the names alone, so members that see the same list
 * agree on a name's home without a message, and a member that comes or goes moves only the names
 * that it gains or had. Pure functions; any thread.
 */
#ifndef TROUPE_REGISTRY_HOME_H
#define TROUPE_REGISTRY_HOME_H

#include <stddef.h>
#include <stdint.h>

/* The weight of `node` for `name`: the same on every machine. */
uint64_t home_weight(const char *name, const char *node);

/* The index of the node with the largest weight (of equals the smaller name); `count` > 0. */
size_t home_of(const char *name, const char *const *nodes, size_t count);

#endif
