/*
 * list.h - a doubly linked list of nodes that live inside the user's structs.
 *
 * A node is in at most one list; a zeroed node is in none. The list never owns its nodes. All
 * operations are O(1) but none searches. Not for several threads at once.
 *
 *     for (list_node *node = list_first(&list); node != NULL; node = list_next(&list, node))
 *
 * To remove while iterating, take the next node first.
 */
#ifndef TROUPE_BASE_LIST_H
#define TROUPE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "node/base/check.h"

typedef struct list_node {
    struct list_node *next; /* NULL: in no list */
    struct list_node *previous;
} list_node;

/* Must be initialised with list_init and must not move while it holds nodes. */
struct list {
    list_node
        head; /* the ring's fixed point: head.next is the first node, head.previous the last */
    size_t count;
};

/* Makes an empty list. */
static inline void list_init(struct list *list) {
    list->head.next = &list->head;
    list->head.previous = &list->head;
    list->count = 0;
}

static inline bool list_empty(const struct list *list) {
    return list->count == 0;
}

static inline size_t list_count(const struct list *list) {
    return list->count;
}

/* True when the node is in some list. */
static inline bool list_holds(const list_node *node) {
    return node->next != NULL;
}

/* The first and last node, and a node's neighbours; NULL when there is none. */
static inline list_node *list_first(const struct list *list) {
    return list->count == 0 ? NULL : list->head.next;
}

static inline list_node *list_last(const struct list *list) {
    return list->count == 0 ? NULL : list->head.previous;
}

static inline list_node *list_next(const struct list *list, const list_node *node) {
    return node->next == &list->head ? NULL : node->next;
}

static inline list_node *list_previous(const struct list *list, const list_node *node) {
    return node->previous == &list->head ? NULL : node->previous;
}

/* Links a node that is in no list in front of `place`, a node of this list or its head. */
static inline void list_insert_before(struct list *list, list_node *place, list_node *node) {
    check(node->next == NULL);
    node->next = place;
    node->previous = place->previous;
    place->previous->next = node;
    place->previous = node;
    list->count++;
}

static inline void list_push_back(struct list *list, list_node *node) {
    list_insert_before(list, &list->head, node);
}

static inline void list_push_front(struct list *list, list_node *node) {
    list_insert_before(list, list->head.next, node);
}

/* Takes a node out of this list; a node that is in no list is nothing to do. */
static inline void list_remove(struct list *list, list_node *node) {
    if (node->next == NULL) return;
    check(list->count > 0);
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = NULL;
    node->previous = NULL;
    list->count--;
}

/* Takes the first node out and returns it, or NULL when the list is empty. */
static inline list_node *list_pop_front(struct list *list) {
    list_node *node = list_first(list);
    if (node != NULL) list_remove(list, node);
    return node;
}

/* Moves all nodes of `source`, in their order, behind those of `list`; `source` is then empty. */
static inline void list_append(struct list *list, struct list *source) {
    if (source->count == 0) return;
    source->head.next->previous = list->head.previous;
    source->head.previous->next = &list->head;
    list->head.previous->next = source->head.next;
    list->head.previous = source->head.previous;
    list->count += source->count;
    list_init(source);
}

#endif
