/*
 * heap.h - a binary min-heap of nodes that live inside the user's structs (timers, deadlines).
 *
 * Nodes with equal keys come out in the order they were pushed, so that the order depends on
 * nothing else. A node knows its place: removing one from the middle costs O(log n). The heap
 * never owns its nodes. Not for several threads at once.
 */
#ifndef TROUPE_BASE_HEAP_H
#define TROUPE_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero it before its first push. `key` may be read; the rest is the heap's. */
typedef struct heap_node {
    uint64_t key;
    uint64_t order; /* of pushes: the tie-break */
    size_t place;   /* 1 + index in the array; 0: in no heap */
} heap_node;

/* A zeroed heap is an empty one. */
struct heap {
    heap_node **nodes;
    size_t count;
    size_t capacity;
    uint64_t pushes;
};

/* Makes an empty heap; takes no memory yet. */
void heap_init(struct heap *heap);

/* Frees the heap's array; nodes still in it are forgotten and count as in no heap. */
void heap_fini(struct heap *heap);

/* Adds a node that is in no heap. */
void heap_push(struct heap *heap, heap_node *node, uint64_t key);

/* Returns the node with the smallest key, still in the heap, or NULL when the heap is empty. */
heap_node *heap_peek(const struct heap *heap);

/* Takes the node with the smallest key out and returns it, or NULL when the heap is empty. */
heap_node *heap_pop(struct heap *heap);

/* Takes a node out of this heap; a node that is in no heap is nothing to do. */
void heap_remove(struct heap *heap, heap_node *node);

/* True when the node is in a heap. */
bool heap_holds(const heap_node *node);

#endif
