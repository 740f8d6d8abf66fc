/* slots_test.c - pairs are never given out twice, slots retire, look-ups are exact. */
#include "node/slots.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(slots, .timeout = 30);

static struct slots table;
static struct slot_cache cache;

static void open_table(void) {
    slots_init(&table);
    memset(&cache, 0, sizeof cache);
}

Test(slots, numbers_begin_at_zero_and_generations_at_one) {
    open_table();
    for (uint32_t i = 0; i < 200; i++) {
        struct slot_head head = slots_take(&table, &cache);
        cr_assert_eq(head.slot, i);
        cr_assert_eq(head.generation, 1);
    }
    slots_fini(&table);
}

Test(slots, find_knows_exactly_what_was_put_and_not_removed) {
    open_table();
    struct slot_head head = slots_take(&table, &cache);
    cr_assert_null(slots_find(&table, head.slot, head.generation), "taken is not yet put");
    slots_put(&table, &head);
    cr_assert_eq(slots_find(&table, head.slot, head.generation), &head);
    cr_assert_eq(slots_at(&table, head.slot), &head);
    cr_assert_null(slots_find(&table, head.slot, head.generation + 1));
    cr_assert_null(slots_find(&table, head.slot + 1, 1));
    cr_assert_null(slots_find(&table, UINT32_MAX, 1), "no segment is there");
    slots_remove(&table, &head, &cache);
    cr_assert_null(slots_find(&table, head.slot, head.generation));
    slots_fini(&table);
}

Test(slots, a_slot_comes_back_with_its_next_generation) {
    open_table();
    struct slot_head head = slots_take(&table, &cache);
    slots_put(&table, &head);
    slots_remove(&table, &head, &cache);
    struct slot_head again = slots_take(&table, &cache);
    cr_assert_eq(again.slot, head.slot);
    cr_assert_eq(again.generation, 2);
    slots_fini(&table);
}

Test(slots, a_slot_whose_generations_are_used_up_retires) {
    open_table();
    struct slot_head head = slots_take(&table, &cache);
    head.generation = UINT32_MAX;
    slots_put(&table, &head);
    slots_remove(&table, &head, &cache);
    for (int i = 0; i < 200; i++) cr_assert_neq(slots_take(&table, &cache).slot, head.slot);
    slots_fini(&table);
}

Test(slots, what_one_cache_frees_another_takes_without_growth) {
    open_table();
    struct slot_cache other = {.count = 0};
    enum { COUNT = 5000 };
    static struct slot_head heads[COUNT];
    for (int i = 0; i < COUNT; i++) {
        heads[i] = slots_take(&table, &cache);
        slots_put(&table, &heads[i]);
    }
    uint32_t used = slots_used(&table);
    for (int i = 0; i < COUNT; i++) slots_remove(&table, &heads[i], &cache);
    for (int i = 0; i < COUNT - 4 * SLOTS_CACHE; i++)
        cr_assert_eq(slots_take(&table, &other).generation, 2);
    cr_assert_eq(slots_used(&table), used);
    slots_fini(&table);
}

/* Somebody may hold that pair already, as a pid that was never born. */
Test(slots, a_slot_that_is_skipped_never_gives_that_pair_again) {
    open_table();
    struct slot_head head = slots_take(&table, &cache);
    slots_skip(&table, head.slot, &cache);
    struct slot_head again = slots_take(&table, &cache);
    cr_assert_eq(again.slot, head.slot);
    cr_assert_eq(again.generation, head.generation + 1);
    slots_entry(&table, again.slot)->generation = UINT32_MAX;
    slots_skip(&table, again.slot, &cache);
    for (int i = 0; i < 200; i++) cr_assert_neq(slots_take(&table, &cache).slot, head.slot);
    cr_assert_null(slots_entry(&table, slots_used(&table)));
    slots_fini(&table);
}
