/*
 * link_chaos_test.c - hundreds of seeds of loss, delay, reordering, cuts, restarts and closes.
 *
 * Each seed draws its own mix, runs a few seconds of virtual time under the oracle of the rig,
 * heals the channel, and asks for what must then hold: one common session, and everything in it
 * settled.
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "transport/link_rig_test.h"

TestSuite(link_chaos, .timeout = 60);

/* What a run may do beyond sending; the more, the rarer each. */
enum wildness { LOSSY, BROKEN, RESTARTING };

static uint64_t draw(struct rig *rig, uint64_t bound) {
    return random_below(&rig->random, bound);
}

static void draw_channels(struct rig *rig) {
    for (unsigned i = 0; i < 2; i++) {
        struct rig_channel *channel = &rig->side[i].out;
        channel->loss_percent = (unsigned)draw(rig, 3) * (unsigned)draw(rig, 20);
        channel->repeat_percent = (unsigned)draw(rig, 2) * (unsigned)draw(rig, 10);
        channel->delay_min = draw(rig, 5 * RIG_MS);
        channel->delay_max = channel->delay_min + draw(rig, 2) * draw(rig, 80 * RIG_MS);
        rig->side[i].hold_percent = (unsigned)draw(rig, 2) * (unsigned)draw(rig, 100);
        rig->side[i].parcel_messages = (unsigned)draw(rig, 2) * (unsigned)draw(rig, 20);
    }
}

static void restart(struct rig_side *side) {
    struct rig *rig = side->rig;
    switch (draw(rig, 5)) {
        case 0:
            rig_recreate(side, true, draw(rig, 2) == 0);
            break;
        case 1:
            rig_recreate(side, false, draw(rig, 2) == 0);
            break;
        case 2:
            link_close(side->link, draw(rig, 2) == 0 ? LINK_END_DOWN : LINK_END_LEAVING, "chaos",
                       rig->now);
            break;
        case 3:
            side->close_in_deliver = 1 + draw(rig, 20);
            side->close_with = draw(rig, 2) == 0 ? LINK_END_DOWN : LINK_END_LEAVING;
            break;
        default:
            link_open(side->link, rig->now);
    }
}

static void break_something(struct rig_side *side) {
    struct rig *rig = side->rig;
    switch (draw(rig, 5)) {
        case 0:
            rig_drop_in_flight(side);
            break;
        case 1:
            link_disconnected(side->link, rig->now);
            break;
        case 2:
            side->out.dead = true; /* until the link asks for a new one */
            break;
        case 3:
            side->out.cut = draw(rig, 3) == 0;
            break;
        default:
            link_connected(side->link, rig->now);
    }
}

static void act(struct rig *rig, enum wildness wildness) {
    struct rig_side *side = &rig->side[draw(rig, 2)];
    uint64_t dice = draw(rig, 100);
    if (dice < 50) {
        rig_send(side, 1 + (unsigned)draw(rig, 40), 24 + (uint32_t)draw(rig, 300));
    } else if (dice < 70) {
        rig_file(side, 1 + draw(rig, 50));
    } else if (dice < 88) {
        rig_mark(side, (unsigned)draw(rig, draw(rig, 4) == 0 ? RIG_PIDS : 5),
                 (enum frame_pressure)draw(rig, 3));
    } else if (dice < 90) {
        for (unsigned i = 0; i < RIG_PIDS; i++)
            rig_mark(side, i, (enum frame_pressure)draw(rig, 3));
    } else if (dice < 97) {
        if (wildness >= BROKEN) break_something(side);
    } else if (wildness >= RESTARTING) {
        restart(side);
    }
}

/* Both must come together again and finish everything, within a minute. */
static void settle(struct rig *rig) {
    rig_heal(rig);
    for (unsigned i = 0; i < 2; i++) link_open(rig->side[i].link, rig->now);
    if (!rig_connect(rig)) {
        if (rig->fault[0] == '\0') snprintf(rig->fault, sizeof rig->fault, "no common session");
        return;
    }
    for (unsigned k = 0; k < 60; k++) {
        for (unsigned i = 0; i < 2; i++) rig_file(&rig->side[i], UINT64_MAX);
        rig_run(rig, RIG_SECOND);
    }
    uint64_t frames = rig->side[0].out.frames_sent + rig->side[1].out.frames_sent;
    rig_check_settled(rig);
    rig_run(rig, 10 * RIG_SECOND);
    frames = rig->side[0].out.frames_sent + rig->side[1].out.frames_sent - frames;
    if (frames > 60 && rig->fault[0] == '\0')
        snprintf(rig->fault, sizeof rig->fault, "%" PRIu64 " frames in 10 idle seconds", frames);
}

/* What all seeds of a test came to, so that a test in which nothing happens fails. */
struct total {
    uint64_t delivered, downs, resumed, reconnects, duplicates, gaps, timeouts, notices;
};

static void add(struct total *total, struct rig *rig) {
    for (unsigned i = 0; i < 2; i++) {
        const struct rig_side *side = &rig->side[i];
        struct link_stats stats;
        link_stats(side->link, &stats);
        total->delivered += side->delivered;
        total->downs += side->downs;
        total->resumed += side->resumed;
        total->reconnects += side->reconnects;
        total->duplicates += stats.duplicates_dropped;
        total->gaps += stats.gaps;
        total->timeouts += stats.timeouts;
        total->notices += stats.notices_received;
    }
}

static void run(uint64_t seed, enum wildness wildness, struct total *total) {
    struct rig *rig = rig_new(seed * 3 + wildness);
    draw_channels(rig);
    rig_start(rig);
    for (unsigned i = 0; i < 250 && rig->fault[0] == '\0'; i++) {
        rig_run(rig, draw(rig, draw(rig, 10) == 0 ? 1000 * RIG_MS : 30 * RIG_MS));
        act(rig, wildness);
    }
    if (rig->fault[0] == '\0') settle(rig);
    uint64_t lost = wildness < RESTARTING ? rig->side[0].downs + rig->side[1].downs : 0;
    cr_assert_str_eq(rig->fault, "", "seed %" PRIu64 ": %s", seed, rig->fault);
    cr_assert_eq(lost, 0, "seed %" PRIu64 ": a session ended though no node did", seed);
    add(total, rig);
    rig_free(rig);
}

Test(link_chaos, loss_delay_and_reordering_never_end_a_session_nor_lose_in_it) {
    struct total total = {0};
    for (uint64_t seed = 1; seed <= 150; seed++) run(seed, LOSSY, &total);
    cr_assert(total.delivered > 100000 && total.gaps > 1000 && total.duplicates > 1000 &&
              total.notices > 1000);
    cr_assert(total.timeouts > 100);
}

Test(link_chaos, broken_connections_lose_nothing_within_a_session) {
    struct total total = {0};
    for (uint64_t seed = 1; seed <= 150; seed++) run(seed, BROKEN, &total);
    cr_assert(total.delivered > 100000 && total.resumed > 300 && total.reconnects > 30);
}

Test(link_chaos, restarts_and_closes_converge_and_account_for_every_message) {
    struct total total = {0};
    for (uint64_t seed = 1; seed <= 300; seed++) run(seed, RESTARTING, &total);
    cr_assert(total.delivered > 100000 && total.downs > 600 && total.resumed > 100);
}
