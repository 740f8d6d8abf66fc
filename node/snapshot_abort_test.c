/*
 * snapshot_abort_test.c - the snapshot machine when things go wrong: reasons, doubts, bad bytes.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "node/base/random.h"
#include "node/snapshot_rig_test.h"

TestSuite(snapshot_abort, .timeout = 30);

/* Three nodes; n1 has started a snapshot and n3 is not red. */
static struct rig *half_way(void) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    rig->nodes[2].easy = false;
    snapshot_rig_request(rig, 0, 1000);
    snapshot_rig_pass(rig, 10);
    cr_assert(eq(int, snapshot_rig_progress(rig, 0).stage, SNAPSHOT_RUNNING));
    cr_assert(eq(int, snapshot_rig_progress(rig, 2).phase, SNAPSHOT_RECORDING));
    return rig;
}

/* Three nodes; all parts are durable, all have voted, and n1's manifest is being written. */
static struct rig *all_voted(void) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    rig->nodes[0].easy = false;
    rig->nodes[0].red = rig->nodes[0].token = true;
    snapshot_rig_request(rig, 0, 1000);
    snapshot_rig_save_floor(rig, 0, TR_OK);
    snapshot_rig_pass(rig, 10);
    snapshot_rig_write_part(rig, 0, TR_OK);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, snapshot_rig_progress(rig, 0).stage, SNAPSHOT_COMMITTING));
    cr_assert(eq(int, snapshot_rig_progress(rig, 1).phase, SNAPSHOT_VOTED));
    return rig;
}

static void must_be_over(struct rig *rig, const char *words) {
    const struct rig_node *n1 = &rig->nodes[0];
    cr_assert(strstr(n1->error.message, words) != NULL, "%s", n1->error.message);
    for (int i = 0; i < rig->count; i++) {
        if (rig->nodes[i].machine == NULL) continue;
        cr_assert(eq(int, snapshot_rig_progress(rig, i).phase, SNAPSHOT_IDLE), "node %d", i);
        cr_assert(eq(u32, rig->nodes[i].kept, 0));
        cr_assert(eq(u32, rig->nodes[i].discarded, rig->nodes[i].begun));
    }
}

static void must_commit_again(struct rig *rig) {
    for (int i = 0; i < rig->count; i++) rig->nodes[i].easy = true;
    snapshot_rig_request(rig, 0, 1000);
    snapshot_rig_pass(rig, 100);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK), "%s", rig->nodes[0].error.message);
}

/* ---- reasons -----------------------------------------------------------------------------------
 */

Test(snapshot_abort, lost_member_aborts_everywhere) {
    struct rig *rig = half_way();
    snapshot_rig_lose_member(rig, 0, 2);
    snapshot_rig_lose_member(rig, 1, 2);
    snapshot_rig_lose_member(rig, 2, 0);
    snapshot_rig_lose_member(rig, 2, 1);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    must_be_over(rig, "member lost: n3: silent for 10 s");
    must_commit_again(rig); /* of the two that are left */
    cr_assert(eq(sz, rig->nodes[0].result.parts_count, 2));
    snapshot_rig_free(rig);
}

/* The initiator alone hears of it: the others are told. */
Test(snapshot_abort, initiator_that_loses_a_member_tells_the_others) {
    struct rig *rig = half_way();
    snapshot_rig_lose_member(rig, 0, 1);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    cr_assert(eq(int, snapshot_rig_progress(rig, 2).phase, SNAPSHOT_IDLE));
    cr_assert(eq(u32, rig->nodes[2].discarded, 1));
    snapshot_rig_free(rig);
}

/* Also when this node's own part is durable already. */
Test(snapshot_abort, initiator_that_has_voted_still_aborts_for_a_lost_member) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[1].easy = false;
    rig->nodes[1].red = rig->nodes[1].token = true;
    snapshot_rig_request(rig, 0, 1000);
    snapshot_rig_pass(rig, 10);
    cr_assert(eq(int, snapshot_rig_progress(rig, 0).phase, SNAPSHOT_VOTED));
    snapshot_rig_lose_member(rig, 0, 1);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    cr_assert(eq(u32, rig->nodes[0].discarded, 1));
    snapshot_rig_free(rig);
}

Test(snapshot_abort, session_that_ends_between_two_others_aborts) {
    struct rig *rig = half_way();
    snapshot_rig_end_session(rig, 1, 2);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    must_be_over(rig, "session ended: n3: reset (says n2)");
    snapshot_rig_free(rig);
}

Test(snapshot_abort, timeout_names_who_was_late) {
    struct rig *rig = half_way();
    snapshot_rig_pass(rig, 1000);
    cr_assert(eq(int, rig->nodes[0].status, TR_ETIMEDOUT));
    must_be_over(rig, "timeout");
    const char *text = rig->nodes[0].error.message;
    cr_assert(strstr(text, "n3 was recording with 4 of 9 actors") != NULL, "%s", text);
    cr_assert(strstr(text, "n2 was waiting for markers") != NULL, "%s", text);
    must_commit_again(rig);
    snapshot_rig_free(rig);
}

Test(snapshot_abort, full_disk_of_a_member_is_named) {
    struct rig *rig = half_way();
    rig->nodes[2].red = rig->nodes[2].token = true;
    snapshot_rig_pass(rig, 20);
    snapshot_rig_write_part(rig, 2, TR_ENOSPC);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    must_be_over(rig, "disk full: /snap/x: no room (says n3)");
    must_commit_again(rig);
    snapshot_rig_free(rig);
}

/* Recording can fail long before the part is finished. */
Test(snapshot_abort, disk_error_while_recording_aborts_at_once) {
    struct rig *rig = half_way();
    snapshot_part_failed(rig->nodes[2].machine, rig->now, rig->nodes[2].part.epoch, TR_EIO, "bad");
    snapshot_rig_pump(rig);
    must_be_over(rig, "disk error: bad (says n3)");
    snapshot_rig_free(rig);
}

Test(snapshot_abort, floor_that_cannot_be_saved_aborts_before_anybody_is_asked) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].easy = false;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_save_floor(rig, 0, TR_ENOSPC);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    must_be_over(rig, "disk full: /dir/floor: no room (number on n1)");
    cr_assert(eq(sz, rig->queued, 0));
    snapshot_rig_free(rig);
}

/* I8: the manifest is never written over counters that disagree. */
Test(snapshot_abort, counts_that_differ_abort_with_link_and_numbers) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].sent = 10;
    rig->nodes[1].received = 7;
    rig->nodes[1].recorded = 2;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    must_be_over(rig, "link n1->n2: sent 10 (marker 10), received 7, recorded 2");
    cr_assert(eq(u32, rig->nodes[0].errors, 1)); /* logged as an error */
    cr_assert(eq(u64, rig->nodes[0].manifest, 0));
    snapshot_rig_free(rig);
}

Test(snapshot_abort, counts_that_wrap_around_do_not_agree) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    rig->nodes[0].sent = 1;
    rig->nodes[1].received = UINT64_MAX;
    rig->nodes[1].recorded = 2;
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    snapshot_rig_free(rig);
}

Test(snapshot_abort, member_that_stops_says_so) {
    struct rig *rig = half_way();
    snapshot_stop(rig->nodes[2].machine, rig->now);
    snapshot_rig_pump(rig);
    must_be_over(rig, "node stops: n3 (says n3)");
    snapshot_rig_free(rig);
}

Test(snapshot_abort, initiator_that_stops_ends_all_requests) {
    struct rig *rig = half_way();
    snapshot_rig_request(rig, 0, 1000);
    snapshot_stop(rig->nodes[0].machine, rig->now);
    snapshot_rig_pump(rig);
    cr_assert(eq(u32, rig->nodes[0].answers, 2));
    cr_assert(eq(int, rig->nodes[0].status, TR_ECLOSED));
    must_be_over(rig, "node stops");
    cr_assert(eq(int, snapshot_rig_request(rig, 0, 1000), TR_ECLOSED));
    snapshot_rig_free(rig);
}

/* A manifest under way may become durable; only its end tells. */
Test(snapshot_abort, stop_waits_for_the_manifest_under_way) {
    struct rig *rig = all_voted();
    snapshot_stop(rig->nodes[0].machine, rig->now);
    cr_assert(eq(u32, rig->nodes[0].answers, 0));
    snapshot_rig_write_manifest(rig, 0, TR_OK);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK));
    snapshot_rig_free(rig);
}

Test(snapshot_abort, members_admitted_in_the_middle_make_it_try_again) {
    struct rig *rig = snapshot_rig_new(4, NULL);
    rig->nodes[2].easy = false;
    for (int i = 0; i < 3; i++) rig->nodes[i].sessions[3] = 0; /* n4 is not there yet */
    snapshot_rig_request(rig, 0, 2000);
    snapshot_rig_pass(rig, 10);
    cr_assert(eq(int, snapshot_rig_progress(rig, 1).phase, SNAPSHOT_MARKED));
    snapshot_rig_begin_session(rig, 1, 3);
    snapshot_rig_pump(rig);
    cr_assert(eq(u32, rig->nodes[1].discarded, 1));
    cr_assert(eq(u32, rig->nodes[0].discarded, 1));
    cr_assert(eq(u32, rig->nodes[0].answers, 0));
    rig->nodes[2].easy = true;
    snapshot_rig_begin_session(rig, 0, 3);
    snapshot_rig_begin_session(rig, 2, 3);
    snapshot_rig_pass(rig, 1000);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK));
    cr_assert(eq(sz, rig->nodes[0].result.parts_count, 4));
    snapshot_rig_free(rig);
}

/* Somebody has gone beyond this snapshot; it can never be whole. */
Test(snapshot_abort, newer_colour_in_the_middle_ends_the_membership) {
    struct rig *rig = half_way();
    struct rig_node *n3 = &rig->nodes[2];
    uint64_t newer = n3->epoch + (5 << 16);
    snapshot_epoch_seen(n3->machine, rig->now, newer);
    cr_assert(eq(u64, n3->epoch, newer));
    cr_assert(eq(u32, n3->discarded, 1));
    cr_assert(strstr(snapshot_rig_words(rig, 2), "discard FAIL>n1 move") != NULL);
    n3->easy = true;
    snapshot_rig_pass(rig, 500);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK)); /* tried again above it */
    cr_assert(ge(u64, rig->nodes[0].result.cut.epoch, newer + 1));
    snapshot_rig_free(rig);
}

/* ---- the outcome -------------------------------------------------------------------------------
 */

Test(snapshot_abort, member_that_loses_the_initiator_before_its_vote_aborts_alone) {
    struct rig *rig = half_way();
    snapshot_rig_crash(rig, 0);
    snapshot_rig_pump(rig);
    for (int i = 1; i < 3; i++) {
        cr_assert(eq(int, snapshot_rig_progress(rig, i).phase, SNAPSHOT_IDLE));
        cr_assert(eq(u32, rig->nodes[i].discarded, 1));
        cr_assert(eq(u32, snapshot_rig_progress(rig, i).doubts, 0));
    }
    snapshot_rig_free(rig);
}

Test(snapshot_abort, voted_part_is_kept_while_the_initiator_is_away) {
    struct rig *rig = all_voted();
    uint64_t epoch = rig->nodes[0].committing;
    snapshot_rig_crash(rig, 0);
    snapshot_rig_pass(rig, 100000);
    cr_assert(eq(u32, snapshot_rig_progress(rig, 1).doubts, 1));
    cr_assert(eq(u32, rig->nodes[1].discarded + rig->nodes[1].kept, 0));
    cr_assert(not(snapshot_admission_frozen(rig->nodes[1].machine)));
    snapshot_rig_boot(rig, 0, epoch); /* without a manifest */
    snapshot_part_found(rig->nodes[0].machine, epoch, "n1");
    snapshot_rig_begin_session(rig, 0, 1);
    snapshot_rig_begin_session(rig, 0, 2);
    rig->nodes[0].easy = true;
    snapshot_rig_pump(rig);
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(u32, snapshot_rig_progress(rig, i).doubts, 0));
        cr_assert(eq(u32, rig->nodes[i].discarded, 1));
    }
    snapshot_rig_free(rig);
}

Test(snapshot_abort, next_life_of_the_initiator_finds_its_manifest_and_keeps_all) {
    struct rig *rig = all_voted();
    uint64_t epoch = rig->nodes[0].committing;
    snapshot_rig_crash(rig, 0);
    rig->nodes[0].manifest = epoch; /* it had become durable just before */
    snapshot_rig_boot(rig, 0, epoch);
    snapshot_part_found(rig->nodes[0].machine, epoch, "n1");
    snapshot_rig_begin_session(rig, 0, 1);
    snapshot_rig_begin_session(rig, 0, 2);
    rig->nodes[0].easy = true;
    snapshot_rig_pump(rig);
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(u32, rig->nodes[i].kept, 1));
        cr_assert(eq(u32, snapshot_rig_progress(rig, i).doubts, 0));
    }
    cr_assert(strstr(snapshot_rig_words(rig, 1), "keep+manifest") != NULL);
    snapshot_rig_free(rig);
}

/* While others take the next snapshot, the one in doubt stays where it is. */
Test(snapshot_abort, doubt_does_not_hinder_the_next_snapshot) {
    struct rig *rig = all_voted();
    snapshot_rig_crash(rig, 0);
    snapshot_rig_request(rig, 1, 1000);
    snapshot_rig_pass(rig, 100);
    cr_assert(eq(int, rig->nodes[1].status, TR_OK));
    cr_assert(eq(u32, snapshot_rig_progress(rig, 1).doubts, 1));
    cr_assert(eq(u32, snapshot_rig_progress(rig, 2).doubts, 1));
    snapshot_rig_free(rig);
}

Test(snapshot_abort, session_that_ends_after_all_votes_does_not_abort) {
    struct rig *rig = all_voted();
    snapshot_rig_end_session(rig, 0, 1);
    snapshot_rig_end_session(rig, 1, 2);
    snapshot_rig_begin_session(rig, 0, 1); /* n2 asks; the answer is not known yet */
    snapshot_rig_pump(rig);
    cr_assert(eq(u32, snapshot_rig_progress(rig, 1).doubts, 1));
    snapshot_rig_write_manifest(rig, 0, TR_OK);
    snapshot_rig_pump(rig);
    for (int i = 0; i < 3; i++) cr_assert(eq(u32, rig->nodes[i].kept, 1));
    cr_assert(eq(u32, snapshot_rig_progress(rig, 1).doubts, 0));
    snapshot_rig_free(rig);
}

Test(snapshot_abort, manifest_that_cannot_be_written_aborts_all) {
    struct rig *rig = all_voted();
    snapshot_rig_write_manifest(rig, 0, TR_ENOSPC);
    snapshot_rig_pump(rig);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    must_be_over(rig, "disk full: /snap/manifest: no room (manifest on n1)");
    must_commit_again(rig);
    snapshot_rig_free(rig);
}

Test(snapshot_abort, timeout_does_not_touch_a_manifest_under_way) {
    struct rig *rig = all_voted();
    snapshot_rig_pass(rig, 5000);
    cr_assert(eq(u32, rig->nodes[0].answers, 0));
    snapshot_rig_write_manifest(rig, 0, TR_OK);
    cr_assert(eq(int, rig->nodes[0].status, TR_OK));
    snapshot_rig_free(rig);
}

/* A node that comes back with several parts in doubt asks about one after the other. */
Test(snapshot_abort, several_doubts_are_asked_one_at_a_time) {
    struct rig *rig = snapshot_rig_new(2, NULL);
    snapshot_rig_crash(rig, 1);
    snapshot_rig_boot(rig, 1, 0);
    uint64_t bits = snapshot_name_bits("n1");
    for (uint64_t counter = 1; counter <= 3; counter++) {
        snapshot_part_found(rig->nodes[1].machine, counter << 16 | bits, "n1");
    }
    rig->nodes[0].manifest = UINT64_C(2) << 16 | bits;
    rig->nodes[0].easy = false;
    snapshot_rig_begin_session(rig, 0, 1);
    cr_assert(eq(sz, rig->queued, 1));
    rig->nodes[0].easy = true;
    snapshot_rig_pump(rig);
    cr_assert(eq(u32, rig->nodes[1].kept, 1));
    cr_assert(eq(u32, rig->nodes[1].discarded, 2));
    cr_assert(eq(u32, snapshot_rig_progress(rig, 1).doubts, 0));
    snapshot_rig_free(rig);
}

/* ---- bytes that no correct peer sends ----------------------------------------------------------
 */

/* Messages that decode, but cannot come at this point: refused, and nothing has changed. */
static void must_be_refused(struct rig *rig, int to, int from, struct snapshot_message *message) {
    snapshot_progress before = snapshot_rig_progress(rig, to);
    cr_assert(eq(int, snapshot_rig_inject(rig, to, from, message), TR_EDATA), "kind %d",
              message->kind);
    cr_assert(ne(str, rig->nodes[to].error.message, ""));
    snapshot_progress after = snapshot_rig_progress(rig, to);
    cr_assert(eq(int, after.phase, before.phase));
    cr_assert(eq(int, after.stage, before.stage));
    cr_assert(eq(u32, after.voted, before.voted));
    cr_assert(eq(u32, after.markers, before.markers));
}

Test(snapshot_abort, messages_out_of_place_are_refused) {
    struct rig *rig = half_way();
    struct snapshot_message message = {.cut = snapshot_rig_progress(rig, 0).cut,
                                       .reason = SNAPSHOT_OVERTAKEN};
    message.kind = SNAPSHOT_COMMIT; /* without n3's vote */
    must_be_refused(rig, 2, 0, &message);
    must_be_refused(rig, 2, 1, &message); /* not the initiator */
    message.kind = SNAPSHOT_ABORT;
    must_be_refused(rig, 2, 1, &message);
    message.kind = SNAPSHOT_PREPARE;
    snapshot_view_add(&message.view, "n1", 1, 0);
    must_be_refused(rig, 2, 0, &message); /* without n3 in it */
    snapshot_view_add(&message.view, "n3", 1, 1);
    must_be_refused(rig, 2, 0, &message); /* a second one */
    message.kind = SNAPSHOT_CONFIRM;
    must_be_refused(rig, 0, 1, &message); /* has confirmed */
    must_be_refused(rig, 2, 1, &message); /* n3 initiates nothing */
    message.kind = SNAPSHOT_START;
    must_be_refused(rig, 2, 1, &message); /* a second one */
    message.kind = SNAPSHOT_MARKER;
    must_be_refused(rig, 2, 1, &message); /* a second one */
    message.kind = SNAPSHOT_REFUSE;
    must_be_refused(rig, 0, 1, &message);
    message.kind = SNAPSHOT_VOTE; /* without rows */
    must_be_refused(rig, 0, 1, &message);
    message.kind = SNAPSHOT_QUERY;
    must_be_refused(rig, 2, 1, &message);
    snapshot_message_fini(&message);
    snapshot_rig_free(rig);
}

Test(snapshot_abort, marker_before_its_start_is_refused) {
    struct rig *rig = snapshot_rig_new(3, NULL);
    snapshot_rig_request(rig, 0, 0);
    snapshot_rig_deliver(rig); /* n2 promises */
    struct snapshot_message marker = {.kind = SNAPSHOT_MARKER,
                                      .cut = snapshot_rig_progress(rig, 1).cut};
    must_be_refused(rig, 1, 2, &marker);
    snapshot_rig_free(rig);
}

/* A colour is just a number on the wire; one beyond all numbers must not bring the node down. */
Test(snapshot_abort, colour_beyond_all_numbers_only_ends_snapshots) {
    struct rig *rig = half_way();
    snapshot_epoch_seen(rig->nodes[0].machine, rig->now, UINT64_MAX);
    cr_assert(eq(u64, rig->nodes[0].epoch, UINT64_MAX));
    snapshot_rig_pass(rig, 500);
    cr_assert(eq(int, rig->nodes[0].status, TR_EABORTED));
    must_be_over(rig, "all snapshot numbers are used");
    rig->nodes[1].easy = true;
    snapshot_rig_request(rig, 1, 200); /* n1 refuses whatever n2 proposes */
    snapshot_rig_pass(rig, 300);
    cr_assert(ne(int, rig->nodes[1].status, TR_OK));
    snapshot_rig_free(rig);
}

/* Whatever comes, the machine stays whole: afterwards it takes a snapshot. */
Test(snapshot_abort, random_bytes_at_any_phase_do_no_harm) {
    random_state random;
    random_seed(&random, 7);
    struct buffer bytes;
    buffer_init(&bytes);
    for (int run = 0; run < 200; run++) {
        struct rig *rig = run % 2 == 0 ? half_way() : all_voted();
        for (int i = 0; i < 20; i++) {
            struct snapshot_message message = {
                .kind = (enum snapshot_kind)(1 + random_below(&random, SNAPSHOT_KIND_COUNT - 1)),
                .reason = (enum snapshot_reason)(1 + random_below(&random, 9))};
            const char *names[] = {"n1", "n2", "n3", "n4"};
            snapshot_cut_make((1 + random_below(&random, 3)) << 16 | snapshot_name_bits("n1"),
                              names[random_below(&random, 4)], &message.cut);
            for (size_t k = 0; k < 3; k++) snapshot_view_add(&message.view, names[k], 1, k);
            buffer_clear(&bytes);
            snapshot_message_encode(&message, &bytes);
            snapshot_message_fini(&message);
            if (random_below(&random, 2) == 0) {
                bytes.data[random_below(&random, bytes.bytes)] ^= (uint8_t)random_u64(&random);
            }
            int to = (int)random_below(&random, 3);
            int from = (to + 1 + (int)random_below(&random, 2)) % 3;
            snapshot_receive(rig->nodes[to].machine, rig->now, rig->nodes[from].name, bytes.data,
                             bytes.bytes, &rig->nodes[to].error);
        }
        /* Nothing is pumped here: the others have lost track. New lives of all can go on. */
        for (int i = 0; i < 3; i++) snapshot_rig_crash(rig, i);
        for (int i = 0; i < 3; i++) snapshot_rig_boot(rig, i, UINT64_C(9) << 16);
        for (int i = 0; i < 3; i++) snapshot_rig_begin_session(rig, i, (i + 1) % 3);
        rig->nodes[0].part.epoch = rig->nodes[1].part.epoch = rig->nodes[2].part.epoch = 0;
        must_commit_again(rig);
        snapshot_rig_free(rig);
    }
    buffer_fini(&bytes);
}
