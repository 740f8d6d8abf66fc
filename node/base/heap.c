/*
 * heap.c - the textbook binary heap; each node carries its place.
 */
#include "node/base/heap.h"

#include "node/base/check.h"
#include "node/base/memory.h"

static bool comes_before(const heap_node *a, const heap_node *b) {
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void put_at(struct heap *heap, size_t index, heap_node *node) {
    heap->nodes[index] = node;
    node->place = index + 1;
}

/* Moves `node`, for which `index` is free, towards the root. */
static void sift_up(struct heap *heap, size_t index, heap_node *node) {
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!comes_before(node, heap->nodes[parent])) break;
        put_at(heap, index, heap->nodes[parent]);
        index = parent;
    }
    put_at(heap, index, node);
}

/* Moves `node`, for which `index` is free, towards the leaves. */
static void sift_down(struct heap *heap, size_t index, heap_node *node) {
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count) break;
        if (child + 1 < heap->count && comes_before(heap->nodes[child + 1], heap->nodes[child])) {
            child++;
        }
        if (!comes_before(heap->nodes[child], node)) break;
        put_at(heap, index, heap->nodes[child]);
        index = child;
    }
    put_at(heap, index, node);
}

void heap_init(struct heap *heap) {
    *heap = (struct heap){0};
}

void heap_fini(struct heap *heap) {
    for (size_t i = 0; i < heap->count; i++) heap->nodes[i]->place = 0;
    mem_free(heap->nodes);
    heap_init(heap);
}

void heap_push(struct heap *heap, heap_node *node, uint64_t key) {
    check(node->place == 0);
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity > 0 ? 2 * heap->capacity : 16;
        heap->nodes = mem_realloc_array(heap->nodes, heap->capacity, sizeof(heap_node *));
    }
    node->key = key;
    node->order = heap->pushes++;
    heap->count++;
    sift_up(heap, heap->count - 1, node);
}

heap_node *heap_peek(const struct heap *heap) {
    return heap->count > 0 ? heap->nodes[0] : NULL;
}

heap_node *heap_pop(struct heap *heap) {
    heap_node *node = heap_peek(heap);
    if (node != NULL) heap_remove(heap, node);
    return node;
}

/* Gives memory back after a peak; the factor of four keeps it from swinging. */
static void shrink(struct heap *heap) {
    if (heap->capacity <= 64 || heap->count > heap->capacity / 4) return;
    heap->capacity /= 2;
    heap->nodes = mem_realloc_array(heap->nodes, heap->capacity, sizeof(heap_node *));
}

void heap_remove(struct heap *heap, heap_node *node) {
    if (node->place == 0) return;
    size_t index = node->place - 1;
    check(index < heap->count && heap->nodes[index] == node);

    heap_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last != node) {
        /* The last node may belong on either side of the hole. */
        if (index > 0 && comes_before(last, heap->nodes[(index - 1) / 2])) {
            sift_up(heap, index, last);
        } else {
            sift_down(heap, index, last);
        }
    }
    shrink(heap);
}

bool heap_holds(const heap_node *node) {
    return node->place != 0;
}
