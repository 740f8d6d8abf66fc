/* mould_test.c - numbers for what is spawned elsewhere, and what a peer's number is here. */
#include "node/mould.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/runtime_fixture.h"

TestSuite(mould, .timeout = 30);

static const tr_behavior plain = {.name = "plain", .version = 1};
static const tr_behavior other = {.name = "other", .version = 1};
static const tr_mailbox_options unmarked;

Test(mould, a_behavior_keeps_its_number_on_all_workers_and_by_name) {
    struct moulds *moulds = moulds_new(2);
    uint32_t number = moulds_number(moulds, 0, &plain, "plain", &unmarked);
    cr_assert_eq(number, 1);
    cr_assert_eq(moulds_number(moulds, 0, &plain, "plain", &unmarked), number);
    cr_assert_eq(moulds_number(moulds, 1, &plain, "plain", &unmarked), number);
    cr_assert_eq(moulds_number(moulds, 1, NULL, "plain", &unmarked), number);
    cr_assert_eq(moulds_number(moulds, 0, &other, "other", &unmarked), 2);
    cr_assert_str_eq(moulds_at(moulds, 2)->name, "other");
    cr_assert_null(moulds_at(moulds, 0));
    cr_assert_null(moulds_at(moulds, 3));
    moulds_free(moulds);
}

Test(mould, marks_make_another_number) {
    struct moulds *moulds = moulds_new(1);
    tr_mailbox_options marks = {.low = 1, .high = 5, .hard = 9};
    uint32_t number = moulds_number(moulds, 0, &plain, "plain", &unmarked);
    uint32_t marked = moulds_number(moulds, 0, &plain, "plain", &marks);
    cr_assert_neq(marked, number);
    cr_assert_eq(moulds_at(moulds, marked)->marks.high, 5);
    cr_assert_eq(moulds_number(moulds, 0, &plain, "plain", &marks), marked);
    cr_assert_eq(moulds_number(moulds, 0, &plain, "plain", &unmarked), number);
    moulds_free(moulds);
}

/* A user's struct may be gone and another stand in its place. */
Test(mould, the_same_address_with_another_name_is_another_behavior) {
    struct moulds *moulds = moulds_new(1);
    tr_behavior place = plain;
    cr_assert_eq(moulds_number(moulds, 0, &place, place.name, &unmarked), 1);
    place = other;
    cr_assert_eq(moulds_number(moulds, 0, &place, place.name, &unmarked), 2);
    moulds_free(moulds);
}

Test(mould, a_name_too_long_and_a_number_too_many_are_refused) {
    struct moulds *moulds = moulds_new(1);
    char name[MOULD_NAME_BYTES + 1];
    memset(name, 'x', sizeof name);
    name[MOULD_NAME_BYTES] = '\0';
    cr_assert_eq(moulds_number(moulds, 0, NULL, name, &unmarked), 0);
    name[MOULD_NAME_BYTES - 1] = '\0';
    cr_assert_eq(moulds_number(moulds, 0, NULL, name, &unmarked), 1);
    for (uint32_t i = 2; i <= MOULDS_MAX; i++) {
        tr_mailbox_options marks = {.high = i};
        cr_assert_eq(moulds_number(moulds, 0, &plain, "plain", &marks), i);
    }
    cr_assert_eq(moulds_number(moulds, 0, &plain, "plain", &unmarked), 0);
    moulds_free(moulds);
}

Test(mould, what_a_peer_tells_is_resolved_against_what_is_offered) {
    static struct fixture world;
    static const tr_behavior *const offered[] = {&plain, NULL};
    fixture_open(&world, 1, 1, (struct mailbox_limits){500, 1000, 16000}, offered);
    struct mould told = {.name = "plain", .marks = {.high = 8}};
    struct mould_heard *heard = mould_hear(world.runtime, &told);
    cr_assert_eq(heard->behavior, behaviors_of(&world.runtime->behaviors, &plain));
    cr_assert(heard->has_limits && heard->status == TR_OK && heard->limits.low == 4);
    mem_free(heard);
    told = (struct mould){.name = "troupe.namer", .marks = {.low = 9, .high = 8}};
    heard = mould_hear(world.runtime, &told);
    cr_assert_null(heard->behavior, "the node's own are not offered");
    cr_assert_eq(heard->status, TR_EINVAL);
    cr_assert(heard->reason[0] != '\0');
    mem_free(heard);
    fixture_close(&world);
}
