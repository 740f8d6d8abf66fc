/* run_queue_test.c - first come first served, spills without loss, steals half. */
#include "node/run_queue.h"

#include <criterion/criterion.h>

#include "node/actor.h"
#include "node/base/memory.h"

TestSuite(run_queue, .timeout = 30);

enum { ACTORS = 3000 };
static tr_actor *actors;
static struct run_queue queue, other;

static void open_queues(void) {
    actors = mem_zalloc(ACTORS, sizeof *actors);
    run_queue_init(&queue);
    run_queue_init(&other);
}

Test(run_queue, pops_come_in_the_order_of_pushes) {
    open_queues();
    for (int i = 0; i < 200; i++) run_queue_push(&queue, &actors[i]);
    cr_assert_eq(run_queue_count(&queue), 200);
    for (int i = 0; i < 200; i++) cr_assert_eq(run_queue_pop(&queue), &actors[i]);
    cr_assert_null(run_queue_pop(&queue));
}

Test(run_queue, more_than_the_ring_holds_is_neither_lost_nor_doubled) {
    open_queues();
    for (int i = 0; i < ACTORS; i++) run_queue_push(&queue, &actors[i]);
    cr_assert_eq(run_queue_count(&queue), ACTORS);
    for (int i = 0; i < ACTORS; i++) {
        tr_actor *taken = run_queue_pop(&queue);
        cr_assert_not_null(taken);
        cr_assert_eq(taken->serial++, 0, "taken twice");
    }
    cr_assert_null(run_queue_pop(&queue));
}

Test(run_queue, what_does_not_fit_the_ring_keeps_its_place) {
    open_queues();
    for (int i = 0; i < ACTORS; i++) run_queue_push(&queue, &actors[i]);
    cr_assert_gt(run_list_count(&queue.list), 0);
    /* Each goes to the end again when its turn is over: two rounds in the order of the first. */
    for (int i = 0; i < 2 * ACTORS; i++) {
        tr_actor *taken = run_queue_pop(&queue);
        cr_assert_eq(taken, &actors[i % ACTORS], "turn %d", i);
        run_queue_push(&queue, taken);
    }
}

Test(run_queue, a_thief_takes_the_oldest_and_half_of_the_rest) {
    open_queues();
    for (int i = 0; i < 10; i++) run_queue_push(&queue, &actors[i]);
    cr_assert_eq(run_queue_steal(&queue, &other), &actors[0]);
    cr_assert_eq(run_queue_count(&other), 4);
    cr_assert_eq(run_queue_count(&queue), 5);
    cr_assert_eq(run_queue_pop(&other), &actors[1]);
    cr_assert_eq(run_queue_pop(&queue), &actors[5]);
}

Test(run_queue, a_thief_takes_from_the_list_of_one_whose_ring_is_empty) {
    open_queues();
    for (int i = 0; i < 3; i++) run_list_push(&queue.list, &actors[i]);
    cr_assert_eq(run_queue_steal(&queue, &other), &actors[0]);
    cr_assert_eq(run_queue_count(&queue), 0);
    cr_assert_eq(run_queue_count(&other), 2);
    cr_assert_null(run_queue_steal(&queue, &other));
}
