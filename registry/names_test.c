#include <criterion/criterion.h>

#include "registry/home.h"
#include "registry/registry_sim.h"

TestSuite(names, .timeout = 30);

static struct sim *settled(uint64_t seed, int count) {
    struct sim *sim = sim_new(seed, count);
    sim_start_all(sim);
    cr_assert(sim_settles(sim, NULL, 30 * SIM_S));
    sim_run(sim, 500 * SIM_MS);
    return sim;
}

static tr_status outcome(const struct sim *sim, uint64_t claim) {
    cr_assert(sim->claims[claim].answered);
    return sim->claims[claim].status;
}

/* True when the name resolves to that pid (all zero: to nobody) on every running node. */
static bool resolves(const struct sim *sim, const char *name, tr_pid pid) {
    for (int i = 0; i < sim->count; i++) {
        if (sim->nodes[i].names != NULL && !sim_same(sim_find(sim, i, name), pid)) return false;
    }
    return true;
}

static int home_index(const struct sim *sim, const char *name) {
    const char *nodes[SIM_NODES_MAX];
    for (int i = 0; i < sim->count; i++) nodes[i] = sim->nodes[i].name;
    return (int)home_of(name, nodes, (size_t)sim->count);
}

/* A name whose home is that node. */
static void name_at_home(const struct sim *sim, int index, char name_out[24]) {
    for (int i = 0;; i++) {
        snprintf(name_out, 24, "name-%d", i);
        if (home_index(sim, name_out) == index) return;
    }
}

Test(names, only_valid_names_are_taken) {
    static const char *const good[] = {"a", "bank-7", "Z\xc3\xbcrich", "a:b.c"};
    static const char *const bad[] = {"",         "a b",          "a/b",         "a\tb",
                                      "a\x7f",    "\xff",         "a\xc2\xa0.b", "\xe2\x80\xa8",
                                      "\xc2\x85", "\xed\xa0\x80", "a\n"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert(names_valid(good[i], strlen(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert(!names_valid(bad[i], strlen(bad[i])), "number %zu", i);
    }
    char longest[NAMES_NAME_BYTES_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    cr_assert(names_valid(longest, NAMES_NAME_BYTES_MAX));
    cr_assert(!names_valid(longest, NAMES_NAME_BYTES_MAX + 1));
}

Test(names, a_single_node_gives_names_within_the_call) {
    struct sim *sim = settled(1, 1);
    uint64_t first = sim_claim(sim, 0, "bank");
    cr_assert(outcome(sim, first) == TR_OK);
    uint64_t second = sim_claim(sim, 0, "bank");
    cr_assert(outcome(sim, second) == TR_EEXIST);
    cr_assert(sim_same(sim->claims[second].holder, sim->claims[first].pid));
    sim_end_actor(sim, 0, "bank", sim->claims[first].pid);
    cr_assert(outcome(sim, sim_claim(sim, 0, "bank")) == TR_OK);
    sim_free(sim);
}

Test(names, invalid_claims_are_refused_at_once) {
    struct sim *sim = settled(1, 1);
    struct names *names = sim->nodes[0].names;
    cr_assert(names_claim(names, "a b", (tr_pid){1, 1, 1}, 1, sim->now_ns) == TR_EINVAL);
    cr_assert(names_claim(names, "", (tr_pid){1, 1, 1}, 1, sim->now_ns) == TR_EINVAL);
    cr_assert(names_claim(names, "a", (tr_pid){0, 0, 0}, 1, sim->now_ns) == TR_EINVAL);
    sim_free(sim);
}

/* The promise: once it is answered, every node finds it without asking. */
Test(names, an_answered_claim_is_known_everywhere) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *sim = settled(seed, 5);
        for (int i = 0; i < 5; i++) {
            char name[24];
            snprintf(name, sizeof(name), "actor-%d", i);
            uint64_t claim = sim_claim(sim, i, name);
            while (!sim->claims[claim].answered) sim_run(sim, SIM_MS / 2);
            cr_assert(outcome(sim, claim) == TR_OK);
            cr_assert(resolves(sim, name, sim->claims[claim].pid), "seed %" PRIu64, seed);
        }
        sim_free(sim);
    }
}

Test(names, of_concurrent_claims_exactly_one_gets_the_name) {
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct sim *sim = settled(seed, 4);
        uint64_t claims[12];
        for (int i = 0; i < 12; i++) {
            sim_run(sim, random_below(&sim->random, 3) * SIM_MS);
            claims[i] = sim_claim(sim, i % 4, "leader");
        }
        sim_run(sim, 3 * SIM_S);
        int winners = 0;
        tr_pid holder = sim_find(sim, 0, "leader");
        for (int i = 0; i < 12; i++) {
            winners += outcome(sim, claims[i]) == TR_OK;
            if (outcome(sim, claims[i]) != TR_OK) {
                cr_assert(outcome(sim, claims[i]) == TR_EEXIST);
            }
            cr_assert(sim_same(sim->claims[claims[i]].holder, holder));
        }
        cr_assert(winners == 1 && resolves(sim, "leader", holder), "seed %" PRIu64, seed);
        sim_free(sim);
    }
}

Test(names, claiming_again_what_one_has_is_fine) {
    struct sim *sim = settled(2, 3);
    uint64_t claim = sim_claim(sim, 1, "bank");
    uint64_t twin = sim_claim_for(sim, 1, "bank", sim->claims[claim].pid);
    sim_run(sim, SIM_S);
    cr_assert(outcome(sim, claim) == TR_OK && outcome(sim, twin) == TR_OK);
    uint64_t late = sim_claim_for(sim, 1, "bank", sim->claims[claim].pid);
    cr_assert(outcome(sim, late) == TR_OK);
    sim_free(sim);
}

Test(names, the_end_of_an_actor_frees_its_names_everywhere) {
    struct sim *sim = settled(3, 4);
    uint64_t claim = sim_claim(sim, 2, "bank");
    sim_run(sim, SIM_S);
    tr_pid pid = sim->claims[claim].pid;
    sim_end_actor(sim, 2, "bank", pid);
    sim_run(sim, SIM_S);
    cr_assert(resolves(sim, "bank", (tr_pid){0, 0, 0}));
    size_t cursor = 0;
    struct names_entry entry;
    cr_assert(!names_next(sim->nodes[0].names, &cursor, &entry));
    sim_free(sim);
}

/* A supervisor that restarts an actor elsewhere must not be told that the dead one has the name,
 * however late its home hears of the death. */
Test(names, a_name_is_free_as_soon_as_its_holder_has_dropped_it) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct sim *sim = settled(seed, 4);
        sim->faultless = true;
        uint64_t first = sim_claim(sim, 0, "worker");
        sim_run(sim, SIM_S);
        cr_assert(outcome(sim, first) == TR_OK);
        sim_end_actor(sim, 0, "worker", sim->claims[first].pid);
        uint64_t second = sim_claim(sim, 1 + (int)(seed % 3), "worker");
        sim_run(sim, SIM_S);
        cr_assert(outcome(sim, second) == TR_OK, "seed %" PRIu64, seed);
        cr_assert(resolves(sim, "worker", sim->claims[second].pid));
        cr_assert(sim->nodes[sim->claims[second].node].lost_count == 0);
        sim_free(sim);
    }
}

Test(names, dropping_ends_a_claim_under_way) {
    for (uint64_t after_ms = 0; after_ms < 40; after_ms += 3) {
        struct sim *sim = settled(4 + after_ms, 3);
        uint64_t claim = sim_claim(sim, 1, "bank");
        sim_run(sim, after_ms * SIM_MS);
        bool was_answered = sim->claims[claim].answered;
        sim_end_actor(sim, 1, "bank", sim->claims[claim].pid);
        cr_assert(outcome(sim, claim) == (was_answered ? TR_OK : TR_EABORTED));
        sim_run(sim, SIM_S);
        cr_assert(resolves(sim, "bank", (tr_pid){0, 0, 0}));
        uint64_t next = sim_claim(sim, 2, "bank");
        sim_run(sim, SIM_S);
        cr_assert(outcome(sim, next) == TR_OK, "nothing of the first claim is in the way");
        sim_free(sim);
    }
}

Test(names, one_of_two_names_can_be_dropped) {
    struct sim *sim = settled(5, 2);
    tr_pid pid = {9, 9, 9};
    struct names *names = sim->nodes[0].names;
    sim_claim_for(sim, 0, "a", pid);
    sim_claim_for(sim, 0, "b", pid);
    sim_run(sim, SIM_S);
    names_drop(names, "a", pid, sim->now_ns);
    names_drop(names, "b", (tr_pid){8, 8, 8}, sim->now_ns);
    names_drop(names, "c", pid, sim->now_ns);
    sim_run(sim, SIM_S);
    cr_assert(resolves(sim, "a", (tr_pid){0, 0, 0}) && resolves(sim, "b", pid));
    sim_free(sim);
}

Test(names, names_of_a_node_that_is_down_are_dropped) {
    struct sim *sim = settled(6, 4);
    uint64_t claim = sim_claim(sim, 3, "bank");
    uint64_t other = sim_claim(sim, 1, "shop");
    sim_run(sim, SIM_S);
    sim_kill(sim, 3);
    sim_run(sim, 12 * SIM_S);
    cr_assert(outcome(sim, claim) == TR_OK);
    cr_assert(resolves(sim, "bank", (tr_pid){0, 0, 0}));
    cr_assert(resolves(sim, "shop", sim->claims[other].pid));
    uint64_t again = sim_claim(sim, 0, "bank");
    sim_run(sim, SIM_S);
    cr_assert(outcome(sim, again) == TR_OK);
    sim_free(sim);
}

Test(names, a_newcomer_gets_all_names) {
    static const int seeds[] = {0, -1};
    struct sim *sim = sim_new(7, 4);
    for (int i = 0; i < 3; i++) sim_start(sim, i, i == 0 ? NULL : seeds);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    for (int i = 0; i < 600; i++) {
        char name[24];
        snprintf(name, sizeof(name), "a%d", i);
        sim_claim(sim, i % 3, name);
    }
    sim_run(sim, 3 * SIM_S);
    sim_start(sim, 3, seeds);
    cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
    sim_run(sim, SIM_S);
    for (uint64_t i = 1; i <= 600; i++) {
        cr_assert(sim_same(sim_find(sim, 3, sim->claims[i].name), sim->claims[i].pid));
    }
    sim_free(sim);
}

/* Claims made before, while and after their home dies all come to an end, and none twice. */
Test(names, claims_outlive_their_home) {
    int retried = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct sim *sim = settled(seed, 5);
        char name[24];
        name_at_home(sim, 4, name);
        uint64_t claims[4];
        if (seed % 2 == 0) sim_kill(sim, 4);
        for (int i = 0; i < 4; i++) claims[i] = sim_claim(sim, i, name);
        sim_run(sim, (seed / 2) * SIM_MS);
        sim_kill(sim, 4);
        for (int i = 0; i < 4; i++) retried += !sim->claims[claims[i]].answered;
        sim_start(sim, 4, (const int[]){0, -1});
        cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
        sim_run(sim, 15 * SIM_S);
        int winners = 0;
        for (int i = 0; i < 4; i++) winners += outcome(sim, claims[i]) == TR_OK;
        cr_assert(winners == 1, "seed %" PRIu64 ": %d winners", seed, winners);
        cr_assert(resolves(sim, name, sim_find(sim, 0, name)));
        cr_assert(sim_find(sim, 0, name).space != 0);
        sim_free(sim);
    }
    cr_assert(retried > 60, "the home died too late to matter: %d", retried);
}

Test(names, a_claim_that_cannot_be_decided_times_out) {
    struct sim *sim = sim_new(8, 3);
    sim->claim_timeout_ms = 5000;
    sim_start_all(sim);
    cr_assert(sim_settles(sim, NULL, 30 * SIM_S));
    sim_partition(sim, 2, true);
    char name[24];
    name_at_home(sim, 2, name);
    uint64_t claim = sim_claim(sim, 0, name);
    sim_run(sim, 4 * SIM_S);
    cr_assert(!sim->claims[claim].answered);
    sim_run(sim, 1500 * SIM_MS);
    cr_assert(outcome(sim, claim) == TR_ETIMEDOUT);
    cr_assert(sim_find(sim, 1, name).space == 0);
    sim_run(sim, 10 * SIM_S);
    uint64_t next = sim_claim(sim, 0, name);
    sim_run(sim, SIM_S);
    cr_assert(outcome(sim, next) == TR_OK, "by then the part has a home of its own");
    sim_free(sim);
}

/* With the time that claims have by default. */
Test(names, a_claim_outlives_the_silence_before_its_home_is_down) {
    struct sim *sim = settled(11, 3);
    char name[24];
    name_at_home(sim, 2, name);
    sim_kill(sim, 2);
    uint64_t claim = sim_claim(sim, 0, name);
    sim_run(sim, 9 * SIM_S);
    cr_assert(!sim->claims[claim].answered);
    sim_run(sim, 3 * SIM_S);
    cr_assert(outcome(sim, claim) == TR_OK);
    sim_free(sim);
}

/* Both sides gave the name; the older claim wins everywhere, the other holder is told who. */
Test(names, after_a_partition_the_older_claim_wins) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *sim = settled(seed, 5);
        sim_partition(sim, 3, true);
        sim_run(sim, 13 * SIM_S);
        uint64_t left = sim_claim(sim, (int)(seed % 3), "king");
        sim_claim(sim, 4, "x1");
        sim_run(sim, SIM_S);
        uint64_t right = sim_claim(sim, 4, "king");
        sim_run(sim, SIM_S);
        cr_assert(outcome(sim, left) == TR_OK && outcome(sim, right) == TR_OK);
        struct names_entry one, two;
        cr_assert(names_find(sim->nodes[0].names, "king", &one));
        cr_assert(names_find(sim->nodes[4].names, "king", &two));
        bool left_older = one.age.lamport != two.age.lamport
                              ? one.age.lamport < two.age.lamport
                              : strcmp(one.age.node, two.age.node) < 0;
        uint64_t winner = left_older ? left : right;
        uint64_t loser = left_older ? right : left;
        sim_partition(sim, 3, false);
        cr_assert(sim_settles(sim, NULL, 10 * SIM_S));
        sim_run(sim, SIM_S);
        cr_assert(resolves(sim, "king", sim->claims[winner].pid), "seed %" PRIu64, seed);
        for (int i = 0; i < 5; i++) {
            cr_assert(sim->nodes[i].lost_count == (i == sim->claims[loser].node));
        }
        sim_free(sim);
    }
}

/* A and C do not see each other; B, who sees both, tells the younger one. */
Test(names, two_holders_on_a_broken_path_are_reconciled_by_who_sees_both) {
    struct sim *sim = settled(9, 3);
    sim->cut[0][1] = sim->cut[1][0] = true;
    sim->cut[0][2] = sim->cut[2][0] = true;
    sim_run(sim, 13 * SIM_S);
    uint64_t first = sim_claim(sim, 0, "king");
    sim_run(sim, SIM_S);
    uint64_t second = sim_claim(sim, 2, "king");
    sim_run(sim, SIM_S);
    cr_assert(outcome(sim, first) == TR_OK && outcome(sim, second) == TR_OK);
    sim->cut[0][1] = sim->cut[1][0] = false;
    sim_run(sim, 15 * SIM_S);
    cr_assert(sim_state(sim, 0, 1) == MEMBER_UP && sim_state(sim, 0, 2) == MEMBER_DOWN);
    cr_assert(sim->nodes[0].lost_count + sim->nodes[2].lost_count == 1);
    cr_assert(sim->nodes[0].held_count + sim->nodes[2].held_count == 1);
    sim_free(sim);
}

Test(names, malformed_bytes_change_nothing_and_say_why) {
    static const uint8_t bytes[] = {0x95, 0x04, 0x01, 0x01, 0x01, 0xdb, 0xff, 0xff, 0xff, 0xff};
    struct sim *sim = settled(10, 2);
    tr_error error = {0};
    tr_status status =
        names_receive(sim->nodes[0].names, "n2", bytes, sizeof(bytes), sim->now_ns, &error);
    cr_assert(status == TR_EDATA);
    cr_assert(strstr(error.message, "a names message from n2: ") != NULL, "%s", error.message);
    uint64_t claim = sim_claim(sim, 0, "bank");
    sim_run(sim, SIM_S);
    cr_assert(outcome(sim, claim) == TR_OK && resolves(sim, "bank", sim->claims[claim].pid));
    sim_free(sim);
}
