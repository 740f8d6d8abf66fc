/* mailbox_test.c - order, counts, marks, and the three ways a push can end. */
#include "node/mailbox.h"

#include <criterion/criterion.h>

TestSuite(mailbox, .timeout = 30);

static enum mailbox_push_result push(struct mailbox *box, uint64_t serial, uint32_t hard,
                                     uint32_t *count_out) {
    tr_message *item = message_new(0);
    item->serial = serial;
    enum mailbox_push_result result = mailbox_push(box, &item, hard, count_out);
    cr_assert_eq(item == NULL, result == MAILBOX_PUSHED || result == MAILBOX_WOKE);
    message_free(item);
    return result;
}

static void expect_serials(struct message_list *list, uint64_t first, uint64_t last) {
    for (uint64_t serial = first; serial <= last; serial++) {
        tr_message *item = message_list_pop(list);
        cr_assert_not_null(item);
        cr_assert_eq(item->serial, serial);
        message_free(item);
    }
    cr_assert_null(message_list_pop(list));
}

Test(mailbox, takes_come_in_the_order_of_pushes_also_over_two_takes) {
    struct mailbox box;
    struct message_list list = {0};
    uint32_t count;
    mailbox_init(&box);
    for (uint64_t i = 1; i <= 3; i++) push(&box, i, UINT32_MAX, &count);
    cr_assert_eq(mailbox_take(&box, &list), 3);
    for (uint64_t i = 4; i <= 5; i++) push(&box, i, UINT32_MAX, &count);
    cr_assert_eq(mailbox_take(&box, &list), 2);
    expect_serials(&list, 1, 5);
}

Test(mailbox, a_new_one_is_scheduled_and_only_an_idle_one_wakes) {
    struct mailbox box;
    struct message_list list = {0};
    uint32_t count;
    mailbox_init(&box);
    cr_assert_eq(push(&box, 1, 9, &count), MAILBOX_PUSHED);
    cr_assert_not(mailbox_rest(&box, 0), "something waits");
    mailbox_take(&box, &list);
    cr_assert(mailbox_rest(&box, 0));
    cr_assert_eq(push(&box, 2, 9, &count), MAILBOX_WOKE);
    cr_assert_eq(push(&box, 3, 9, &count), MAILBOX_PUSHED);
    mailbox_take(&box, &list);
    expect_serials(&list, 1, 3);
}

Test(mailbox, wake_takes_an_idle_one_once) {
    struct mailbox box;
    mailbox_init(&box);
    cr_assert_not(mailbox_wake(&box), "scheduled already");
    cr_assert(mailbox_rest(&box, 0));
    cr_assert(mailbox_wake(&box));
    cr_assert_not(mailbox_wake(&box));
}

/* As the owner handles a message in its place. */
static tr_message *peek(struct mailbox *box, uint64_t *word) {
    tr_message *peeked = mailbox_peek(box, word);
    if (peeked != NULL) atomic_store(&box->taken, -1);
    return peeked;
}

Test(mailbox, one_that_waits_alone_is_handled_in_its_place_and_not_counted_meanwhile) {
    struct mailbox box;
    uint64_t word;
    uint32_t count;
    mailbox_init(&box);
    cr_assert_null(mailbox_peek(&box, &word), "nothing waits");
    push(&box, 1, 9, &count);
    tr_message *peeked = peek(&box, &word);
    cr_assert_eq(peeked->serial, 1);
    cr_assert_eq(mailbox_count(&box), 0);
    atomic_store(&box.taken, 0);
    cr_assert(mailbox_rest(&box, word));
    message_free(peeked);
    cr_assert_eq(push(&box, 2, 9, &count), MAILBOX_WOKE);
    cr_assert_eq(count, 1);
    push(&box, 3, 9, &count);
    cr_assert_null(mailbox_peek(&box, &word), "two wait");
    struct message_list list = {0};
    mailbox_take(&box, &list);
    expect_serials(&list, 2, 3);
}

Test(mailbox, what_comes_on_top_of_the_one_being_handled_is_taken_without_it) {
    struct mailbox box;
    struct message_list list = {0};
    uint64_t word;
    uint32_t count;
    mailbox_init(&box);
    push(&box, 1, 9, &count);
    tr_message *peeked = peek(&box, &word);
    push(&box, 2, 2, &count);
    cr_assert_eq(count, 1);
    cr_assert_eq(push(&box, 3, 2, &count), MAILBOX_PUSHED, "one that is being handled is not full");
    cr_assert_eq(push(&box, 4, 2, &count), MAILBOX_REFUSED);
    atomic_store(&box.taken, 0);
    cr_assert_not(mailbox_rest(&box, word), "more has come");
    mailbox_leave(&box, peeked, &list);
    cr_assert_eq(mailbox_count(&box), 2);
    message_free(peeked);
    expect_serials(&list, 2, 3);
}

/* Idle and woken again before the owner lets go: the word no longer names the message. */
Test(mailbox, letting_go_of_one_that_the_word_has_left_takes_all_there_is) {
    struct mailbox box;
    struct message_list list = {0};
    uint64_t word;
    uint32_t count;
    mailbox_init(&box);
    push(&box, 1, 9, &count);
    tr_message *peeked = mailbox_peek(&box, &word);
    cr_assert(mailbox_rest(&box, word));
    cr_assert(mailbox_wake(&box));
    push(&box, 2, 9, &count);
    mailbox_leave(&box, peeked, &list);
    message_free(peeked);
    expect_serials(&list, 2, 2);
}

/* A sender that reads an old -1 beside a new word must not take an empty mailbox for a full one. */
Test(mailbox, marks_and_words_of_different_moments_never_look_full) {
    cr_assert_eq(mailbox_waiting(MAILBOX_IDLE, -1), 0);
    cr_assert_eq(mailbox_waiting(0, -1), 0);
}

Test(mailbox, counts_what_waits_in_the_word_and_in_the_owners_list) {
    struct mailbox box;
    struct message_list list = {0};
    uint32_t count = 0;
    mailbox_init(&box);
    push(&box, 1, 9, &count);
    push(&box, 2, 9, &count);
    cr_assert_eq(count, 2);
    mailbox_take(&box, &list);
    cr_assert_eq(mailbox_count(&box), 2);
    push(&box, 3, 9, &count);
    cr_assert_eq(count, 3);
    cr_assert_eq(mailbox_count(&box), 3);
    mailbox_take(&box, &list);
    expect_serials(&list, 1, 3);
}

Test(mailbox, push_past_the_hard_mark_is_refused_and_keeps_ownership) {
    struct mailbox box;
    struct message_list list = {0};
    uint32_t count;
    mailbox_init(&box);
    push(&box, 1, 2, &count);
    mailbox_take(&box, &list);
    cr_assert_eq(push(&box, 2, 2, &count), MAILBOX_PUSHED);
    cr_assert_eq(push(&box, 3, 2, &count), MAILBOX_REFUSED);
    cr_assert_eq(push(&box, 4, UINT32_MAX, &count), MAILBOX_PUSHED, "no mark, no refusal");
    mailbox_take(&box, &list);
    tr_message *one = message_list_pop(&list), *two = message_list_pop(&list),
               *four = message_list_pop(&list);
    cr_assert_eq(one->serial, 1);
    cr_assert_eq(two->serial, 2);
    cr_assert_eq(four->serial, 4);
    message_free(one);
    message_free(two);
    message_free(four);
}

Test(mailbox, a_closed_one_takes_nothing_and_gives_what_waited) {
    struct mailbox box;
    struct message_list list = {0};
    uint32_t count;
    mailbox_init(&box);
    push(&box, 1, 9, &count);
    cr_assert_eq(mailbox_close(&box, &list), 1);
    cr_assert(mailbox_is_closed(&box));
    cr_assert_eq(push(&box, 2, 9, &count), MAILBOX_IS_CLOSED);
    cr_assert_not(mailbox_wake(&box));
    cr_assert_eq(mailbox_close(&box, &list), 0);
    expect_serials(&list, 1, 1);
}

/* The count has 20 bits and two of its values mean something else. */
Test(mailbox, the_count_stops_below_the_marks_for_idle_and_closed) {
    struct mailbox box;
    mailbox_init(&box);
    tr_message *older = message_new(0);
    atomic_store(&box.word, (uint64_t)(uintptr_t)older << 16 | MAILBOX_COUNT_MAX);
    uint32_t count;
    struct message_list list = {0};
    push(&box, 1, UINT32_MAX, &count);
    cr_assert_eq(count, MAILBOX_COUNT_MAX);
    cr_assert_eq(mailbox_take(&box, &list), 2);
    message_free(message_list_pop(&list));
    message_free(message_list_pop(&list));
}

/* Messages `first` to `last`, each pointing to the one before it. */
static tr_message *chain(uint64_t first, uint64_t last, tr_message **oldest_out) {
    tr_message *newest = NULL;
    for (uint64_t serial = first; serial <= last; serial++) {
        tr_message *item = message_new(0);
        item->serial = serial;
        item->next = newest;
        if (newest == NULL) *oldest_out = item;
        newest = item;
    }
    return newest;
}

Test(mailbox, a_chain_is_filed_at_once_and_in_order) {
    struct mailbox box;
    struct message_list list = {0};
    tr_message *oldest, *newest = chain(2, 4, &oldest);
    uint32_t count;
    mailbox_init(&box);
    push(&box, 1, 9, &count);
    cr_assert_eq(mailbox_push_chain(&box, newest, oldest, 3, &count), MAILBOX_PUSHED);
    cr_assert_eq(count, 4);
    push(&box, 5, 9, &count);
    cr_assert_eq(count, 5);
    cr_assert_eq(mailbox_take(&box, &list), 5);
    expect_serials(&list, 1, 5);
    cr_assert(mailbox_rest(&box, 0));
    newest = chain(6, 7, &oldest);
    cr_assert_eq(mailbox_push_chain(&box, newest, oldest, 2, &count), MAILBOX_WOKE);
    cr_assert_eq(count, 7, "five are taken and not handled yet");
    mailbox_take(&box, &list);
    expect_serials(&list, 6, 7);
}

Test(mailbox, a_chain_is_refused_as_a_whole) {
    struct mailbox box;
    struct message_list list = {0};
    tr_message *oldest, *newest = chain(1, 3, &oldest);
    uint32_t count;
    mailbox_init(&box);
    atomic_store(&box.taken, MAILBOX_COUNT_MAX - 3);
    cr_assert_eq(mailbox_push_chain(&box, newest, oldest, 3, &count), MAILBOX_REFUSED);
    cr_assert_null(oldest->next);
    mailbox_close(&box, &list);
    cr_assert_eq(mailbox_push_chain(&box, newest, oldest, 3, &count), MAILBOX_IS_CLOSED);
    for (int i = 0; i < 3; i++) {
        tr_message *older = newest->next;
        message_free(newest);
        newest = older;
    }
    cr_assert_null(newest);
}
