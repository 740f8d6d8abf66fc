/*
 * snapshot_test.c - the snapshot machine on its way to a commit: numbers, promises, orders, waits.
 */
#include "node/snapshot.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "node/snapshot_rig_test.h"

TestSuite(snapshot, .timeout = 30);

static uint64_t epoch_of(uint64_t counter, const char *name) {
    return counter << 16 | snapshot_name_bits(name);
}

/* True when `first` stands before `second` in the text, and both are there. */
static bool in_order(const char *text, const char *first, const char *second) {
    const char *a = strstr(text, first), *b = strstr(text, second);
    return a != NULL && b != NULL && a < b;
}

/* ---- names -------------------------------------------------------------------------------------
 */

Test(snapshot, id_names_counter_and_initiator) {
    snapshot_cut cut;
    cr_assert(snapshot_cut_make(epoch_of(17, "n1"), "n1", &cut));
    cr_assert(eq(str, cut.id, "s000017-n1"));
    cr_assert(not(snapshot_cut_make(0, "n1", &cut)));
    cr_assert(not(snapshot_cut_make(SNAPSHOT_EPOCH_MAX + 1, "n1", &cut)));
}

/* The id becomes a folder's name: a peer must not choose where it lies. */
Test(snapshot, id_of_a_name_that_is_no_name_is_refused) {
    const char *const bad[] = {"", "../n1", "n/1", ".", "n 1", "n\n"};
    snapshot_cut cut;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert(not(snapshot_cut_make(epoch_of(1, "n1"), bad[i], &cut)), "%s", bad[i]);
    }
}

Test(snapshot, id_of_a_long_name_fits_and_stays_distinct) {
    char a[SNAPSHOT_NAME_BYTES], b[SNAPSHOT_NAME_BYTES];
    memset(a, 'x', sizeof a);
    a[sizeof a - 1] = '\0';
    memcpy(b, a, sizeof b);
    b[sizeof b - 2] = 'y';
    snapshot_cut cut_a, cut_b;
    cr_assert(snapshot_cut_make(epoch_of(UINT64_C(1) << 45, a), a, &cut_a));
    cr_assert(snapshot_cut_make(epoch_of(UINT64_C(1) << 45, b), b, &cut_b));
    cr_assert(le(sz, strlen(cut_a.id), sizeof cut_a.id - 1));
    cr_assert(ne(str, cut_a.id, cut_b.id));
}

/* ---- commits -----------------------------------------------------------------------------------
 */

Test(snapshot, one_node_alone_commits) {
    struct rig *rig = snapshot_rig_new(1, NULL);
    struct rig_node *n1 = &rig->nodes[0];
    cr_assert(eq(int, snapshot_rig_request(rig, 0, 0), TR_OK));
    snapshot_rig_pump(rig);
    cr_assert(eq(int, n1->status, TR_OK));
    cr_assert(eq(u64, n1->request, 100));
    cr_assert(eq(str, n1->result.cut.id, "s000001-n1"));
    cr_assert(eq(sz, n1->result.parts_count, 1));
    cr_assert(eq(sz, n1->result.links_count, 0));
    cr_assert(eq(u32, n1->kept, 1));
    cr_assert(eq(u64, snapshot_epoch(n1->machine), n1->result.cut.epoch));
    snapshot_rig_free(rig);
}

Test(snapshot, three_nodes_commit_with_all_parts_and_links) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    for (int i = 0; i < 3; i++) {
        rig->nodes[i].sent = 7;
        rig->nodes[i].received = 4;
        rig->nodes[i].recorded = 3;
    }
    snapshot_rig_request(rig, 1, 0);
    snapshot_rig_pump(rig);
    struct rig_node *n2 = &rig->nodes[1];
    cr_assert(eq(int, n2->status, TR_OK));
    cr_assert(eq(str, n2->result.cut.id, "s000001-n2"));
    cr_assert(eq(sz, n2->result.parts_count, 3));
    cr_assert(eq(sz, n2->result.links_count, 6));
    cr_assert(eq(u64, n2->result.actors, 15));
    cr_assert(eq(u64, n2->result.in_flight, 6));
    cr_assert(eq(u64, n2->result.bytes, 3000));
    cr_assert(eq(str, n2->parts[2].node, "n3"));
    cr_assert(eq(u64, n2->parts[2].incarnation, 1));
    cr_assert(eq(u32, n2->parts[2].digest_bytes, 4));
    snapshot_link *link = &n2->links[5];
    cr_assert(eq(str, link->from, "n3"));
    cr_assert(eq(str, link->to, "n2"));
    cr_assert(eq(u64, link->sent, 7));
    cr_assert(eq(u64, link->received, 4));
    cr_assert(eq(u64, link->recorded, 3));
    tr_snapshot_info info;
    snapshot_info(&n2->result, &info);
    cr_assert(eq(str, info.id, "s000001-n2"));
    cr_assert(eq(u32, info.nodes, 3));
    for (int i = 0; i < 3; i++) cr_assert(eq(u32, rig->nodes[i].kept, 1));
    cr_assert(strstr(snapshot_rig_words(rig, 0), "keep+manifest") !=
              NULL); /* the copy for its folder */
    snapshot_rig_free(rig);
}

Test(snapshot, numbers_grow_whoever_takes_them) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    uint64_t last = 0;
    for (int i = 0; i < 9; i++) {
        snapshot_rig_request(rig, i % 3, 0);
        snapshot_rig_pump(rig);
        cr_assert(eq(int, rig->nodes[i % 3].status, TR_OK));
        uint64_t epoch = rig->nodes[i % 3].result.cut.epoch;
        cr_assert(ge(u64, epoch, last + 1));
        cr_assert(eq(u64, epoch >> 16, (uint64_t)i + 1));
        last = epoch;
    }
    snapshot_rig_free(rig);
}

/* ---- orders ------------------------------------------------------------------------------------
 */

/* A worker that sees E may send red at once; START must stand in front of that on every link. */
Test(snapshot, start_is_queued_on_every_link_before_e_moves) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pump(rig);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) {
            if (k == i) continue;
            char start[16];
            snprintf(start, sizeof start, "START>n%d", k + 1);
            cr_assert(in_order(snapshot_rig_words(rig, i), start, "begin"), "%s",
                      snapshot_rig_words(rig, i));
        }
        cr_assert(in_order(snapshot_rig_words(rig, i), "begin", "sweep"));
    }
    snapshot_rig_free(rig);
}

Test(snapshot, markers_wait_for_all_red_and_stand_behind_the_flush) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    struct rig_node *n1 = &rig->nodes[0];
    n1->easy = false;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_save_floor(rig, 0, TR_OK);
    snapshot_rig_pass(rig, 10);
    cr_assert(strstr(snapshot_rig_words(rig, 0), "MARKER") == NULL);
    cr_assert(eq(int, snapshot_rig_progress(rig, 0).phase, SNAPSHOT_RECORDING));
    n1->red = true;
    snapshot_rig_pass(rig, 10);
    cr_assert(in_order(snapshot_rig_words(rig, 0), "flush", "MARKER>n2"));
    snapshot_rig_free(rig);
}

Test(snapshot, token_waits_for_the_markers_of_all) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    rig->nodes[2].easy = false;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pass(rig, 20);
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int, snapshot_rig_progress(rig, i).phase, SNAPSHOT_MARKED));
        cr_assert(strstr(snapshot_rig_words(rig, i), "token") == NULL);
    }
    rig->nodes[2].red = true;
    snapshot_rig_pass(rig, 20);
    for (int i = 0; i < 3; i++) cr_assert(in_order(snapshot_rig_words(rig, i), "MARKER", "token"));
    snapshot_rig_free(rig);
}

Test(snapshot, manifest_waits_for_every_part) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    rig->nodes[1].easy = false;
    rig->nodes[1].red = rig->nodes[1].token = true;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pass(rig, 20);
    cr_assert(eq(u32, snapshot_rig_progress(rig, 0).voted, 2));
    cr_assert(strstr(snapshot_rig_words(rig, 0), "manifest") == NULL);
    snapshot_rig_write_part(rig, 1, TR_OK);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK));
    cr_assert(in_order(snapshot_rig_words(rig, 0), "manifest", "COMMIT>n2"));
    cr_assert(in_order(snapshot_rig_words(rig, 0), "COMMIT>n2", "done"));
    snapshot_rig_free(rig);
}

/* A number must not come back in a later life. */
Test(snapshot, number_is_durable_before_anybody_hears_of_it) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].easy = false;
    snapshot_rig_request(rig, 0, 0);
    cr_assert(eq(sz, rig->queued, 0));
    cr_assert(eq(int, snapshot_rig_progress(rig, 0).stage, SNAPSHOT_NUMBERING));
    snapshot_rig_save_floor(rig, 0, TR_OK);
    cr_assert(eq(sz, rig->queued, 1));
    snapshot_rig_free(rig);
}

Test(snapshot, numbers_start_above_the_floor_of_earlier_lives) {
    struct rig *rig = snapshot_rig_new(1, NULL);
    snapshot_rig_crash(rig, 0);
    snapshot_rig_boot(rig, 0, epoch_of(41, "n1"));
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pump(rig);
    cr_assert(eq(str, rig->nodes[0].result.cut.id, "s000042-n1"));
    snapshot_rig_free(rig);
}

/* ---- promises ----------------------------------------------------------------------------------
 */

Test(snapshot, admission_is_frozen_from_the_promise_to_the_end) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    struct rig_node *n2 = &rig->nodes[1];
    rig->nodes[1].easy = false;
    cr_assert(not(snapshot_admission_frozen(n2->machine)));
    snapshot_rig_request(rig, 0, 0);
    cr_assert(snapshot_admission_frozen(rig->nodes[0].machine));
    snapshot_rig_deliver(rig);
    cr_assert(eq(int, snapshot_rig_progress(rig, 1).phase, SNAPSHOT_PROMISED));
    cr_assert(snapshot_admission_frozen(n2->machine));
    n2->easy = true;
    snapshot_rig_pass(rig, 5);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK));
    cr_assert(not(snapshot_admission_frozen(n2->machine)));
    cr_assert(not(snapshot_admission_frozen(rig->nodes[0].machine)));
    snapshot_rig_free(rig);
}

Test(snapshot, differing_views_are_tried_again_until_they_agree) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    rig->nodes[1].sessions[2] = 0; /* n2 does not see n3 yet */
    snapshot_rig_request(rig, 0, 5000);
    snapshot_rig_pass(rig, 200);
    cr_assert(eq(u32, rig->nodes[0].answers, 0));
    cr_assert(eq(u32, rig->nodes[0].begun, 0));
    rig->nodes[1].sessions[2] = rig->nodes[2].sessions[1];
    snapshot_rig_pass(rig, 2000);
    cr_assert(eq(u32, rig->nodes[0].answers, 1));
    cr_assert(eq(int, rig->nodes[0].status, TR_OK));
    snapshot_rig_free(rig);
}

Test(snapshot, views_that_stay_different_end_with_the_timeout_and_say_so) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    rig->nodes[1].sessions[2] = 0;
    snapshot_rig_request(rig, 0, 1000);
    snapshot_rig_pass(rig, 1100);
    cr_assert(eq(int, rig->nodes[0].status, TR_ETIMEDOUT));
    cr_assert(strstr(rig->nodes[0].error.message, "n1 sees 3 members, n2 sees 2") != NULL, "%s",
              rig->nodes[0].error.message);
    snapshot_rig_free(rig);
}

/* Each of two members is right about its session with the initiator, but not with each other. */
Test(snapshot, members_in_different_sessions_with_each_other_do_not_start) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    rig->nodes[1].sessions[2] = 99;
    snapshot_rig_request(rig, 0, 1000);
    snapshot_rig_pass(rig, 1100);
    cr_assert(eq(int, rig->nodes[0].status, TR_ETIMEDOUT));
    cr_assert(strstr(rig->nodes[0].error.message, "n2 and n3 are in different sessions") != NULL);
    for (int i = 0; i < 3; i++) cr_assert(eq(u32, rig->nodes[i].begun, 0));
    snapshot_rig_free(rig);
}

Test(snapshot, node_outside_a_cluster_waits_and_says_so) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].incarnation = 77; /* the members know another life of it */
    snapshot_rig_request(rig, 0, 500);
    snapshot_rig_pass(rig, 600);
    cr_assert(eq(int, rig->nodes[0].status, TR_ETIMEDOUT));
    cr_assert(strstr(rig->nodes[0].error.message, "n1 is not up in its cluster") != NULL);
    snapshot_rig_free(rig);
}

/* ---- several initiators ------------------------------------------------------------------------
 */

Test(snapshot, two_initiators_at_the_same_time_both_commit) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_request(rig, 2, 0);
    snapshot_rig_pass(rig, 1000);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK));
    cr_assert(eq(int, rig->nodes[2].status, TR_OK));
    cr_assert(eq(u32, rig->nodes[0].answers + rig->nodes[2].answers, 2));
    cr_assert(ne(u64, rig->nodes[0].result.cut.epoch, rig->nodes[2].result.cut.epoch));
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(u32, rig->nodes[i].begun, 2)); /* the loser had not started */
        cr_assert(eq(u32, rig->nodes[i].discarded, 0));
    }
    snapshot_rig_free(rig);
}

static struct snapshot_message prepare_from(struct rig *rig, int node, uint64_t counter) {
    struct snapshot_message message = {.kind = SNAPSHOT_PREPARE};
    const struct rig_node *self = &rig->nodes[node];
    snapshot_cut_make(epoch_of(counter, self->name), self->name, &message.cut);
    for (int i = 0; i < rig->count; i++) {
        snapshot_view_add(&message.view, rig->nodes[i].name, rig->nodes[i].incarnation,
                          i == node ? 0 : self->sessions[i]);
    }
    return message;
}

static void prepare(struct rig *rig, int to, int from, uint64_t counter) {
    struct snapshot_message message = prepare_from(rig, from, counter);
    cr_assert(eq(int, snapshot_rig_inject(rig, to, from, &message), TR_OK));
    snapshot_message_fini(&message);
}

Test(snapshot, smaller_number_is_overtaken) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    prepare(rig, 0, 1, 9);
    cr_assert(strstr(snapshot_rig_words(rig, 0), "CONFIRM>n2") != NULL);
    prepare(rig, 0, 2, 8);
    cr_assert(strstr(snapshot_rig_words(rig, 0), "REFUSE>n3") != NULL);
    snapshot_rig_free(rig);
}

Test(snapshot, larger_number_waits_for_the_promise_to_end) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    prepare(rig, 0, 1, 8);
    prepare(rig, 0, 2, 9);
    cr_assert(strstr(snapshot_rig_words(rig, 0), ">n3") == NULL);
    struct snapshot_message abort = {.kind = SNAPSHOT_ABORT, .reason = SNAPSHOT_TIMEOUT};
    snapshot_cut_make(epoch_of(8, "n2"), "n2", &abort.cut);
    cr_assert(eq(int, snapshot_rig_inject(rig, 0, 1, &abort), TR_OK));
    cr_assert(strstr(snapshot_rig_words(rig, 0), "CONFIRM>n3") != NULL);
    snapshot_rig_free(rig);
}

Test(snapshot, waiting_number_of_a_lost_initiator_is_forgotten) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    prepare(rig, 0, 1, 8);
    prepare(rig, 0, 2, 9);
    snapshot_rig_end_session(rig, 0, 2);
    snapshot_rig_end_session(rig, 0, 1);
    cr_assert(strstr(snapshot_rig_words(rig, 0), "CONFIRM>n3") == NULL);
    cr_assert(eq(int, snapshot_rig_progress(rig, 0).phase, SNAPSHOT_IDLE));
    snapshot_rig_free(rig);
}

Test(snapshot, initiator_that_still_prepares_gives_way_to_a_larger_number) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    snapshot_rig_request(rig, 0, 0); /* s000001-n1, nobody has confirmed yet */
    prepare(rig, 0, 1, 9);
    cr_assert(in_order(snapshot_rig_words(rig, 0), "ABORT>n2", "CONFIRM>n2"));
    cr_assert(strstr(snapshot_rig_words(rig, 0), "ABORT>n3") != NULL);
    cr_assert(eq(int, snapshot_rig_progress(rig, 0).stage, SNAPSHOT_WAITING));
    cr_assert(eq(u32, rig->nodes[0].answers, 0)); /* it tries again later */
    snapshot_rig_free(rig);
}

/* Two names may share the 16 bits that make numbers unique; then the name decides. */
Test(snapshot, names_with_the_same_bits_still_take_turns) {
    char names[2][SNAPSHOT_NAME_BYTES] = {"a0"};
    for (unsigned i = 1;; i++) {
        snprintf(names[1], sizeof names[1], "b%u", i);
        if (snapshot_name_bits(names[1]) == snapshot_name_bits(names[0])) break;
    }
    struct rig *rig = snapshot_rig_new(2, (const char *const[]){names[0], names[1]});
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_request(rig, 1, 0);
    snapshot_rig_pass(rig, 1000);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK));
    cr_assert(eq(int, rig->nodes[1].status, TR_OK));
    cr_assert(eq(u32, rig->nodes[0].answers + rig->nodes[1].answers, 2));
    cr_assert(ne(u64, rig->nodes[0].result.cut.epoch, rig->nodes[1].result.cut.epoch));
    snapshot_rig_free(rig);
}

/* ---- several requests --------------------------------------------------------------------------
 */

Test(snapshot, second_request_waits_for_the_first) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].easy = false;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_request(rig, 0, 0);
    cr_assert(eq(u32, snapshot_rig_progress(rig, 0).requests, 2));
    rig->nodes[0].easy = true;
    snapshot_rig_pass(rig, 100);
    cr_assert(eq(u32, rig->nodes[0].answers, 2));
    cr_assert(eq(str, rig->nodes[0].result.cut.id, "s000002-n1"));
    snapshot_rig_free(rig);
}

Test(snapshot, request_too_many_is_told_which_one_runs) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].easy = false;
    for (int i = 0; i < SNAPSHOT_REQUESTS_MAX; i++) {
        cr_assert(eq(int, snapshot_rig_request(rig, 0, 0), TR_OK));
    }
    cr_assert(eq(int, snapshot_rig_request(rig, 0, 0), TR_EBUSY));
    cr_assert(strstr(rig->nodes[0].error.message, "s000001-n1") != NULL);
    snapshot_rig_free(rig);
}

Test(snapshot, request_waits_for_another_nodes_snapshot_until_its_timeout) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].easy = false;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_save_floor(rig, 0, TR_OK);
    snapshot_rig_pass(rig, 5);
    snapshot_rig_request(rig, 1, 100);
    snapshot_rig_pass(rig, 110);
    cr_assert(eq(int, rig->nodes[1].status, TR_ETIMEDOUT));
    cr_assert(strstr(rig->nodes[1].error.message, "s000001-n1 of n1 was still") != NULL, "%s",
              rig->nodes[1].error.message);
    snapshot_rig_free(rig);
}

Test(snapshot, waiting_request_times_out_on_its_own) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].easy = false;
    snapshot_rig_request(rig, 0, 1000);
    snapshot_rig_request(rig, 0, 50);
    snapshot_rig_save_floor(rig, 0, TR_OK);
    snapshot_rig_pass(rig, 60);
    cr_assert(eq(u32, rig->nodes[0].answers, 1));
    cr_assert(eq(int, rig->nodes[0].status, TR_ETIMEDOUT));
    cr_assert(eq(u32, snapshot_rig_progress(rig, 0).requests, 1));
    snapshot_rig_free(rig);
}

/* ---- E -----------------------------------------------------------------------------------------
 */

Test(snapshot, higher_colour_moves_e_without_recording) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    struct rig_node *n1 = &rig->nodes[0];
    snapshot_epoch_seen(n1->machine, rig->now, 500);
    cr_assert(eq(u64, n1->epoch, 500));
    cr_assert(eq(u64, snapshot_epoch(n1->machine), 500));
    snapshot_epoch_seen(n1->machine, rig->now, 400);
    cr_assert(eq(u64, n1->epoch, 500));
    cr_assert(eq(u32, n1->begun, 0));
    cr_assert(eq(u32, n1->moved, 1));
    snapshot_rig_free(rig);
}

Test(snapshot, newcomer_adopts_the_clusters_e) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pump(rig);
    uint64_t epoch = rig->nodes[0].epoch;
    snapshot_rig_crash(rig, 1);
    snapshot_rig_boot(rig, 1, 0);
    snapshot_rig_begin_session(rig, 0, 1);
    cr_assert(eq(u64, snapshot_epoch(rig->nodes[1].machine), epoch));
    snapshot_rig_request(rig, 1, 0);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[1].status, TR_OK));
    cr_assert(ge(u64, rig->nodes[1].result.cut.epoch, epoch + 1));
    snapshot_rig_free(rig);
}

Test(snapshot, start_of_a_number_that_is_over_only_moves_e) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    struct rig_node *n1 = &rig->nodes[0];
    prepare(rig, 0, 1, 8);
    snapshot_rig_end_session(rig, 0, 1); /* the initiator is lost: 8 is over here */
    struct snapshot_message start = prepare_from(rig, 1, 8);
    start.kind = SNAPSHOT_START;
    cr_assert(
        eq(int, snapshot_rig_inject(rig, 0, 2, &start), TR_OK)); /* n3 has started it meanwhile */
    cr_assert(eq(u64, n1->epoch, start.cut.epoch));
    cr_assert(eq(u32, n1->begun, 0));
    cr_assert(eq(u32, n1->moved, 1));
    snapshot_message_fini(&start);
    snapshot_rig_free(rig);
}

/* ---- progress ----------------------------------------------------------------------------------
 */

Test(snapshot, progress_adds_up_at_the_initiator) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    rig->nodes[2].easy = false;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pass(rig, 600);
    snapshot_progress progress = snapshot_rig_progress(rig, 0);
    cr_assert(eq(int, progress.stage, SNAPSHOT_RUNNING));
    cr_assert(eq(str, progress.cut.id, "s000001-n1"));
    cr_assert(eq(u32, progress.nodes, 3));
    cr_assert(eq(u32, progress.confirmed, 3));
    cr_assert(eq(u64, progress.census.red, 22)); /* 9, 9 and 4 */
    cr_assert(eq(u64, progress.census.total, 27));
    cr_assert(eq(u32, progress.markers_total, 6));
    snapshot_rig_free(rig);
}

/* An actor that turns late must not be asked for a thousand times a second. */
Test(snapshot, polls_grow_rarer_while_actors_are_slow) {
    struct rig *rig = snapshot_rig_new(1, NULL);
    rig->nodes[0].easy = false;
    snapshot_rig_request(rig, 0, 60000);
    snapshot_rig_save_floor(rig, 0, TR_OK);
    snapshot_rig_pass(rig, 2000);
    uint64_t pause = snapshot_deadline(rig->nodes[0].machine) - rig->now;
    cr_assert(le(u64, pause, 16000000));
    rig->now += pause;
    snapshot_step(rig->nodes[0].machine, rig->now);
    cr_assert(eq(u64, snapshot_deadline(rig->nodes[0].machine) - rig->now, 16000000));
    snapshot_rig_free(rig);
}

Test(snapshot, idle_machine_wants_no_step) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    cr_assert(eq(u64, snapshot_deadline(rig->nodes[0].machine), UINT64_MAX));
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pump(rig);
    cr_assert(eq(u64, snapshot_deadline(rig->nodes[0].machine), UINT64_MAX));
    cr_assert(eq(u64, snapshot_deadline(rig->nodes[1].machine), UINT64_MAX));
    snapshot_rig_free(rig);
}
