/*
 * link_test.c - how sessions come up, resume, end and are refused.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "transport/link_rig_test.h"

TestSuite(link, .timeout = 30);

static struct rig *connected(void) {
    struct rig *rig = rig_new(1);
    rig_start(rig);
    cr_assert(rig_connect(rig), "%s", rig->fault);
    rig_run(rig, 100 * RIG_MS);
    return rig;
}

static void done(struct rig *rig) {
    cr_assert_str_eq(rig->fault, "");
    rig_free(rig);
}

/* Runs both into one session, settled. */
static void settle(struct rig *rig) {
    cr_assert(rig_connect(rig), "no session: %s", rig->fault);
    rig_run(rig, 5 * RIG_SECOND);
    rig_check_settled(rig);
}

Test(link, two_dialling_nodes_agree_on_one_session_and_know_each_other) {
    struct rig *rig = connected();
    cr_assert_eq(rig->side[0].ups, 1);
    cr_assert_eq(rig->side[1].ups, 1);
    cr_assert_str_eq(rig->side[0].up_peer.name, "b");
    cr_assert_eq(rig->side[0].up_peer.incarnation, 20);
    cr_assert_str_eq(rig->side[1].up_peer.cluster, "c");
    done(rig);
}

Test(link, a_link_without_a_name_learns_it_from_hello) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.peer = NULL;
    rig_start(rig);
    cr_assert_str_eq(link_peer_name(rig->side[0].link), "");
    cr_assert(rig_connect(rig));
    cr_assert_str_eq(link_peer_name(rig->side[0].link), "b");
    done(rig);
}

Test(link, hello_carries_the_epoch) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.epoch = 77;
    rig_start(rig);
    cr_assert(rig_connect(rig));
    cr_assert_eq(rig->side[1].peer_epoch, 77);
    done(rig);
}

Test(link, sending_without_a_session_is_refused_and_keeps_ownership) {
    struct rig *rig = rig_new(1);
    rig_start(rig);
    struct envelope envelope = {.kind = ENVELOPE_MEMBER};
    struct parcel *parcel = envelope_encode(&envelope);
    cr_assert_eq(link_send(rig->side[0].link, &parcel, rig->now), TR_EUNREACHABLE);
    cr_assert_not_null(parcel);
    parcel_free(parcel);
    done(rig);
}

Test(link, lost_handshake_frames_are_made_up_for) {
    static const enum frame_type types[] = {FRAME_HELLO, FRAME_HELLO_ACK};
    for (unsigned which = 0; which < 2; which++) {
        for (unsigned side = 0; side < 2; side++) {
            for (unsigned count = 1; count <= 3; count++) {
                struct rig *rig = rig_new(1);
                rig->side[side].out.drop_type = types[which];
                rig->side[side].out.drop_count = count;
                rig_start(rig);
                cr_assert(rig_connect(rig));
                cr_assert_eq(rig_send(&rig->side[0], 5, 24), 5);
                cr_assert_eq(rig_send(&rig->side[1], 5, 24), 5);
                settle(rig);
                cr_assert_eq(rig->side[0].downs + rig->side[1].downs, 0);
                done(rig);
            }
        }
    }
}

/* Both of one life, one of them with a new link object that remembers nothing. */
Test(link, a_link_made_anew_in_the_same_life_gets_a_new_session) {
    struct rig *rig = connected();
    rig_send(&rig->side[1], 20, 100);
    rig_recreate(&rig->side[0], false, false);
    rig_send(&rig->side[1], 20, 100);
    rig_run(rig, RIG_SECOND);
    settle(rig);
    cr_assert_eq(rig->side[1].downs, 1);
    cr_assert_eq(rig->side[1].ups, 2);
    done(rig);
}

/* A late HELLO of a link that is gone, for a counter that its successor uses too: that counter must
 * serve neither. */
Test(link, a_counter_never_serves_two_links_of_the_peer) {
    struct rig *rig = rig_new(1);
    rig->side[0].out.delay_min = rig->side[0].out.delay_max = 50 * RIG_MS;
    rig->side[1].out.cut = true;
    rig_start(rig);
    rig_run(rig, 10 * RIG_MS); /* HELLO of the first link, counter 1, is on its way */
    rig_recreate(&rig->side[0], false, false);
    rig->side[0].out.delay_min = rig->side[0].out.delay_max = 5 * RIG_MS;
    rig_pump(rig);
    rig_run(rig, 20 * RIG_MS);
    uint64_t counter = rig->side[1].link->handshake.counter;
    rig_run(rig, 60 * RIG_MS); /* now the first one's arrives */
    cr_assert_gt(rig->side[1].link->handshake.counter, counter);
    rig_heal(rig);
    settle(rig);
    done(rig);
}

Test(link, a_new_incarnation_ends_the_session_and_opens_another) {
    struct rig *rig = connected();
    uint64_t session = rig->side[0].up_session;
    rig_recreate(&rig->side[1], true, false);
    settle(rig);
    cr_assert_eq(rig->side[0].down.reason, LINK_END_RESTARTED);
    cr_assert_gt(rig->side[0].up_session, session);
    cr_assert_eq(rig->side[0].up_peer.incarnation, 21);
    done(rig);
}

/* One typo in a name must not throw a healthy node out of its cluster. */
Test(link, a_second_node_of_a_name_elsewhere_is_refused_while_the_first_answers) {
    struct rig *rig = connected();
    uint64_t session = rig->side[0].up_session;
    struct hello hello = {.identity = rig->side[1].options.self, .token = 4711};
    snprintf(hello.identity.endpoint, sizeof hello.identity.endpoint, "tcp://elsewhere:1");
    struct frame_header header = {.type = FRAME_HELLO,
                                  .source = "b",
                                  .source_bytes = 1,
                                  .source_incarnation = 21,
                                  .session = 1};
    struct buffer frame;
    buffer_init(&frame);
    frame_encode(&frame, &header);
    hello_encode(&frame, &hello);
    rig_inject(&rig->side[0], frame.data, frame.bytes);
    rig_run(rig, RIG_SECOND);
    cr_assert_eq(rig->side[0].downs, 0);
    cr_assert_eq(link_session(rig->side[0].link), session);
    cr_assert_eq(rig->side[0].refused, LINK_REFUSED_NAME);
    cr_assert(strstr(rig->side[0].refused_text, "tcp://elsewhere:1") != NULL);
    /* The first falls silent: then it may as well have moved there. */
    link_free(rig->side[1].link);
    rig->side[1].link = NULL;
    rig->now += 4 * RIG_SECOND;
    link_tick(rig->side[0].link, rig->now);
    link_frame(rig->side[0].link, frame.data, frame.bytes, rig->now);
    cr_assert_eq(rig->side[0].downs, 1);
    cr_assert_eq(rig->side[0].down.reason, LINK_END_RESTARTED);
    cr_assert_eq(link_peer(rig->side[0].link)->incarnation, 21);
    buffer_fini(&frame);
    rig_free(rig);
}

/* Frames of the old life must not count, and answering them must not go on for ever. */
Test(link, frames_of_an_old_incarnation_are_dropped_and_counted) {
    struct rig *rig = connected();
    rig->side[1].out.delay_min = rig->side[1].out.delay_max = 30 * RIG_MS;
    rig_send(&rig->side[1], 50, 100); /* still on their way when the next life has its session */
    rig->side[1].out.delay_min = rig->side[1].out.delay_max = RIG_MS;
    rig_recreate(&rig->side[1], true, true);
    settle(rig);
    struct link_stats stats;
    link_stats(rig->side[0].link, &stats);
    cr_assert_gt(stats.old_incarnation_frames, 0);
    cr_assert_eq(rig->side[0].delivered, 0);
    done(rig);
}

Test(link, a_late_hello_of_the_link_in_session_does_not_end_it) {
    struct rig *rig = rig_new(1);
    rig_start(rig);
    struct buffer first;
    buffer_init(&first);
    cr_assert(link_next_frame(rig->side[0].link, &first,
                              rig->now)); /* the HELLO of counter 1, held back */
    link_close(rig->side[0].link, LINK_END_DOWN, "again", rig->now);
    link_open(rig->side[0].link, rig->now);
    cr_assert(rig_connect(rig));
    cr_assert_gt(rig->side[0].up_session, 1);
    rig_inject(&rig->side[1], first.data, first.bytes);
    rig_run(rig, RIG_SECOND);
    cr_assert_eq(rig->side[1].downs, 0);
    buffer_fini(&first);
    done(rig);
}

Test(link, a_broken_connection_is_resumed_without_loss) {
    struct rig *rig = connected();
    rig_send(&rig->side[0], 60, 100);
    rig_drop_in_flight(&rig->side[0]);
    rig_drop_in_flight(&rig->side[1]);
    link_disconnected(rig->side[0].link, rig->now);
    cr_assert_eq(link_state(rig->side[0].link), LINK_RESUMING);
    rig_send(&rig->side[0], 10, 100); /* waits */
    rig_run(rig, 20 * RIG_MS);
    cr_assert_eq(link_state(rig->side[0].link), LINK_UP);
    settle(rig);
    cr_assert_eq(rig->side[1].delivered, 70);
    cr_assert_eq(rig->side[0].downs, 0);
    cr_assert_geq(rig->side[0].resumed, 1);
    done(rig);
}

/* The way out is dead while the peer's frames go on coming: nothing but our own silence detector
 * can tell. */
Test(link, a_dead_way_out_is_noticed_though_the_peer_is_heard) {
    struct rig *rig = connected();
    rig->side[0].out.dead = true;
    rig_send(&rig->side[0], 10, 100);
    rig_run(rig, 4 * RIG_SECOND);
    cr_assert_eq(link_state(rig->side[0].link), LINK_RESUMING);
    rig_run(rig, 6 * RIG_SECOND);
    cr_assert_geq(rig->side[0].reconnects, 1);
    settle(rig);
    cr_assert_eq(rig->side[1].delivered, 10);
    cr_assert_eq(rig->side[0].downs + rig->side[1].downs, 0);
    done(rig);
}

Test(link, the_watchdog_asks_for_a_new_connection_every_five_seconds_while_opening) {
    struct rig *rig = rig_new(1);
    rig->side[0].out.cut = rig->side[1].out.cut = true;
    rig_start(rig);
    rig_run(rig, 4900 * RIG_MS);
    cr_assert_eq(rig->side[0].reconnects, 0);
    rig_run(rig, 200 * RIG_MS);
    cr_assert_eq(rig->side[0].reconnects, 1);
    rig_run(rig, 5 * RIG_SECOND);
    cr_assert_eq(rig->side[0].reconnects, 2);
    cr_assert_geq(rig->side[0].out.sent_by_type[FRAME_HELLO], 20);
    cr_assert_leq(rig->side[0].out.sent_by_type[FRAME_HELLO], 22);
    done(rig);
}

/* Hearing the peer's HELLOs must not put off the watchdog: it is our way out that may be dead. */
Test(link, the_watchdog_works_though_the_peer_says_hello) {
    struct rig *rig = rig_new(1);
    rig->side[0].out.dead = true;
    rig_start(rig);
    rig_run(rig, 6 * RIG_SECOND);
    cr_assert_eq(rig->side[0].reconnects, 1);
    settle(rig);
    done(rig);
}

Test(link, a_connection_that_is_there_brings_hello_forward) {
    struct rig *rig = rig_new(1);
    rig->side[0].out.cut = true;
    rig_start(rig);
    rig_run(rig, 50 * RIG_MS);
    rig->side[0].out.cut = false;
    link_connected(rig->side[0].link, rig->now);
    rig_run(rig, 30 * RIG_MS);
    cr_assert_eq(link_state(rig->side[0].link), LINK_UP);
    done(rig);
}

Test(link, closing_down_tells_the_peer_and_a_hello_opens_again) {
    struct rig *rig = connected();
    rig_send(&rig->side[0], 3, 100);
    link_close(rig->side[0].link, LINK_END_DOWN, "told to", rig->now);
    cr_assert_eq(link_state(rig->side[0].link), LINK_CLOSED);
    cr_assert_eq(rig->side[0].down.delivered_up_to, 0);
    cr_assert_eq(rig->side[0].down.unknown_count, 3);
    cr_assert_eq(rig->side[0].down.count, 3);
    settle(rig);
    cr_assert_eq(rig->side[1].down.reason, LINK_END_DOWN);
    cr_assert_str_eq(rig->side[1].down_text, "told to");
    done(rig);
}

Test(link, what_credit_held_back_was_never_sent) {
    struct rig *rig = connected();
    rig->side[1].hold_percent = 100;
    rig_send(&rig->side[0], 150, 24); /* the window is 100 messages */
    rig_run(rig, RIG_SECOND);
    link_close(rig->side[0].link, LINK_END_DOWN, "x", rig->now);
    cr_assert_eq(rig->side[0].down.delivered_up_to, 100);
    cr_assert_eq(rig->side[0].down.unknown_count, 0);
    cr_assert_eq(rig->side[0].down.count, 50);
    rig_run(rig, 10 * RIG_MS);
    done(rig);
}

Test(link, a_lost_bye_is_made_up_for) {
    struct rig *rig = connected();
    rig->side[0].out.drop_type = FRAME_BYE;
    rig->side[0].out.drop_count = 1;
    link_close(rig->side[0].link, LINK_END_DOWN, "unheard", rig->now);
    rig_run(rig, 10 * RIG_MS);
    cr_assert_eq(rig->side[1].downs, 0);
    settle(rig);
    cr_assert_eq(rig->side[1].downs, 1);
    cr_assert_eq(rig->side[1].down.reason, LINK_END_UNKNOWN);
    done(rig);
}

/* An acknowledgement after all would have the peer begin a session with nobody. */
Test(link, a_link_closed_while_opening_says_nothing_more) {
    struct rig *rig = rig_new(1);
    rig_start(rig);
    struct buffer frame;
    buffer_init(&frame);
    cr_assert(link_next_frame(rig->side[1].link, &frame, rig->now)); /* HELLO */
    link_frame(rig->side[0].link, frame.data, frame.bytes, rig->now);
    link_close(rig->side[0].link, LINK_END_DOWN, "no", rig->now);
    cr_assert_not(link_next_frame(rig->side[0].link, &frame, rig->now));
    cr_assert_eq(link_deadline(rig->side[0].link), NEVER);
    buffer_fini(&frame);
    done(rig);
}

Test(link, a_leaving_node_stays_gone_until_it_opens) {
    struct rig *rig = connected();
    link_close(rig->side[0].link, LINK_END_LEAVING, "good bye", rig->now);
    rig_run(rig, RIG_SECOND);
    cr_assert_eq(link_state(rig->side[1].link), LINK_CLOSED);
    cr_assert_eq(rig->side[1].down.reason, LINK_END_LEAVING);
    link_open(rig->side[1].link, rig->now); /* dials, and is told again */
    rig_run(rig, RIG_SECOND);
    cr_assert_eq(link_state(rig->side[0].link), LINK_CLOSED);
    cr_assert_eq(link_state(rig->side[1].link), LINK_CLOSED);
    link_open(rig->side[0].link, rig->now);
    settle(rig);
    done(rig);
}

/* The peer's new life is heard while the old session is up, and the callback of its end leaves for
 * good. */
static void leave_when_down(void *user, struct link *link, const struct link_down *down) {
    (void)down;
    struct rig_side *side = user;
    side->downs++;
    link_close(link, LINK_END_LEAVING, "enough", side->rig->now);
}

Test(link, leaving_in_a_callback_of_a_hello_holds) {
    struct rig *rig = rig_new(1);
    struct link_ops ops = *rig->side[0].options.ops;
    ops.session_down = leave_when_down;
    rig->side[0].options.ops = &ops;
    rig_start(rig);
    cr_assert(rig_connect(rig));
    rig_recreate(&rig->side[1], true, false);
    rig_run(rig, 5 * RIG_SECOND);
    cr_assert_eq(rig->side[0].downs, 1);
    cr_assert_eq(link_state(rig->side[0].link), LINK_CLOSED);
    done(rig);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void expect_refusal(struct rig *rig, enum link_refusal reason, const char *one,
                           const char *other) {
    rig_start(rig);
    rig_run(rig, 12 * RIG_SECOND);
    struct rig_side *side = &rig->side[0];
    cr_assert_geq(side->refusals, 1);
    cr_assert_leq(side->refusals, 6, "reported %d times", (int)side->refusals);
    cr_assert_eq(side->refused, reason, "%d: %s", (int)side->refused, side->refused_text);
    cr_assert_not_null(strstr(side->refused_text, one), "%s", side->refused_text);
    cr_assert_not_null(strstr(side->refused_text, other), "%s", side->refused_text);
    cr_assert_eq(side->ups, 0);
    cr_assert_leq(side->out.frames_sent, 60, "%d frames", (int)side->out.frames_sent);
    done(rig);
}

Test(link, another_cluster_is_refused_with_both_names) {
    struct rig *rig = rig_new(1);
    strcpy(rig->side[1].options.self.cluster, "other");
    expect_refusal(rig, LINK_REFUSED_CLUSTER, "cluster c", "cluster other");
}

Test(link, another_generation_is_refused_with_both_numbers) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.self.generation = 31;
    rig->side[1].options.self.generation = 32;
    expect_refusal(rig, LINK_REFUSED_GENERATION, "31", "32");
}

Test(link, another_name_than_expected_is_refused_with_both_names) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.peer = "carol";
    expect_refusal(rig, LINK_REFUSED_NAME, "carol", "b answers");
}

Test(link, the_own_name_is_refused) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.peer = NULL;
    strcpy(rig->side[1].options.self.name, "a");
    expect_refusal(rig, LINK_REFUSED_NAME, "both nodes", "a");
}

Test(link, a_lower_incarnation_is_refused_with_both_numbers) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.peer_incarnation = 99;
    expect_refusal(rig, LINK_REFUSED_INCARNATION, "20", "99");
}

/* Also when the refusing side's own HELLOs get lost: a refusal needs no introduction. */
Test(link, the_refused_learns_why_and_goes_on_rarely) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.peer_incarnation = 99;
    rig->side[0].out.drop_type = FRAME_HELLO;
    rig->side[0].out.drop_count = 1000;
    rig_start(rig);
    rig_run(rig, 21 * RIG_SECOND);
    struct rig_side *refused = &rig->side[1];
    cr_assert_eq(refused->refused, LINK_REFUSED_BY_PEER);
    cr_assert_not_null(strstr(refused->refused_text, "99"), "%s", refused->refused_text);
    cr_assert_leq(refused->out.sent_by_type[FRAME_HELLO], 6);
    cr_assert_geq(refused->out.sent_by_type[FRAME_HELLO], 4);
    cr_assert_geq(rig->side[0].out.sent_by_type[FRAME_HELLO], 4,
                  "a refused peer keeps this node silent");
    done(rig);
}

/* Its HELLOs come every 500 ms, since it does not hear that it is refused; ours still go out. */
Test(link, a_peer_that_is_refused_often_does_not_keep_this_node_silent) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.peer_incarnation = 99;
    rig->side[0].out.drop_type = FRAME_BYE;
    rig->side[0].out.drop_count = 1000;
    rig_start(rig);
    rig_run(rig, 21 * RIG_SECOND);
    cr_assert_geq(rig->side[0].out.sent_by_type[FRAME_HELLO], 4);
    cr_assert_leq(rig->side[0].out.sent_by_type[FRAME_HELLO], 6);
    cr_assert_leq(rig->side[0].refusals, 60);
    done(rig);
}

Test(link, another_version_is_refused_with_both_versions) {
    struct rig *rig = rig_new(1);
    rig_start(rig);
    static const uint8_t frame[] = {0x9b, 77, 1, 0xa1, 'b', 20, 10, 1, 0xc0, 0xc0, 0xc0, 0xc0};
    link_frame(rig->side[0].link, frame, sizeof frame, rig->now);
    cr_assert_eq(rig->side[0].refused, LINK_REFUSED_VERSION);
    cr_assert_not_null(strstr(rig->side[0].refused_text, "77"), "%s", rig->side[0].refused_text);
    cr_assert_not_null(strstr(rig->side[0].refused_text, "version 2"), "%s",
                       rig->side[0].refused_text);
    done(rig);
}

Test(link, after_a_refusal_is_over_connections_count_again) {
    struct rig *rig = rig_new(1);
    rig->side[0].options.peer_incarnation = 21;
    rig_start(rig);
    rig_run(rig, RIG_SECOND);
    cr_assert_eq(rig->side[0].refused, LINK_REFUSED_INCARNATION);
    rig_recreate(&rig->side[1], true, false);
    settle(rig);
    rig->side[0].out.cut = true;
    link_disconnected(rig->side[0].link, rig->now);
    rig_run(rig, 50 * RIG_MS);
    rig->side[0].out.cut = false;
    link_connected(rig->side[0].link, rig->now);
    rig_run(rig, 30 * RIG_MS);
    cr_assert_eq(link_state(rig->side[0].link), LINK_UP);
    done(rig);
}

/* ---- bad frames ------------------------------------------------------------------------------ */

Test(link, a_bad_frame_ends_the_session_and_keeps_both_apart_for_five_seconds) {
    struct rig *rig = connected();
    rig_inject(&rig->side[0], (const uint8_t *)"\xc1nonsense", 9);
    rig_run(rig, 4900 * RIG_MS);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(rig->side[i].down.reason, LINK_END_BAD_FRAME);
        cr_assert_not_null(strstr(rig->side[i].down_text, "cannot be read"));
        cr_assert_eq(rig->side[i].ups, 1);
    }
    rig_run(rig, 300 * RIG_MS);
    cr_assert_eq(rig->side[0].ups, 2);
    cr_assert_eq(rig->side[0].reconnects, 0, "the quarantine is no reason for a new connection");
    settle(rig);
    done(rig);
}

/* A frame of the session from side 1, as given. */
static void inject(struct rig *rig, struct frame_header header, const char *body,
                   size_t body_bytes) {
    struct buffer frame;
    buffer_init(&frame);
    header.source = "b";
    header.source_bytes = 1;
    header.source_incarnation = 20;
    header.destination_incarnation = 10;
    header.session = rig->side[0].up_session;
    frame_encode(&frame, &header);
    buffer_append(&frame, body, body_bytes);
    rig_inject(&rig->side[0], frame.data, frame.bytes);
    buffer_fini(&frame);
    rig_run(rig, 10 * RIG_MS);
}

Test(link, what_no_correct_peer_sends_ends_the_session) {
    static const struct {
        struct frame_header header;
        const char *body;
        size_t bytes;
    } bad[] = {
        {{.type = FRAME_DATA}, "\x01\x92\x01", 3},         /* an envelope that is cut */
        {{.type = FRAME_DATA}, "\x01\x92\x01\xc4\x00", 5}, /* to nobody: nothing to repeat */
        {{.type = FRAME_DATA}, "\x00\x92\x03\xc4\x00", 5}, /* the first number is 1 */
        {{.type = FRAME_DATA}, "\x01", 1},
        {{.type = FRAME_DATA}, "", 0},
        {{.type = FRAME_PING}, "\xc0", 1},
        {{.type = FRAME_PONG}, "", 0},
        {{.type = FRAME_BYE}, "\x92\x01", 2},
        {{.type = FRAME_ACK, .ack = 1}, "", 0},
        {{.type = FRAME_ACK, .notices_seen = 1}, "", 0},
        {{.type = FRAME_ACK, .credit_sequence = UINT64_MAX}, "", 0},
        {{.type = FRAME_ACK, .credit_bytes = UINT64_MAX}, "", 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rig *rig = connected();
        inject(rig, bad[i].header, bad[i].body, bad[i].bytes);
        cr_assert_eq(rig->side[0].downs, 1, "bad frame %zu", i);
        cr_assert_eq(rig->side[0].down.reason, LINK_END_BAD_FRAME, "bad frame %zu", i);
        done(rig);
    }
}

/* A frame that differs from a good one in one number only. */
Test(link, frames_of_another_life_or_session_are_not_taken) {
    static const char message[] = "\x01\x92\x03\xc4\x00";
    for (unsigned i = 0; i < 3; i++) {
        struct rig *rig = connected();
        struct frame_header header = {.type = FRAME_DATA, .source = "b", .source_bytes = 1};
        header.source_incarnation = i == 0 ? 19 : 20;
        header.destination_incarnation = i == 1 ? 9 : 10;
        header.session = rig->side[0].up_session - (i == 2 ? 1 : 0);
        struct buffer frame;
        buffer_init(&frame);
        frame_encode(&frame, &header);
        buffer_append(&frame, message, sizeof message - 1);
        uint64_t byes = rig->side[0].out.sent_by_type[FRAME_BYE];
        for (unsigned k = 0; k < 3; k++) rig_inject(&rig->side[0], frame.data, frame.bytes);
        rig_run(rig, 20 * RIG_MS);
        struct link_stats stats;
        link_stats(rig->side[0].link, &stats);
        cr_assert_eq(rig->side[0].delivered, 0);
        cr_assert_eq(stats.old_incarnation_frames, i < 2 ? 3 : 0);
        cr_assert_eq(stats.other_session_frames, i < 2 ? 0 : 3);
        cr_assert_eq(rig->side[0].out.sent_by_type[FRAME_BYE] - byes, i < 2 ? 0 : 1,
                     "answered once, not each time");
        cr_assert_eq(rig->side[0].downs + rig->side[1].downs, 0);
        buffer_fini(&frame);
        done(rig);
    }
}

/* HELLO_ACK for the first of two links of one life, late: it says nothing about the second. */
Test(link, an_acknowledgement_of_another_links_hello_does_not_count) {
    struct rig *rig = rig_new(1);
    rig->side[0].out.drop_type = FRAME_HELLO_ACK; /* so that side 1 is not in session */
    rig->side[0].out.drop_count = 100;
    rig_start(rig);
    rig_run(rig, 10 * RIG_MS);
    struct buffer late;
    buffer_init(&late);
    struct link *peer = rig->side[1].link;
    peer->handshake.ack_wanted = true;
    cr_assert(link_next_frame(peer, &late, rig->now));
    rig->side[1].out.cut = true;
    rig_recreate(&rig->side[0], false, false);
    rig->side[0].link->peer = peer->self; /* as if it had heard a HELLO of that life */
    rig->side[0].link->peer_known = true;
    link_frame(rig->side[0].link, late.data, late.bytes, rig->now);
    cr_assert_not(rig->side[0].link->handshake.heard_ack);
    buffer_fini(&late);
    rig_heal(rig);
    settle(rig);
    done(rig);
}

Test(link, resuming_with_a_link_that_is_gone_is_answered_bye) {
    struct rig *rig = connected();
    struct link *peer = rig->side[1].link;
    struct hello hello = {.identity = peer->self, .token = rig->side[1].token, .bound = 4711};
    struct buffer body;
    buffer_init(&body);
    hello_encode(&body, &hello);
    uint64_t acks = rig->side[0].out.sent_by_type[FRAME_HELLO_ACK];
    rig->side[0].out.cut = true;
    inject(rig, (struct frame_header){.type = FRAME_HELLO}, (const char *)body.data, body.bytes);
    cr_assert_eq(rig->side[0].out.sent_by_type[FRAME_HELLO_ACK], acks);
    cr_assert_eq(rig->side[0].out.sent_by_type[FRAME_BYE], 1);
    buffer_fini(&body);
    done(rig);
}

Test(link, a_body_over_the_agreed_size_ends_the_session) {
    struct rig *rig = connected();
    char body[1100] = "\x01\x92\x03\xc5\x03\xe9"; /* 1001 bytes */
    inject(rig, (struct frame_header){.type = FRAME_DATA}, body, 6 + 1001);
    cr_assert_eq(rig->side[0].down.reason, LINK_END_BAD_FRAME);
    cr_assert_eq(rig->side[0].delivered, 0);
    done(rig);
}

Test(link, more_than_the_credit_ends_the_session_before_it_is_delivered) {
    struct rig *rig = connected();
    rig->side[0].hold_percent = 100;
    rig_send(&rig->side[1], 100, 24); /* all that the window takes */
    rig_run(rig, 100 * RIG_MS);
    cr_assert_eq(rig->side[0].delivered, 100);
    inject(rig, (struct frame_header){.type = FRAME_DATA}, "\x65\x92\x03\xc4\x00", 5);
    cr_assert_eq(rig->side[0].down.reason, LINK_END_BAD_FRAME);
    cr_assert_eq(rig->side[0].delivered, 100);
    done(rig);
}
