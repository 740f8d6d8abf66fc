#include "node/base/list.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "node/base/container.h"

TestSuite(list, .timeout = 30);

struct item {
    int number;
    list_node link;
};

static int number_of(const list_node *node) {
    return container_of(node, struct item, link)->number;
}

/* The numbers of the list as decimal digits, read in both directions. */
static int digits(const struct list *list) {
    int forward = 0;
    int backward = 0;
    int weight = 1;
    size_t count = 0;
    for (list_node *node = list_first(list); node != NULL; node = list_next(list, node)) {
        forward = 10 * forward + number_of(node);
        count++;
    }
    for (list_node *node = list_last(list); node != NULL; node = list_previous(list, node)) {
        backward += weight * number_of(node);
        weight *= 10;
    }
    cr_assert_eq(forward, backward);
    cr_assert_eq(count, list_count(list));
    return forward;
}

Test(list, pushes_at_both_ends_keep_their_order) {
    struct list list;
    struct item items[] = {{1, {0}}, {2, {0}}, {3, {0}}};
    list_init(&list);
    cr_assert(list_empty(&list));
    cr_assert_null(list_first(&list));
    list_push_back(&list, &items[1].link);
    list_push_back(&list, &items[2].link);
    list_push_front(&list, &items[0].link);
    cr_assert_eq(digits(&list), 123);
    cr_assert(list_holds(&items[1].link));
}

Test(list, remove_works_anywhere_and_twice) {
    struct list list;
    struct item items[] = {{1, {0}}, {2, {0}}, {3, {0}}, {4, {0}}};
    list_init(&list);
    for (size_t i = 0; i < 4; i++) list_push_back(&list, &items[i].link);
    list_remove(&list, &items[1].link);
    list_remove(&list, &items[1].link);
    cr_assert_not(list_holds(&items[1].link));
    cr_assert_eq(digits(&list), 134);
    list_remove(&list, &items[0].link);
    list_remove(&list, &items[3].link);
    cr_assert_eq(digits(&list), 3);
    list_push_back(&list, &items[1].link);
    cr_assert_eq(digits(&list), 32);
}

Test(list, insert_before_a_node) {
    struct list list;
    struct item items[] = {{1, {0}}, {2, {0}}, {3, {0}}};
    list_init(&list);
    list_push_back(&list, &items[0].link);
    list_push_back(&list, &items[2].link);
    list_insert_before(&list, &items[2].link, &items[1].link);
    cr_assert_eq(digits(&list), 123);
}

Test(list, pop_front_empties_it_in_order) {
    struct list list;
    struct item items[] = {{1, {0}}, {2, {0}}};
    list_init(&list);
    list_push_back(&list, &items[0].link);
    list_push_back(&list, &items[1].link);
    cr_assert_eq(number_of(list_pop_front(&list)), 1);
    cr_assert_eq(number_of(list_pop_front(&list)), 2);
    cr_assert_null(list_pop_front(&list));
    cr_assert(list_empty(&list));
}

Test(list, append_moves_all_of_another) {
    struct list a;
    struct list b;
    struct item items[] = {{1, {0}}, {2, {0}}, {3, {0}}};
    list_init(&a);
    list_init(&b);
    list_append(&a, &b);
    cr_assert(list_empty(&a));
    list_push_back(&b, &items[0].link);
    list_push_back(&b, &items[1].link);
    list_append(&a, &b);
    cr_assert(list_empty(&b));
    list_push_back(&b, &items[2].link);
    list_append(&a, &b);
    cr_assert_eq(digits(&a), 123);
}

Test(list, a_node_in_a_list_cannot_be_pushed_again, .signal = SIGABRT) {
    struct list list;
    list_node node = {0};
    list_init(&list);
    list_push_back(&list, &node);
    list_push_back(&list, &node);
}
