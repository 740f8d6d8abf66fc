/*
 * link_flow_test.c - acknowledgement, resending, credit, pressure and liveness within one session.
 */
#include <criterion/criterion.h>

#include "node/base/memory.h"
#include "transport/link_rig_test.h"

TestSuite(link_flow, .timeout = 30);

static struct rig *connected(void) {
    struct rig *rig = rig_new(1);
    rig_start(rig);
    cr_assert(rig_connect(rig), "%s", rig->fault);
    rig_run(rig, 100 * RIG_MS);
    return rig;
}

static void done(struct rig *rig) {
    cr_assert_str_eq(rig->fault, "");
    cr_assert_eq(rig->side[0].downs + rig->side[1].downs, 0);
    rig_free(rig);
}

static uint64_t sent(const struct rig_side *side, enum frame_type type) {
    return side->out.sent_by_type[type];
}

Test(link_flow, a_lone_message_is_acknowledged_after_five_milliseconds) {
    struct rig *rig = connected();
    rig_send(&rig->side[0], 1, 24);
    rig_run(rig, RIG_MS + 4 * RIG_MS); /* on its way 1, then 4 of the 5 */
    uint64_t before = sent(&rig->side[1], FRAME_ACK);
    rig_run(rig, 2 * RIG_MS);
    cr_assert_eq(sent(&rig->side[1], FRAME_ACK), before + 1);
    cr_assert(link_idle(rig->side[0].link));
    done(rig);
}

Test(link_flow, sixty_four_messages_are_acknowledged_at_once) {
    struct rig *rig = connected();
    rig_send(&rig->side[0], 63, 24);
    rig_run(rig, RIG_MS);
    uint64_t before = sent(&rig->side[1], FRAME_ACK);
    rig_send(&rig->side[0], 1, 24);
    rig_run(rig, RIG_MS);
    cr_assert_eq(sent(&rig->side[1], FRAME_ACK), before + 1);
    done(rig);
}

Test(link_flow, data_the_other_way_carries_the_acknowledgement) {
    struct rig *rig = connected();
    uint64_t before = sent(&rig->side[1], FRAME_ACK);
    rig_send(&rig->side[0], 1, 24);
    rig_run(rig, 2 * RIG_MS);
    rig_send(&rig->side[1], 1, 24);
    rig_run(rig, 2 * RIG_MS);
    cr_assert(link_idle(rig->side[0].link));
    cr_assert_eq(sent(&rig->side[1], FRAME_ACK), before);
    done(rig);
}

Test(link_flow, many_messages_share_a_frame_up_to_its_limit) {
    struct rig *rig = connected();
    struct link *link = rig->side[0].link;
    uint64_t before = sent(&rig->side[0], FRAME_DATA);
    for (unsigned i = 0; i < 50; i++) {
        uint8_t body[100] = {0};
        struct envelope envelope = {.kind = ENVELOPE_MEMBER, .body = body, .body_bytes = 88};
        struct parcel *parcel = envelope_encode(&envelope);
        cr_assert_eq(link_send(link, &parcel, rig->now), TR_OK);
        cr_assert_null(parcel);
    }
    struct buffer frame;
    buffer_init(&frame);
    unsigned frames = 0;
    while (link_next_frame(link, &frame, rig->now)) {
        frames++;
        cr_assert_leq(frame.bytes, 2048);
    }
    cr_assert_eq(before, sent(&rig->side[0], FRAME_DATA));
    cr_assert_eq(frames, 3); /* 50 x (88 + 4) bytes in frames of 2048 */
    buffer_fini(&frame);
    rig_free(rig);
}

Test(link_flow, a_lost_frame_is_asked_for_again_at_once) {
    struct rig *rig = connected();
    rig->side[0].out.drop_type = FRAME_DATA;
    rig->side[0].out.drop_count = 1;
    rig_send(&rig->side[0], 1, 100);
    rig_send(&rig->side[0], 1, 100); /* arrives, and shows the gap */
    rig_run(rig, 10 * RIG_MS);
    cr_assert_eq(rig->side[1].delivered, 2);
    struct link_stats stats;
    link_stats(rig->side[1].link, &stats);
    cr_assert_eq(stats.resends_asked, 1);
    cr_assert_eq(sent(&rig->side[1], FRAME_RESEND), 1);
    done(rig);
}

Test(link_flow, a_gap_is_not_asked_for_with_each_frame) {
    struct rig *rig = connected();
    rig->side[0].out.drop_type = FRAME_DATA;
    rig->side[0].out.drop_count = 1;
    rig_send(&rig->side[0], 1, 100);
    rig->side[1].out.cut = true; /* requests do not arrive */
    for (unsigned i = 0; i < 50; i++) {
        rig_send(&rig->side[0], 1, 24);
        rig_run(rig, RIG_MS);
    }
    cr_assert_leq(sent(&rig->side[1], FRAME_RESEND), 3); /* after 0, 20 and 60 ms */
    rig_heal(rig);
    rig_run(rig, RIG_SECOND);
    rig_check_settled(rig);
    done(rig);
}

/* Not taken for a gap either: that would have everything sent again for nothing. */
Test(link_flow, a_repeated_frame_is_dropped_counted_and_acknowledged_at_once) {
    struct rig *rig = connected();
    rig->side[0].out.repeat_percent = 100;
    rig_send(&rig->side[0], 10, 24);
    uint64_t before = sent(&rig->side[1], FRAME_ACK);
    rig_run(rig, RIG_MS);
    struct link_stats stats;
    link_stats(rig->side[1].link, &stats);
    cr_assert_eq(rig->side[1].delivered, 10);
    cr_assert_geq(stats.duplicates_dropped, 10);
    cr_assert_eq(stats.gaps, 0);
    cr_assert_eq(sent(&rig->side[1], FRAME_RESEND), 0);
    cr_assert_eq(sent(&rig->side[1], FRAME_ACK), before + 1);
    done(rig);
}

Test(link_flow, without_a_request_a_probe_sends_again_ever_more_rarely) {
    struct rig *rig = connected();
    rig->side[0].out.drop_type = FRAME_DATA;
    rig->side[0].out.drop_count = 1000;
    rig_send(&rig->side[0], 1, 100);
    rig_run(rig, 190 * RIG_MS);
    uint64_t first = sent(&rig->side[0], FRAME_DATA);
    rig_run(rig, 20 * RIG_MS);
    cr_assert_eq(sent(&rig->side[0], FRAME_DATA), first + 1);
    rig_run(rig, 20 * RIG_SECOND);
    cr_assert_leq(sent(&rig->side[0], FRAME_DATA), first + 10); /* 0.2 0.4 0.8 1.6 3.2 5 5 5 */
    cr_assert_geq(sent(&rig->side[0], FRAME_DATA), first + 6);
    rig_heal(rig);
    rig_run(rig, 6 * RIG_SECOND);
    rig_check_settled(rig);
    done(rig);
}

Test(link_flow, a_message_over_what_the_peer_takes_is_refused_exactly) {
    struct rig *rig = connected();
    static const uint8_t body[1001];
    for (uint32_t bytes = 999; bytes <= 1001; bytes++) {
        struct envelope envelope = {.kind = ENVELOPE_MEMBER, .body = body, .body_bytes = bytes};
        struct parcel *parcel = envelope_encode(&envelope);
        cr_assert_eq(link_send(rig->side[0].link, &parcel, rig->now),
                     bytes <= 1000 ? TR_OK : TR_ETOOBIG);
        cr_assert_eq(parcel == NULL, bytes <= 1000);
        parcel_free(parcel);
    }
    rig_free(rig);
}

/* ---- credit ---------------------------------------------------------------------------------- */

Test(link_flow, held_messages_stop_the_sender_at_the_window) {
    struct rig *rig = connected();
    rig->side[1].hold_percent = 100;
    rig_send(&rig->side[0], 300, 24);
    rig_run(rig, 10 * RIG_SECOND);
    cr_assert_eq(rig->side[1].delivered, 100);
    cr_assert_eq(link_queue_messages(rig->side[0].link), 200);
    cr_assert_eq(rig_unacknowledged(&rig->side[0]), 0);
    rig_file(&rig->side[1], 30);
    rig_run(rig, RIG_SECOND);
    cr_assert_eq(rig->side[1].delivered, 130);
    done(rig);
}

Test(link_flow, the_window_in_bytes_holds_too) {
    struct rig *rig = connected();
    rig->side[1].hold_percent = 100;
    rig_send(&rig->side[0], 50, 900);
    rig_run(rig, 10 * RIG_SECOND);
    cr_assert_leq(rig->side[1].held_bytes, 8192);
    cr_assert_eq(rig->side[1].delivered, 8); /* 8 x about 940 */
    done(rig);
}

/* All is acknowledged, the receiver files, and the one frame that says so is lost. */
Test(link_flow, a_blocked_sender_goes_on_though_the_frame_with_the_credit_was_lost) {
    struct rig *rig = connected();
    rig->side[1].hold_percent = 100;
    rig_send(&rig->side[0], 150, 24);
    rig_run(rig, 30 * RIG_MS);
    cr_assert_eq(rig_unacknowledged(&rig->side[0]), 0);
    rig->side[1].hold_percent = 0;
    rig->side[1].out.drop_count = 1; /* the credit */
    rig_file(&rig->side[1], 100);
    rig_run(rig, 20 * RIG_MS);
    cr_assert_eq(rig->side[1].out.drop_count, 0);
    cr_assert_eq(rig->side[1].delivered, 100);
    rig_run(rig, 250 * RIG_MS); /* one probe, well before the next PING of the idle */
    cr_assert_eq(rig->side[1].delivered, 150);
    done(rig);
}

Test(link_flow, credit_is_absolute_so_a_late_frame_takes_nothing_back) {
    struct rig *rig = connected();
    struct buffer old;
    buffer_init(&old);
    rig->side[1].link->receiver.ack_now = true;
    cr_assert(link_next_frame(rig->side[1].link, &old, rig->now)); /* credit of now, held back */
    rig_send(&rig->side[0], 80, 24);
    rig_run(rig, 100 * RIG_MS);
    struct link_stats before, after;
    link_stats(rig->side[0].link, &before);
    link_frame(rig->side[0].link, old.data, old.bytes, rig->now);
    link_stats(rig->side[0].link, &after);
    cr_assert_eq(after.credit_messages, before.credit_messages);
    cr_assert_eq(after.credit_bytes, before.credit_bytes);
    cr_assert_eq(before.credit_messages, 100);
    buffer_fini(&old);
    done(rig);
}

Test(link_flow, credit_of_an_ended_session_does_not_count) {
    struct rig *rig = connected();
    rig->side[1].hold_percent = 100;
    rig_send(&rig->side[0], 40, 24);
    rig_run(rig, 100 * RIG_MS);
    uint64_t session = link_session(rig->side[1].link);
    link_filed(rig->side[1].link, session + 1, 40, 1000, rig->now);
    link_filed(rig->side[1].link, session, 41, 1000, rig->now); /* more than there was */
    rig_run(rig, 100 * RIG_MS);
    struct link_stats stats;
    link_stats(rig->side[0].link, &stats);
    cr_assert_eq(stats.credit_messages, 60);
    done(rig);
}

Test(link_flow, writable_is_told_once_when_the_queue_falls_to_its_low_mark) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.queue_high_bytes = 20000;
    rig->side[0].options.queue_low_bytes = 5000;
    rig_start(rig);
    cr_assert(rig_connect(rig));
    rig_run(rig, 100 * RIG_MS);
    rig->side[1].hold_percent = 100;
    rig_send(&rig->side[0], 60, 500); /* 30000, of which a window of 8192 leaves */
    rig_run(rig, 100 * RIG_MS);
    cr_assert_gt(link_queue_bytes(rig->side[0].link), 20000);
    rig_file(&rig->side[1], 10);
    rig_run(rig, 100 * RIG_MS);
    cr_assert_eq(rig->side[0].writables, 0);
    rig->side[1].hold_percent = 0;
    rig_file(&rig->side[1], UINT64_MAX);
    rig_run(rig, 100 * RIG_MS);
    cr_assert_eq(rig->side[0].writables, 1);
    done(rig);
}

/* ---- pressure -------------------------------------------------------------------------------- */

Test(link_flow, no_data_before_the_marks_that_hold_already_are_known) {
    struct rig *rig = rig_new(1);
    rig_start(rig);
    for (unsigned i = 0; i < RIG_PIDS; i++) rig_mark(&rig->side[1], i, PRESSURE_MUTE);
    for (unsigned i = 0; i < 30 && link_state(rig->side[0].link) != LINK_UP; i++) {
        rig_run(rig, RIG_MS);
        rig_send(&rig->side[0], 1, 24); /* the very moment it can */
    }
    cr_assert(rig_connect(rig));
    rig_run(rig, RIG_SECOND);
    rig_check_settled(rig);
    done(rig);
}

Test(link_flow, a_notice_overtakes_waiting_data_and_comes_before_later_credit) {
    struct rig *rig = connected();
    rig->side[1].hold_percent = 100;
    rig_send(&rig->side[0], 200, 24);
    rig_run(rig, 100 * RIG_MS);
    rig->side[1].out.drop_count = 2; /* the frames that would tell first */
    rig_mark(&rig->side[1], 1, PRESSURE_REFUSE);
    rig_file(&rig->side[1], 50);
    rig_run(rig, 8 * RIG_MS);
    cr_assert_eq(rig->side[1].marks[1].seen, PRESSURE_FREE);
    rig_run(rig, RIG_SECOND);
    cr_assert_eq(rig->side[1].marks[1].seen, PRESSURE_REFUSE);
    cr_assert_eq(rig->side[1].delivered, 150);
    done(rig);
}

Test(link_flow, more_notices_than_fit_a_frame_all_arrive_before_more_credit) {
    struct rig *rig = connected();
    rig->side[1].hold_percent = 100;
    rig_send(&rig->side[0], 200, 24);
    rig_run(rig, 100 * RIG_MS);
    for (unsigned i = 0; i < RIG_PIDS; i++)
        rig_mark(&rig->side[1], i, i % 2 == 0 ? PRESSURE_MUTE : PRESSURE_REFUSE);
    rig_file(&rig->side[1], 100);
    rig_run(rig, RIG_SECOND);
    rig_check_settled(rig);
    for (unsigned i = 0; i < RIG_PIDS; i++) rig_mark(&rig->side[1], i, PRESSURE_FREE);
    rig_run(rig, RIG_SECOND);
    rig_check_settled(rig);
    cr_assert_eq(map_pid_count(&rig->side[1].link->pressure.notices), 0,
                 "free and known: forgotten");
    done(rig);
}

/* ---- liveness -------------------------------------------------------------------------------- */

Test(link_flow, an_idle_session_pings_each_second_and_measures_the_round_trip) {
    struct rig *rig = rig_new(1);
    rig->side[0].out.delay_min = rig->side[0].out.delay_max = 30 * RIG_MS;
    rig->side[1].out.delay_min = rig->side[1].out.delay_max = 50 * RIG_MS;
    rig_start(rig);
    cr_assert(rig_connect(rig));
    uint64_t before = sent(&rig->side[0], FRAME_PING);
    rig_run(rig, 20 * RIG_SECOND);
    cr_assert_geq(sent(&rig->side[0], FRAME_PING), before + 18);
    cr_assert_leq(sent(&rig->side[0], FRAME_PING), before + 21);
    struct link_stats stats;
    link_stats(rig->side[0].link, &stats);
    cr_assert_geq(stats.rtt_ns, 79 * RIG_MS);
    cr_assert_leq(stats.rtt_ns, 86 * RIG_MS);
    cr_assert_eq(rig->side[0].resumed, 0);
    done(rig);
}

/* A PONG that comes after the next PING is a sign all the same. */
Test(link_flow, a_round_trip_of_two_seconds_is_no_silence) {
    struct rig *rig = connected();
    for (unsigned i = 0; i < 2; i++)
        rig->side[i].out.delay_min = rig->side[i].out.delay_max = 600 * RIG_MS;
    rig_run(rig, 20 * RIG_SECOND);
    cr_assert_eq(rig->side[0].resumed, 0);
    cr_assert_eq(link_state(rig->side[0].link), LINK_UP);
    done(rig);
}

Test(link_flow, silence_of_two_and_a_half_seconds_means_resuming) {
    struct rig *rig = connected();
    rig->side[0].out.cut = rig->side[1].out.cut = true;
    rig_run(rig, 1400 * RIG_MS);
    cr_assert_eq(link_state(rig->side[0].link), LINK_UP);
    rig_run(rig, 1200 * RIG_MS);
    cr_assert_eq(link_state(rig->side[0].link), LINK_RESUMING);
    rig_heal(rig);
    rig_run(rig, 600 * RIG_MS);
    cr_assert_eq(link_state(rig->side[0].link), LINK_UP);
    done(rig);
}
