/*
 * container.h - from an embedded member back to the struct that holds it.
 *
 * The lists and heaps of this folder are intrusive: they link nodes that live inside the user's
 * own structs. container_of finds the struct again.
 */
#ifndef TROUPE_BASE_CONTAINER_H
#define TROUPE_BASE_CONTAINER_H

#include <stddef.h>

/* The struct of type `type` whose member `member` is at `pointer`; `pointer` must not be NULL. */
#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
