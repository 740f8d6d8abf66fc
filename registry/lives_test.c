#include "registry/lives.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(lives, .timeout = 30);

static struct life_notice life_of(const char *name, uint64_t incarnation, uint64_t admission) {
    struct life_notice notice = {.incarnation = incarnation,
                                 .space = 1000 * admission + incarnation,
                                 .admission = admission,
                                 .ordinal = (uint32_t)incarnation,
                                 .state = MEMBER_UP};
    snprintf(notice.name, sizeof(notice.name), "%s", name);
    snprintf(notice.endpoint, sizeof(notice.endpoint), "sim://%s", name);
    return notice;
}

static struct life *add(struct lives *lives, const char *name, uint64_t incarnation,
                        uint64_t admission) {
    struct life_notice notice = life_of(name, incarnation, admission);
    return lives_add(lives, &notice);
}

Test(lives, the_newest_life_of_a_name_is_present_in_whatever_order_they_come) {
    struct lives lives;
    lives_init(&lives, 100);
    struct life *second = add(&lives, "n1", 2, 5);
    struct life *first = add(&lives, "n1", 1, 1);
    cr_assert(lives_present(&lives, "n1") == second && first->replaced && !second->replaced);
    struct life *fourth = add(&lives, "n1", 4, 9);
    struct life *third = add(&lives, "n1", 3, 7);
    cr_assert(lives_present(&lives, "n1") == fourth && second->replaced && third->replaced);
    cr_assert(fourth->before == third && third->before == second && second->before == first);
    cr_assert(lives.present_count == 1 && lives.present[0] == fourth);
    cr_assert(second->member.endpoint[0] == '\0' && fourth->member.endpoint[0] != '\0');
    lives_fini(&lives);
}

Test(lives, lookups_find_replaced_lives_too) {
    struct lives lives;
    lives_init(&lives, 100);
    struct life *first = add(&lives, "n1", 1, 1);
    struct life *second = add(&lives, "n1", 2, 5);
    cr_assert(lives_find(&lives, "n1", 1) == first && lives_find(&lives, "n1", 3) == NULL);
    cr_assert(lives_by_space(&lives, 1001) == first && lives_by_space(&lives, 5002) == second);
    cr_assert(lives_by_ordinal(&lives, "n1", 1) == first);
    cr_assert(lives_by_ordinal(&lives, "n1", 9) == NULL);
    cr_assert(lives_by_ordinal(&lives, "n2", 1) == NULL);
    cr_assert(lives_next_ordinal(&lives, "n1") == 3 && lives_next_ordinal(&lives, "n2") == 0);
    lives_fini(&lives);
}

Test(lives, present_lives_stand_in_order_of_age) {
    struct lives lives;
    lives_init(&lives, 100);
    add(&lives, "n3", 1, 3);
    add(&lives, "n1", 1, 1);
    add(&lives, "n4", 1, 3);
    add(&lives, "n2", 2, 1);
    static const char *const expected[] = {"n1", "n2", "n3", "n4"};
    for (int i = 0; i < 4; i++) cr_assert_str_eq(lives.present[i]->name, expected[i]);
    cr_assert(lives.admission_max == 3);
    lives.present[1]->member.state = MEMBER_UP;
    lives.present[3]->member.state = MEMBER_SUSPECT;
    lives_rank(&lives);
    cr_assert(lives.present[0]->member.rank == MEMBER_NO_RANK);
    cr_assert(lives.present[1]->member.rank == 0 && lives.present[3]->member.rank == 1);
    lives_fini(&lives);
}

/* Two members may each have admitted it; all nodes must end with the same one. */
Test(lives, the_earliest_admission_holds_in_either_order) {
    for (int turn = 0; turn < 2; turn++) {
        struct lives lives;
        lives_init(&lives, 100);
        struct life_notice one = life_of("n1", 1, 4);
        struct life_notice two = life_of("n1", 1, 6);
        add(&lives, "n2", 1, 5);
        struct life *life = lives_add(&lives, turn == 0 ? &one : &two);
        bool changed = lives_merge(&lives, life, turn == 0 ? &two : &one);
        cr_assert(changed == (turn == 1));
        cr_assert(life->member.admission == 4 && life->member.space == 4001);
        cr_assert(lives.present[0] == life);
        cr_assert(lives_by_space(&lives, 4001) == life && lives_by_space(&lives, 6001) == NULL);
        cr_assert(!lives_merge(&lives, life, &one), "what is known changes nothing");
        lives_fini(&lives);
    }
}

Test(lives, of_two_lives_with_one_space_the_older_keeps_it_in_either_order) {
    for (int turn = 0; turn < 2; turn++) {
        struct lives lives;
        lives_init(&lives, 100);
        struct life_notice older = life_of("n1", 1, 4);
        struct life_notice younger = life_of("n2", 1, 6);
        older.space = younger.space = 77;
        lives_add(&lives, turn == 0 ? &older : &younger);
        lives_add(&lives, turn == 0 ? &younger : &older);
        cr_assert_str_eq(lives_by_space(&lives, 77)->name, "n1");
        lives_fini(&lives);
    }
}

Test(lives, a_description_makes_the_same_life_elsewhere) {
    struct lives one, two;
    lives_init(&one, 100);
    lives_init(&two, 100);
    struct life *life = add(&one, "n1", 3, 2);
    life->member.state = MEMBER_SUSPECT;
    life->member.public_key[5] = 9;
    struct life_notice notice;
    lives_describe(life, &notice);
    struct life *copy = lives_add(&two, &notice);
    cr_assert(notice.state == MEMBER_SUSPECT && copy->member.state == MEMBER_UNKNOWN);
    cr_assert(copy->member.space == life->member.space && copy->member.public_key[5] == 9);
    cr_assert_str_eq(copy->member.endpoint, "sim://n1");
    lives_fini(&one);
    lives_fini(&two);
}

Test(lives, a_full_table_forgets_the_oldest_replaced_life_and_no_present_one) {
    struct lives lives;
    lives_init(&lives, 4);
    add(&lives, "n1", 1, 1);
    add(&lives, "n2", 1, 2);
    add(&lives, "n1", 2, 3);
    add(&lives, "n1", 3, 4);
    cr_assert(add(&lives, "n1", 4, 5) != NULL);
    cr_assert(lives_find(&lives, "n1", 1) == NULL && lives_by_space(&lives, 1001) == NULL);
    cr_assert(lives_find(&lives, "n1", 2) != NULL && lives_find(&lives, "n2", 1) != NULL);
    add(&lives, "n3", 1, 6);
    add(&lives, "n4", 1, 7);
    cr_assert(lives_find(&lives, "n1", 3) == NULL);
    cr_assert(add(&lives, "n5", 1, 8) == NULL, "four present lives are no one's to forget");
    lives_present(&lives, "n2")->member.state = MEMBER_LEFT;
    cr_assert(add(&lives, "n5", 1, 8) != NULL && lives_present(&lives, "n2") == NULL);
    lives_fini(&lives);
}

Test(lives, this_node_is_never_forgotten) {
    struct lives lives;
    lives_init(&lives, 2);
    lives.self = add(&lives, "n1", 1, 1);
    add(&lives, "n1", 2, 2);
    cr_assert(add(&lives, "n2", 1, 3) == NULL);
    cr_assert(lives_find(&lives, "n1", 1) == lives.self);
    lives_fini(&lives);
}
