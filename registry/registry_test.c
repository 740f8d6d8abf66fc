/*
 * Whole clusters under random faults, from seeds. While a seed runs, registry_sim.h checks that no
 * claim is answered twice and that a claim answered TR_OK has no rival within reach; at the end
 * all faults are mended, and everybody must come to one view and one table of names.
 */
#include <criterion/criterion.h>

#include "registry/registry_sim.h"

TestSuite(registry, .timeout = 60);

enum { NAMES = 12, SEEDS = 600 };

/* What happened in all seeds together: faults that never happen prove nothing. */
struct tally {
    int kills, restarts, leaves, partitions, given, taken, aborted, timed_out, lost, downs;
};

static void random_name(struct sim *sim, char name_out[24]) {
    snprintf(name_out, 24, "name-%d", (int)random_below(&sim->random, NAMES));
}

static int random_node(struct sim *sim) {
    return (int)random_below(&sim->random, (uint64_t)sim->count);
}

static void claim_something(struct sim *sim) {
    int index = random_node(sim);
    if (!sim_running(sim, index) || sim->claim_count >= SIM_CLAIMS_MAX) return;
    bool ready = members_ready(sim->nodes[index].members);
    if (!ready && random_below(&sim->random, 4) > 0) return;
    char name[24];
    random_name(sim, name);
    sim_claim(sim, index, name);
}

/* Ends the actor that claimed last, perhaps before it has an answer. */
static void end_claimant(struct sim *sim) {
    const struct sim_claim *claim = &sim->claims[sim->claim_count - 1];
    const struct sim_node *node = &sim->nodes[claim->node];
    if (!sim_running(sim, claim->node) || claim->pid.space != node->incarnation) return;
    sim_end_actor(sim, claim->node, claim->name, claim->pid);
}

static void end_something(struct sim *sim) {
    struct sim_node *node = &sim->nodes[random_node(sim)];
    if (node->members == NULL || node->held_count == 0) return;
    struct sim_held held = node->held[random_below(&sim->random, (uint64_t)node->held_count)];
    sim_end_actor(sim, node->index, held.name, held.pid);
}

/* Starts with all others as seeds, as a careful configuration would have it. */
static void start_seeded(struct sim *sim, int index) {
    int seeds[SIM_NODES_MAX + 1];
    int count = 0;
    for (int i = 0; i < sim->count; i++) {
        if (i != index) seeds[count++] = i;
    }
    seeds[count] = -1;
    sim_start(sim, index, seeds);
}

static void kill_or_restart(struct sim *sim, struct tally *tally) {
    int index = random_node(sim);
    if (!sim_running(sim, index)) {
        sim_kill(sim, index); /* one that has left may still be there */
        start_seeded(sim, index);
        tally->restarts++;
        return;
    }
    /* Newcomers with nobody left to ask would look for ever: one member stays. */
    int others_up = 0;
    for (int i = 0; i < sim->count; i++) {
        others_up += i != index && sim_running(sim, i) && members_ready(sim->nodes[i].members);
    }
    if (others_up == 0) return;
    if (random_below(&sim->random, 3) == 0) {
        members_leave(sim->nodes[index].members, sim->now_ns);
        tally->leaves++;
    } else {
        sim_kill(sim, index);
        tally->kills++;
    }
}

static void change_paths(struct sim *sim, struct tally *tally) {
    uint64_t kind = random_below(&sim->random, 4);
    memset(sim->cut, 0, sizeof(sim->cut));
    if (kind == 0) return;
    tally->partitions++;
    if (kind == 1) {
        int a = random_node(sim);
        int b = random_node(sim);
        if (a != b) sim->cut[a][b] = sim->cut[b][a] = true;
        return;
    }
    sim_partition(sim, 1 + random_node(sim), true);
}

static void stall(struct sim *sim) {
    struct sim_node *node = &sim->nodes[random_node(sim)];
    node->stalled_until_ns = sim->now_ns + random_below(&sim->random, 12) * SIM_S;
}

static void one_step(struct sim *sim, struct tally *tally) {
    uint64_t dice = random_below(&sim->random, 100);
    if (dice < 60) {
        claim_something(sim);
    } else if (dice < 64) {
        end_claimant(sim);
    } else if (dice < 84) {
        end_something(sim);
    } else if (dice < 90) {
        kill_or_restart(sim, tally);
    } else if (dice < 95) {
        change_paths(sim, tally);
    } else if (dice < 97) {
        stall(sim);
    } else {
        sim_run(sim, random_below(&sim->random, 14) * SIM_S);
    }
    sim_run(sim, random_below(&sim->random, 60) * SIM_MS);
}

/* Every name resolves to one pid on all nodes, whose node knows that its actor has it. */
static void check_names(const struct sim *sim, uint64_t seed) {
    for (int i = 0; i < NAMES; i++) {
        char name[24];
        snprintf(name, sizeof(name), "name-%d", i);
        bool first = true;
        tr_pid pid = {0, 0, 0};
        for (int j = 0; j < sim->count; j++) {
            if (!sim_running(sim, j)) continue;
            if (first) pid = sim_find(sim, j, name);
            first = false;
            if (!sim_same(sim_find(sim, j, name), pid)) sim_print_name(sim, name);
            cr_assert(sim_same(sim_find(sim, j, name), pid), "seed %" PRIu64 ": %s at n%d", seed,
                      name, j + 1);
        }
        int held = 0;
        for (int j = 0; j < sim->count; j++) {
            const struct sim_node *node = &sim->nodes[j];
            for (int k = 0; sim_running(sim, j) && k < node->held_count; k++) {
                if (strcmp(node->held[k].name, name) != 0) continue;
                held++;
                cr_assert(sim_same(node->held[k].pid, pid), "seed %" PRIu64 ": %s", seed, name);
            }
        }
        cr_assert(held == (pid.space != 0), "seed %" PRIu64 ": %s has %d holders", seed, name,
                  held);
    }
}

/* Claims of lives that ended have no answer; all others do. */
static void check_claims(const struct sim *sim, uint64_t seed, struct tally *tally) {
    for (uint64_t i = 1; i < sim->claim_count; i++) {
        const struct sim_claim *claim = &sim->claims[i];
        const struct sim_node *node = &sim->nodes[claim->node];
        bool lives = sim_running(sim, claim->node) && claim->pid.space == node->incarnation;
        cr_assert(claim->answered || !lives, "seed %" PRIu64 ": claim %" PRIu64, seed, i);
        if (!claim->answered) continue;
        tally->given += claim->status == TR_OK;
        tally->taken += claim->status == TR_EEXIST;
        tally->aborted += claim->status == TR_EABORTED;
        tally->timed_out += claim->status == TR_ETIMEDOUT;
    }
}

static void run_seed(uint64_t seed, struct tally *tally) {
    struct sim *sim = sim_new(seed, 3 + (int)(seed % 5));
    sim->claim_timeout_ms = seed % 2 == 0 ? 0 : 3000;
    sim_start(sim, 0, NULL);
    for (int i = 1; i < sim->count; i++) start_seeded(sim, i);
    if (seed % 3 != 0) cr_assert(sim_settles(sim, NULL, 20 * SIM_S));
    for (int i = 0; i < 150; i++) one_step(sim, tally);
    memset(sim->cut, 0, sizeof(sim->cut));
    sim_run(sim, 12 * SIM_S); /* the longest stall is over */
    bool settles = sim_settles(sim, NULL, 60 * SIM_S);
    if (!settles) sim_print(sim);
    cr_assert(settles, "seed %" PRIu64 ": no common view", seed);
    sim_run(sim, 20 * SIM_S);
    cr_assert(sim_agree(sim, NULL), "seed %" PRIu64 ": the view does not last", seed);
    check_names(sim, seed);
    check_claims(sim, seed, tally);
    for (int i = 0; i < sim->count; i++) {
        cr_assert(sim->nodes[i].nonsense[0] == '\0', "%s", sim->nodes[i].nonsense);
        tally->lost += sim->nodes[i].lost_count;
        tally->downs += sim->nodes[i].changes[MEMBER_DOWN];
    }
    sim_free(sim);
}

Test(registry, random_faults_end_in_one_view_and_one_holder_a_name) {
    struct tally tally = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) run_seed(seed, &tally);
    cr_log_info(
        "%d kills, %d restarts, %d leaves, %d partitions, %d downs; claims: %d given, "
        "%d taken, %d aborted, %d timed out; %d lost",
        tally.kills, tally.restarts, tally.leaves, tally.partitions, tally.downs, tally.given,
        tally.taken, tally.aborted, tally.timed_out, tally.lost);
    cr_assert(tally.kills > SEEDS && tally.restarts > SEEDS && tally.leaves > SEEDS / 4);
    cr_assert(tally.partitions > SEEDS && tally.downs > SEEDS && tally.lost > SEEDS / 10);
    cr_assert(tally.given > 10 * SEEDS && tally.taken > SEEDS);
    cr_assert(tally.timed_out > SEEDS / 4 && tally.aborted > SEEDS / 4);
}

/* Without faults no claim may be lost again, whatever joins meanwhile. */
Test(registry, without_faults_every_claim_is_final) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct sim *sim = sim_new(seed, 7);
        struct tally tally = {0};
        sim->faultless = true;
        sim_start_all(sim);
        for (int i = 0; i < 200; i++) {
            int index = random_node(sim);
            char name[24];
            random_name(sim, name);
            if (members_ready(sim->nodes[index].members)) sim_claim(sim, index, name);
            if (i % 4 == 0) end_something(sim);
            sim_run(sim, random_below(&sim->random, 20) * SIM_MS);
        }
        cr_assert(sim_settles(sim, NULL, 20 * SIM_S));
        sim_run(sim, 16 * SIM_S);
        check_names(sim, seed);
        check_claims(sim, seed, &tally);
        cr_assert(tally.timed_out == 0 && tally.given > 20, "seed %" PRIu64, seed);
        for (int i = 0; i < 7; i++) {
            cr_assert(sim->nodes[i].lost_count == 0, "seed %" PRIu64, seed);
            cr_assert(sim->nodes[i].changes[MEMBER_SUSPECT] == 0, "seed %" PRIu64, seed);
        }
        sim_free(sim);
    }
}
