#include <criterion/criterion.h>

#include "registry/registry_sim.h"

TestSuite(members, .timeout = 30);

static const int seed_first[] = {0, -1};

/* A cluster of `count` that has settled. */
static struct sim *settled(uint64_t seed, int count) {
    struct sim *sim = sim_new(seed, count);
    sim_start_all(sim);
    cr_assert(sim_settles(sim, NULL, 30 * SIM_S));
    return sim;
}

Test(members, founder_is_up_at_once_and_oldest) {
    struct sim *sim = sim_new(1, 1);
    sim_start(sim, 0, NULL);
    sim_run(sim, 0);
    const struct member *self = members_self(sim->nodes[0].members);
    cr_assert(self->state == MEMBER_UP && self->rank == 0 && self->admission == 1);
    cr_assert(members_ready(sim->nodes[0].members));
    sim_free(sim);
}

Test(members, a_list_of_seeds_that_names_only_oneself_founds_too) {
    struct sim *sim = sim_new(1, 1);
    sim_start(sim, 0, seed_first);
    sim_run(sim, 0);
    cr_assert(members_ready(sim->nodes[0].members));
    sim_free(sim);
}

Test(members, seven_join_through_one_seed_at_once) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sim *sim = sim_new(seed, 8);
        sim_start_all(sim);
        cr_assert(sim_settles(sim, NULL, 10 * SIM_S), "seed %" PRIu64, seed);
        for (int i = 0; i < 8; i++) {
            cr_assert(members_count(sim->nodes[i].members) == 8);
            cr_assert(sim->nodes[i].changes[MEMBER_DOWN] == 0, "joining accuses nobody");
            cr_assert(sim->nodes[i].changes[MEMBER_UP] == 7);
        }
        sim_free(sim);
    }
}

Test(members, all_nodes_have_one_order_of_age) {
    struct sim *sim = settled(3, 8);
    for (size_t rank = 0; rank < 8; rank++) {
        const struct member *first = members_at(sim->nodes[0].members, rank);
        cr_assert(first->rank == rank && first->admission == rank + 1);
        for (int i = 1; i < 8; i++) {
            const struct member *other = members_at(sim->nodes[i].members, rank);
            cr_assert(strcmp(first->name, other->name) == 0);
        }
    }
    cr_assert(members_at(sim->nodes[0].members, 8) == NULL);
    sim_free(sim);
}

Test(members, a_seed_that_starts_late_is_waited_for) {
    struct sim *sim = sim_new(4, 2);
    sim_start(sim, 1, seed_first);
    sim_run(sim, 40 * SIM_S);
    cr_assert(members_self(sim->nodes[1].members)->state == MEMBER_JOINING);
    sim_start(sim, 0, NULL);
    cr_assert(sim_settles(sim, NULL, 6 * SIM_S));
    sim_free(sim);
}

Test(members, a_seed_that_is_not_the_oldest_redirects) {
    static const int seed_third[] = {2, -1};
    struct sim *sim = sim_new(5, 4);
    sim_start(sim, 0, NULL);
    sim_start(sim, 1, seed_first);
    sim_start(sim, 2, seed_first);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    sim_start(sim, 3, seed_third);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    const struct member *last = members_find_by_name(sim->nodes[0].members, "n4");
    cr_assert(last->admission == 4);
    sim_free(sim);
}

Test(members, a_space_that_is_taken_is_drawn_again) {
    struct sim *sim = sim_new(6, 4);
    sim->forced_space = true;
    sim_start_all(sim);
    cr_assert(sim_settles(sim, NULL, 20 * SIM_S));
    for (int i = 0; i < 4; i++) {
        const struct member *self = members_self(sim->nodes[i].members);
        cr_assert((self->space == 77) == (i == 0));
        for (int j = 0; j < 4; j++) {
            const struct member *found = members_find_by_space(sim->nodes[j].members, self->space);
            cr_assert(found != NULL && strcmp(found->name, self->name) == 0);
        }
    }
    sim_free(sim);
}

Test(members, nobody_is_admitted_while_frozen) {
    struct sim *sim = sim_new(7, 3);
    sim_start(sim, 0, NULL);
    sim_start(sim, 1, seed_first);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    sim->nodes[0].frozen = sim->nodes[1].frozen = true;
    sim_start(sim, 2, seed_first);
    sim_run(sim, 20 * SIM_S);
    cr_assert(members_view(sim->nodes[0].members, NULL, 0) == 2);
    cr_assert(members_view(sim->nodes[1].members, NULL, 0) == 2);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_UNKNOWN && sim_state(sim, 1, 2) == MEMBER_UNKNOWN);
    cr_assert(!members_ready(sim->nodes[2].members));
    sim->nodes[0].frozen = sim->nodes[1].frozen = false;
    cr_assert(sim_settles(sim, NULL, 5 * SIM_S));
    sim_free(sim);
}

Test(members, a_partition_that_heals_while_frozen_waits_for_the_end) {
    struct sim *sim = settled(8, 3);
    sim_partition(sim, 2, true);
    sim_run(sim, 15 * SIM_S);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_DOWN);
    sim->nodes[0].frozen = sim->nodes[1].frozen = true;
    sim_partition(sim, 2, false);
    sim_run(sim, 15 * SIM_S);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_DOWN && sim_state(sim, 1, 2) == MEMBER_DOWN);
    cr_assert(sim_state(sim, 2, 0) == MEMBER_DOWN, "the other side sees no half-open member");
    sim->nodes[0].frozen = sim->nodes[1].frozen = false;
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    sim_free(sim);
}

Test(members, the_oldest_may_die_while_it_admits) {
    int interrupted = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        static const int seeds[] = {0, 1, 2, -1};
        struct sim *sim = sim_new(seed, 6);
        for (int i = 0; i < 3; i++) sim_start(sim, i, i == 0 ? NULL : seeds);
        cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
        for (int i = 3; i < 6; i++) sim_start(sim, i, seeds);
        sim_run(sim, seed * 4 * SIM_MS);
        for (int i = 3; i < 6; i++) {
            interrupted += !members_ready(sim->nodes[i].members);
        }
        sim_kill(sim, 0);
        cr_assert(sim_settles(sim, NULL, 40 * SIM_S), "seed %" PRIu64, seed);
        cr_assert(sim_state(sim, 1, 0) == MEMBER_DOWN);
        sim_free(sim);
    }
    cr_assert(interrupted > 20, "the kills came too late to matter: %d", interrupted);
}

Test(members, silence_makes_suspect_and_then_down) {
    struct sim *sim = settled(9, 3);
    sim_kill(sim, 2);
    sim_run(sim, 2400 * SIM_MS);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_UP, "a lost connection alone is no proof");
    sim_run(sim, 2 * SIM_S);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_SUSPECT);
    cr_assert(members_view(sim->nodes[0].members, NULL, 0) == 3);
    sim_run(sim, 8 * SIM_S);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_DOWN && sim_state(sim, 1, 2) == MEMBER_DOWN);
    cr_assert(members_find_by_name(sim->nodes[0].members, "n3")->rank == MEMBER_NO_RANK);
    cr_assert(sim_agree(sim, NULL));
    sim_free(sim);
}

Test(members, suspicion_is_taken_back_when_the_peer_is_heard) {
    struct sim *sim = settled(10, 3);
    sim->nodes[2].stalled_until_ns = sim->now_ns + 6 * SIM_S;
    sim_run(sim, 5 * SIM_S);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_SUSPECT);
    sim_run(sim, 3 * SIM_S);
    cr_assert(sim_agree(sim, NULL) && sim_state(sim, 0, 2) == MEMBER_UP);
    cr_assert(sim->nodes[0].changes[MEMBER_DOWN] == 0);
    sim_free(sim);
}

/* The node that slept must not take its own sleep for the silence of others. */
Test(members, own_timer_slip_accuses_nobody) {
    struct sim *sim = settled(11, 4);
    sim->nodes[3].stalled_until_ns = sim->now_ns + 8 * SIM_S;
    sim_run(sim, 8 * SIM_S - 1);
    cr_assert(sim_state(sim, 0, 3) == MEMBER_SUSPECT);
    members_tick(sim->nodes[3].members, sim->now_ns);
    cr_assert(sim->nodes[3].changes[MEMBER_SUSPECT] == 0);
    sim_run(sim, 2 * SIM_S);
    cr_assert(sim->nodes[3].changes[MEMBER_SUSPECT] == 0 && sim_agree(sim, NULL));
    sim_free(sim);
}

/* As when the machine they all run on was asleep. */
Test(members, all_timers_slipping_accuse_nobody) {
    struct sim *sim = settled(11, 4);
    for (int i = 0; i < 4; i++) sim->nodes[i].stalled_until_ns = sim->now_ns + 60 * SIM_S;
    sim_run(sim, 60 * SIM_S - 1);
    for (int i = 0; i < 4; i++) members_tick(sim->nodes[i].members, sim->now_ns);
    sim_run(sim, 5 * SIM_S);
    for (int i = 0; i < 4; i++) {
        cr_assert(sim->nodes[i].changes[MEMBER_SUSPECT] == 0);
        cr_assert(sim->nodes[i].changes[MEMBER_DOWN] == 0);
    }
    sim_free(sim);
}

Test(members, both_sides_of_a_partition_live_on_and_heal_with_the_same_incarnations) {
    static const int left[] = {0, 1, 2, -1};
    static const int right[] = {3, 4, -1};
    struct sim *sim = settled(12, 5);
    uint64_t incarnation = members_self(sim->nodes[4].members)->incarnation;
    sim_partition(sim, 3, true);
    cr_assert(sim_settles(sim, left, 15 * SIM_S) && sim_settles(sim, right, 15 * SIM_S));
    cr_assert(sim_state(sim, 0, 4) == MEMBER_DOWN && sim_state(sim, 4, 0) == MEMBER_DOWN);
    sim_partition(sim, 3, false);
    cr_assert(sim_settles(sim, NULL, 15 * SIM_S));
    cr_assert(members_self(sim->nodes[4].members)->incarnation == incarnation);
    const struct member *back = members_find_by_name(sim->nodes[0].members, "n5");
    cr_assert(back->incarnation == incarnation && back->state == MEMBER_UP);
    sim_free(sim);
}

Test(members, both_sides_admit_and_merge_on_healing) {
    static const int left[] = {0, 1, 4, -1};
    static const int right[] = {2, 3, 5, -1};
    static const int seed_right[] = {3, -1};
    struct sim *sim = sim_new(13, 6);
    for (int i = 0; i < 4; i++) sim_start(sim, i, i == 0 ? NULL : seed_first);
    cr_assert(sim_settles(sim, NULL, 15 * SIM_S));
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++)
            sim->cut[i][j] = (i == 0 || i == 1 || i == 4) != (j == 0 || j == 1 || j == 4);
    }
    sim_run(sim, 12 * SIM_S);
    sim_start(sim, 4, seed_first);
    sim_start(sim, 5, seed_right);
    cr_assert(sim_settles(sim, left, 15 * SIM_S) && sim_settles(sim, right, 15 * SIM_S));
    memset(sim->cut, 0, sizeof(sim->cut));
    cr_assert(sim_settles(sim, NULL, 20 * SIM_S));
    cr_assert(members_find_by_name(sim->nodes[0].members, "n5")->admission == 5);
    cr_assert(members_find_by_name(sim->nodes[0].members, "n6")->admission == 5);
    for (size_t rank = 0; rank < 6; rank++) {
        for (int i = 1; i < 6; i++) {
            cr_assert(strcmp(members_at(sim->nodes[0].members, rank)->name,
                             members_at(sim->nodes[i].members, rank)->name) == 0);
        }
    }
    sim_free(sim);
}

/* A sees C down, C sees A down, B sees both: nobody is pushed out, and it heals. */
Test(members, one_broken_path_leaves_local_views) {
    struct sim *sim = settled(14, 3);
    sim->cut[0][2] = sim->cut[2][0] = true;
    sim_run(sim, 15 * SIM_S);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_DOWN && sim_state(sim, 2, 0) == MEMBER_DOWN);
    cr_assert(sim_state(sim, 1, 0) == MEMBER_UP && sim_state(sim, 1, 2) == MEMBER_UP);
    for (int i = 0; i < 3; i++) cr_assert(members_ready(sim->nodes[i].members));
    cr_assert(members_view_digest(sim->nodes[0].members) !=
              members_view_digest(sim->nodes[1].members));
    sim->cut[0][2] = sim->cut[2][0] = false;
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    sim_free(sim);
}

Test(members, a_clean_leave_is_left_at_once) {
    struct sim *sim = settled(15, 4);
    members_leave(sim->nodes[2].members, sim->now_ns);
    sim_run(sim, 400 * SIM_MS);
    cr_assert(sim->nodes[2].left, "all have answered before the time is over");
    for (int i = 0; i < 4; i++) {
        if (i == 2) continue;
        cr_assert(sim_state(sim, i, 2) == MEMBER_LEFT);
        cr_assert(sim->nodes[i].changes[MEMBER_DOWN] == 0);
    }
    sim_kill(sim, 2);
    sim_run(sim, 20 * SIM_S);
    cr_assert(sim_state(sim, 0, 2) == MEMBER_LEFT && sim->nodes[0].changes[MEMBER_SUSPECT] == 0);
    cr_assert(sim_agree(sim, NULL));
    sim_free(sim);
}

Test(members, a_leave_that_nobody_answers_ends_by_its_time) {
    struct sim *sim = settled(16, 2);
    sim_partition(sim, 1, true);
    members_leave(sim->nodes[1].members, sim->now_ns);
    cr_assert(!sim->nodes[1].left);
    sim_run(sim, 1300 * SIM_MS);
    cr_assert(sim->nodes[1].left);
    sim_free(sim);
}

Test(members, who_missed_the_leave_hears_of_it_later) {
    struct sim *sim = settled(17, 4);
    sim_partition(sim, 3, true);
    sim_run(sim, 12 * SIM_S);
    members_leave(sim->nodes[2].members, sim->now_ns);
    sim_run(sim, 2 * SIM_S);
    sim_kill(sim, 2);
    cr_assert(sim_state(sim, 3, 2) == MEMBER_DOWN);
    sim_partition(sim, 3, false);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    cr_assert(sim_state(sim, 3, 2) == MEMBER_LEFT);
    sim_free(sim);
}

Test(members, a_leave_is_told_on_to_whom_it_could_not_reach) {
    struct sim *sim = settled(26, 3);
    sim->cut[1][2] = sim->cut[2][1] = true;
    members_leave(sim->nodes[2].members, sim->now_ns);
    sim_run(sim, 500 * SIM_MS);
    cr_assert(sim_state(sim, 1, 2) == MEMBER_LEFT);
    cr_assert(sim->nodes[1].changes[MEMBER_SUSPECT] == 0);
    sim_free(sim);
}

/* A newcomer whose path to the second of three members is cut. */
static struct sim *half_met(uint64_t seed) {
    struct sim *sim = sim_new(seed, 4);
    for (int i = 0; i < 3; i++) sim_start(sim, i, i == 0 ? NULL : seed_first);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    sim->cut[1][3] = sim->cut[3][1] = true;
    sim_start(sim, 3, seed_first);
    sim_run(sim, 5 * SIM_S);
    cr_assert(sim_state(sim, 3, 0) == MEMBER_UP && sim_state(sim, 3, 2) == MEMBER_UP);
    return sim;
}

Test(members, a_newcomer_is_up_only_when_it_has_met_all) {
    struct sim *sim = half_met(27);
    cr_assert(!members_ready(sim->nodes[3].members));
    for (int i = 0; i < 3; i++) cr_assert(sim_state(sim, i, 3) == MEMBER_JOINING);
    sim->cut[1][3] = sim->cut[3][1] = false;
    cr_assert(sim_settles(sim, NULL, 6 * SIM_S));
    sim_free(sim);
}

Test(members, a_newcomer_waits_for_a_member_no_longer_than_for_a_silent_one) {
    struct sim *sim = half_met(28);
    sim_run(sim, 3 * SIM_S);
    cr_assert(!members_ready(sim->nodes[3].members));
    sim_run(sim, 4 * SIM_S);
    cr_assert(members_ready(sim->nodes[3].members) && sim_state(sim, 3, 1) == MEMBER_DOWN);
    sim_free(sim);
}

Test(members, a_newcomer_does_not_wait_for_one_that_leaves) {
    struct sim *sim = half_met(29);
    members_leave(sim->nodes[1].members, sim->now_ns);
    sim_run(sim, 500 * SIM_MS);
    cr_assert(members_ready(sim->nodes[3].members));
    sim_free(sim);
}

Test(members, a_new_life_replaces_the_old_one_before_silence_tells) {
    struct sim *sim = settled(18, 4);
    uint64_t old_space = members_self(sim->nodes[3].members)->space;
    sim_kill(sim, 3);
    sim_run(sim, 500 * SIM_MS);
    sim_start(sim, 3, seed_first);
    cr_assert(sim_settles(sim, NULL, 3 * SIM_S));
    const struct member *self = members_self(sim->nodes[3].members);
    cr_assert(self->ordinal == 1 && self->space != old_space);
    for (int i = 0; i < 4; i++) {
        const struct members *members = sim->nodes[i].members;
        cr_assert(members_find_by_name(members, "n4")->incarnation == self->incarnation);
        const struct member *old = members_find_by_ordinal(members, "n4", 0);
        cr_assert(old != NULL && old->space == old_space && old->state == MEMBER_DOWN);
        cr_assert(members_find_by_space(members, old_space) == old);
        cr_assert(members_find_by_ordinal(members, "n4", 1)->space == self->space);
        cr_assert(members_find_by_ordinal(members, "n4", 2) == NULL);
        cr_assert(members_count(members) == 4);
    }
    sim_free(sim);
}

/* Its disk was wiped: the cluster remembers how often it lived. */
Test(members, an_ordinal_is_never_given_twice) {
    struct sim *sim = settled(19, 3);
    sim_kill(sim, 2);
    sim->nodes[2].ordinal = 0;
    sim_start(sim, 2, seed_first);
    cr_assert(sim_settles(sim, NULL, 5 * SIM_S));
    cr_assert(members_self(sim->nodes[2].members)->ordinal == 1);
    sim_free(sim);
}

/* It has no seeds, but the others dial it: the two clusters merge. */
Test(members, a_founder_that_starts_again_comes_back) {
    struct sim *sim = settled(20, 3);
    sim_kill(sim, 0);
    sim_run(sim, 20 * SIM_S);
    sim_start(sim, 0, NULL);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    cr_assert(members_view(sim->nodes[0].members, NULL, 0) == 3);
    sim_free(sim);
}

Test(members, a_member_that_left_may_join_again) {
    struct sim *sim = settled(21, 3);
    members_leave(sim->nodes[1].members, sim->now_ns);
    sim_run(sim, SIM_S);
    sim_kill(sim, 1);
    sim_start(sim, 1, seed_first);
    cr_assert(sim_settles(sim, NULL, 5 * SIM_S));
    cr_assert(sim_state(sim, 0, 1) == MEMBER_UP);
    sim_free(sim);
}

Test(members, a_malformed_message_ends_the_session_and_says_why) {
    static const uint8_t bytes[] = {0x94, 0x06, 0x02, 0xc3, 0xdd, 0xff, 0xff, 0xff, 0xff};
    struct sim *sim = settled(22, 2);
    tr_error error = {0};
    tr_status status =
        members_receive(sim->nodes[0].members, "n2", bytes, sizeof(bytes), sim->now_ns, &error);
    cr_assert(status == TR_EDATA);
    cr_assert(strstr(error.message, "from n2: an array too long at byte 9") != NULL, "%s",
              error.message);
    cr_assert(strcmp(sim->nodes[0].nonsense, error.message) == 0);
    cr_assert(sim_state(sim, 0, 1) == MEMBER_DOWN);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S), "a new session starts over");
    sim_free(sim);
}

Test(members, bytes_of_a_session_that_has_ended_are_nothing) {
    static const uint8_t bytes[] = {0xc1};
    struct sim *sim = settled(23, 2);
    uint64_t version = members_version(sim->nodes[0].members);
    tr_status status =
        members_receive(sim->nodes[0].members, "n9", bytes, sizeof(bytes), sim->now_ns, NULL);
    cr_assert(status == TR_OK && members_version(sim->nodes[0].members) == version);
    sim_free(sim);
}

Test(members, a_life_older_than_a_known_one_is_refused) {
    struct sim *sim = settled(25, 3);
    uint64_t newest = sim->incarnations;
    sim_kill(sim, 2);
    sim->incarnations = 0; /* as if its folder, and the clock, had gone back */
    sim_start(sim, 2, seed_first);
    sim->incarnations = newest;
    sim_run(sim, 30 * SIM_S);
    cr_assert(sim->nodes[2].refused);
    cr_assert(members_self(sim->nodes[2].members)->state == MEMBER_JOINING);
    cr_assert(members_find_by_name(sim->nodes[0].members, "n3")->incarnation == newest);
    sim_free(sim);
}

/* Two nodes configured with one name: the later one takes the place, the first is told so and
 * never kills itself. */
Test(members, a_second_node_of_a_name_takes_its_place) {
    struct sim *sim = settled(24, 2);
    struct members_peer twin = {
        .name = "n2", .incarnation = 1000, .session = 1000, .endpoint = "sim://n2"};
    sim->nodes[0].ends[1].session = 0;
    members_session_up(sim->nodes[0].members, &twin, sim->now_ns);
    cr_assert(sim_state(sim, 0, 1) == MEMBER_DOWN);
    members_session_down(sim->nodes[0].members, "n2", 1000, "gone", sim->now_ns);
    sim_run(sim, 20 * SIM_S);
    cr_assert(sim_state(sim, 0, 1) == MEMBER_DOWN, "a replaced life never comes back");
    cr_assert(sim->nodes[1].superseded);
    cr_assert(members_self(sim->nodes[1].members)->state == MEMBER_UP);
    sim_free(sim);
}
