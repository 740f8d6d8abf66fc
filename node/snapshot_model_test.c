/*
 * snapshot_model_test.c - explores the snapshot machine in thousands of random runs of the toy.
 *
 * Each committed snapshot of each run is judged by the oracle; each run must end at rest, with
 * nothing left behind by aborts, and able to take one more snapshot. Deliberate bugs show that
 * the oracle, or the machine's own counters (I8), would notice.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "node/snapshot_toy_test.h"

TestSuite(snapshot_model, .timeout = 120);

struct totals {
    unsigned runs, committed, aborted, timed_out, counts_differ, in_flight, violations;
    char first[600];
};

static void add_up(struct totals *totals, const struct toy_cluster *cluster, uint64_t seed) {
    totals->runs++;
    totals->committed += cluster->committed;
    totals->aborted += cluster->aborted;
    totals->timed_out += cluster->timed_out;
    totals->counts_differ += cluster->counts_differ;
    totals->in_flight += cluster->in_flight;
    if (cluster->violation[0] == '\0') return;
    if (totals->violations++ > 0) return;
    snprintf(totals->first, sizeof totals->first, "seed %llu: %s", (unsigned long long)seed,
             cluster->violation);
}

static int any_node(struct toy_cluster *cluster) {
    return (int)toy_below(cluster, (size_t)cluster->nodes_count);
}

static void one_fault(struct toy_cluster *cluster) {
    unsigned kind = (unsigned)toy_below(cluster, 100);
    int a = any_node(cluster), b = any_node(cluster);
    if (kind < cluster->weather.crashes) {
        toy_crash(cluster, a);
    } else if (kind < cluster->weather.crashes + cluster->weather.sessions && a != b) {
        toy_end_session(cluster, a, b);
    }
}

/* Requests and faults at random moments, each near to the other. */
static void storm(struct toy_cluster *cluster, unsigned requests, uint64_t timeout_ms) {
    unsigned faults = 0;
    if (cluster->weather.faults_max > 0) {
        faults = (unsigned)toy_below(cluster, cluster->weather.faults_max + 1);
    }
    while (requests > 0 || faults > 0) {
        toy_run(cluster, 1 + toy_below(cluster, 3 * TOY_MS));
        size_t what = toy_below(cluster, requests + faults);
        if (what < requests) {
            requests--;
            uint64_t timeout = timeout_ms > 0 ? timeout_ms : 1 + toy_below(cluster, 40);
            toy_request(cluster, any_node(cluster), timeout);
        } else {
            faults--;
            one_fault(cluster);
        }
    }
}

/* After whatever happened, the cluster must be able to take a snapshot. */
static void one_more(struct toy_cluster *cluster) {
    toy_request(cluster, any_node(cluster), 200);
    if (!toy_heal(cluster)) toy_blame(cluster, "the last snapshot does not end");
    if (cluster->last_status != TR_OK) {
        toy_blame(cluster, "the last snapshot failed: %s", tr_status_name(cluster->last_status));
    }
}

static void explore_one(struct totals *totals, uint64_t seed, const struct toy_weather *weather) {
    struct toy_cluster *cluster = toy_new(seed, 1 + (int)(seed % TOY_NODES_MAX), weather);
    storm(cluster, 3, 0);
    if (!toy_heal(cluster)) toy_blame(cluster, "does not come to rest");
    if (cluster->answers != cluster->requests) toy_blame(cluster, "a request has no answer");
    if (weather->bug == TOY_SOUND) one_more(cluster);
    cluster->traffic = false;
    toy_judge_disks(cluster);
    add_up(totals, cluster, seed);
    toy_free(cluster);
}

static struct totals explore(uint64_t first, uint64_t runs, const struct toy_weather *weather) {
    struct totals totals = {0};
    for (uint64_t seed = first; seed < first + runs; seed++) explore_one(&totals, seed, weather);
    cr_log_info("%u runs: %u committed (%u messages in flight), %u aborted, %u timed out",
                totals.runs, totals.committed, totals.in_flight, totals.aborted, totals.timed_out);
    return totals;
}

static void must_be_sound(const struct totals *totals) {
    cr_assert(eq(u32, totals->violations, 0), "%u violations; %s", totals->violations,
              totals->first);
    cr_assert(eq(u32, totals->counts_differ, 0), "counters differed without a defect");
    cr_assert(ge(u32, totals->committed, 1));
    cr_assert(ge(u32, totals->in_flight, 1));
}

/* With nothing in the way, every request ends with a snapshot, concurrent ones too. */
Test(snapshot_model, in_good_weather_every_request_commits) {
    struct toy_weather weather = {0};
    struct totals totals = {0};
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct toy_cluster *cluster = toy_new(seed, 1 + (int)(seed % TOY_NODES_MAX), &weather);
        storm(cluster, 4, 400);
        if (!toy_heal(cluster)) toy_blame(cluster, "does not come to rest");
        if (cluster->committed != 4) toy_blame(cluster, "%u of 4 committed", cluster->committed);
        toy_judge_disks(cluster);
        add_up(&totals, cluster, seed);
        toy_free(cluster);
    }
    must_be_sound(&totals);
}

Test(snapshot_model, sessions_may_end_at_any_moment) {
    struct toy_weather weather = {.sessions = 100, .faults_max = 4};
    struct totals totals = explore(10000, 3000, &weather);
    must_be_sound(&totals);
    cr_assert(ge(u32, totals.aborted, 1));
}

/* A session that comes up while admission is frozen must not get into a snapshot unseen. */
Test(snapshot_model, sessions_may_come_up_in_the_middle) {
    struct toy_weather weather = {.sessions = 70, .crashes = 30, .faults_max = 4, .rude = true};
    struct totals totals = explore(20000, 3000, &weather);
    must_be_sound(&totals);
}

Test(snapshot_model, nodes_may_crash_at_any_moment) {
    struct toy_weather weather = {.crashes = 100, .faults_max = 3};
    struct totals totals = explore(30000, 3000, &weather);
    must_be_sound(&totals);
    cr_assert(ge(u32, totals.aborted, 1));
}

Test(snapshot_model, disks_may_fail_at_any_moment) {
    struct toy_weather weather = {.sessions = 50, .crashes = 30, .faults_max = 3, .disk = 15};
    struct totals totals = explore(40000, 3000, &weather);
    must_be_sound(&totals);
    cr_assert(ge(u32, totals.aborted, 1));
}

/* The same bug twice: with honest counters, and with counters made to agree (the oracle alone). */
static void must_be_caught(enum toy_bug bug, const char *name) {
    struct toy_weather weather = {.bug = bug};
    struct totals honest = explore(50000, 300, &weather);
    weather.blind = true;
    struct totals blind = explore(50000, 300, &weather);
    cr_log_info("%s: counters noticed %u times, oracle %u of %u runs: %s", name,
                honest.counts_differ, blind.violations, blind.runs, blind.first);
    cr_assert(ge(u32, honest.counts_differ + honest.violations, 1), "%s", name);
    cr_assert(ge(u32, blind.violations, 1), "%s", name);
}

Test(snapshot_model, marker_before_the_last_older_message_is_caught) {
    must_be_caught(TOY_MARKER_BEFORE_LAST, "marker before the last older message");
}

Test(snapshot_model, skipped_token_is_caught) {
    must_be_caught(TOY_TOKEN_SKIPPED, "token skipped");
}

Test(snapshot_model, start_after_the_new_colour_is_caught) {
    must_be_caught(TOY_START_LATE, "start queued late");
}

Test(snapshot_model, markers_before_all_are_red_are_caught) {
    must_be_caught(TOY_NOT_ALL_RED, "not all red");
}

Test(snapshot_model, forgotten_channel_messages_are_caught) {
    must_be_caught(TOY_CHANNEL_FORGOTTEN, "channel forgotten");
}

Test(snapshot_model, forgotten_dead_letters_are_caught) {
    must_be_caught(TOY_DEAD_FORGOTTEN, "dead letters forgotten");
}
