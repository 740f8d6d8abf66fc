#include "node/base/heap.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "node/base/container.h"
#include "node/base/random.h"

TestSuite(heap, .timeout = 30);

enum { NODES = 2000 };

struct timer {
    unsigned number;
    heap_node node;
};

static unsigned number_of(heap_node *node) {
    return container_of(node, struct timer, node)->number;
}

Test(heap, an_empty_one_gives_nothing) {
    struct heap heap = {0};
    cr_assert_null(heap_peek(&heap));
    cr_assert_null(heap_pop(&heap));
    heap_fini(&heap);
}

Test(heap, pops_in_the_order_of_keys) {
    struct heap heap;
    static struct timer timers[NODES];
    random_state random;
    random_seed(&random, 1);
    heap_init(&heap);
    for (unsigned i = 0; i < NODES; i++) heap_push(&heap, &timers[i].node, random_u64(&random));
    uint64_t last = 0;
    for (unsigned i = 0; i < NODES; i++) {
        const heap_node *node = heap_pop(&heap);
        cr_assert_geq(node->key, last);
        last = node->key;
    }
    cr_assert_null(heap_pop(&heap));
    heap_fini(&heap);
}

/* Two timers for the same moment fire in the order they were set, on every replay. */
Test(heap, equal_keys_come_out_in_the_order_they_were_pushed) {
    struct heap heap = {0};
    static struct timer timers[NODES];
    for (unsigned i = 0; i < NODES; i++) {
        timers[i].number = i;
        heap_push(&heap, &timers[i].node, i % 3);
    }
    for (unsigned key = 0; key < 3; key++) {
        for (unsigned i = key; i < NODES; i += 3) {
            cr_assert_eq(number_of(heap_pop(&heap)), i);
        }
    }
    heap_fini(&heap);
}

Test(heap, remove_takes_out_any_node_and_leaves_the_rest_in_order) {
    struct heap heap = {0};
    static struct timer timers[NODES];
    random_state random;
    random_seed(&random, 2);
    for (unsigned i = 0; i < NODES; i++) {
        timers[i].number = i;
        heap_push(&heap, &timers[i].node, random_below(&random, 500));
    }
    for (unsigned i = 0; i < NODES; i += 2) {
        cr_assert(heap_holds(&timers[i].node));
        heap_remove(&heap, &timers[i].node);
        cr_assert_not(heap_holds(&timers[i].node));
        heap_remove(&heap, &timers[i].node);
    }
    cr_assert_eq(heap.count, (size_t)NODES / 2);
    uint64_t last = 0;
    for (unsigned i = 0; i < NODES / 2; i++) {
        heap_node *node = heap_pop(&heap);
        cr_assert_eq(number_of(node) % 2, 1u);
        cr_assert_geq(node->key, last);
        last = node->key;
    }
    cr_assert_lt(heap.capacity, (size_t)NODES / 2);
    heap_fini(&heap);
}

Test(heap, a_node_may_be_pushed_again_after_it_came_out) {
    struct heap heap = {0};
    struct timer timer = {.number = 5};
    heap_push(&heap, &timer.node, 9);
    cr_assert_eq(heap_pop(&heap), &timer.node);
    heap_push(&heap, &timer.node, 3);
    cr_assert_eq(heap_peek(&heap)->key, 3u);
    heap_fini(&heap);
    cr_assert_not(heap_holds(&timer.node));
}

Test(heap, a_node_in_a_heap_cannot_be_pushed, .signal = SIGABRT) {
    struct heap heap = {0};
    heap_node node = {0};
    heap_push(&heap, &node, 1);
    heap_push(&heap, &node, 2);
}
