/* lease_test.c - the borrowing side of a lease: caches, dry times, sessions; and what is refused.
 */
#include "node/lease.h"

#include <criterion/criterion.h>

#include "node/base/memory.h"
#include "node/node.h"
#include "node/peer_state.h"
#include "node/record_pack.h"
#include "node/runtime_fixture.h"
#include "node/unborn.h"

TestSuite(lease, .timeout = 30);

static const tr_behavior plain = {.name = "plain", .version = 1};
static const tr_mailbox_options unmarked;
static struct fixture world;
static tr_node node;
static struct peer *peer;
static tr_actor *spawner;

static void wake(void *context) {
    (void)context;
}
static const struct driver_ops quiet_ops = {.wake = wake};

/* A node that is no more than what a peer without a link needs. */
static void open_world(unsigned workers) {
    static const tr_behavior *const offered[] = {&plain, NULL};
    fixture_open(&world, 1, workers, (struct mailbox_limits){500, 1000, 16000}, offered);
    memset(&node, 0, sizeof node);
    node.name = "here";
    node.runtime = world.runtime;
    node.driver.ops = &quiet_ops;
    node.stage = NODE_UP;
    node.space_taken = true;
    producer_init(&node.producer, world.runtime, NULL);
    reclaim_online(&node.producer.reader);
    peer = peer_obtain(&node, "far");
    spawner = fixture_actor(&world, fixture_spawn(&world, &plain, NULL, NULL));
    cr_assert(fixture_settle(&world, 100));
    spawner->worker = world.runtime->workers[0]; /* as while it runs */
}

static void close_world(void) {
    peers_free(&node);
    producer_fini(&node.producer);
    fixture_close(&world);
}

static void begin_session(void) {
    peer->last_serial++;
    lease_session_up(peer, true);
    atomic_store(&peer->serial, peer->last_serial);
    outbox_admit(&peer->outbox, peer->last_serial, 1 << 20, 1000);
}

static tr_status receive(const uint64_t *words, size_t count, const uint64_t *runs,
                         size_t run_words) {
    struct buffer body;
    buffer_init(&body);
    record_pack_array(&body, count + (runs != NULL));
    for (size_t i = 0; i < count; i++) record_pack_u64(&body, words[i]);
    if (runs != NULL) record_pack_array(&body, run_words);
    for (size_t i = 0; i < run_words; i++) record_pack_u64(&body, runs[i]);
    tr_error error = {0};
    tr_status status = lease_receive(peer, body.data, body.bytes, world.now_ns, &error);
    if (status != TR_OK) cr_assert(error.message[0] != '\0');
    buffer_fini(&body);
    return status;
}

static tr_status grant(uint64_t first, uint64_t generation, uint64_t count) {
    const uint64_t kind = 2, run[] = {first, generation, count};
    return receive(&kind, 1, run, 3);
}

static tr_status hold(bool waits, struct spawn_hold *out) {
    struct spawn_wish wish = {
        .node = "far", .behavior = &plain, .name = "plain", .marks = &unmarked, .waits = waits};
    return lease_hold(peer, FIXTURE_FAR, spawner, &wish, out);
}

static unsigned leases_in(const struct parcel *parcel) {
    struct parcel_reader reader;
    unsigned count = 0;
    parcel_open(parcel, &reader);
    for (const struct envelope *each; (each = parcel_next(&reader)) != NULL; count++)
        cr_assert_eq(each->kind, ENVELOPE_LEASE);
    return count;
}

/* Envelopes pushed for the link since the last call. */
static unsigned pushed(void) {
    unsigned count = 0;
    struct parcel *parcel = outbox_take(&peer->outbox);
    while (parcel != NULL) {
        struct parcel *next = parcel->next;
        cr_assert_leq(parcel->tag, peer->last_serial);
        count += leases_in(parcel);
        parcel_free(parcel);
        parcel = next;
    }
    return count;
}

Test(lease, what_a_session_did_not_take_has_not_been_told) {
    open_world(1);
    begin_session();
    struct spawn_hold held;
    outbox_admit(&peer->outbox, 0, 0, 0); /* between the two halves of an end */
    cr_assert_eq(hold(false, &held), TR_EFULL);
    cr_assert_eq(pushed(), 0);
    outbox_admit(&peer->outbox, peer->last_serial, 1 << 20, 1000);
    cr_assert_eq(hold(false, &held), TR_EFULL);
    cr_assert_eq(pushed(), 1); /* DRY */
    cr_assert_eq(grant(40, 3, 2), TR_OK);
    outbox_admit(&peer->outbox, 0, 0, 0);
    cr_assert_eq(hold(false, &held), TR_OK);
    outbox_admit(&peer->outbox, peer->last_serial, 1 << 20, 1000);
    cr_assert_eq(hold(false, &held), TR_OK);
    cr_assert_eq(pushed(), 1); /* the mould */
    close_world();
}

Test(lease, slots_are_held_in_order_and_the_behavior_is_told_once) {
    open_world(1);
    begin_session();
    cr_assert_eq(grant(40, 3, 2), TR_OK);
    cr_assert_eq(grant(90, 1, 1), TR_OK);
    const tr_pid expected[] = {{FIXTURE_FAR, 40, 3}, {FIXTURE_FAR, 41, 3}, {FIXTURE_FAR, 90, 1}};
    struct spawn_hold held;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(hold(false, &held), TR_OK);
        cr_assert(tr_pid_equal(held.pid, expected[i]) && held.session == 1 && held.mould == 1);
    }
    cr_assert_eq(pushed(), 1);
    cr_assert_eq(hold(false, &held), TR_EFULL);
    cr_assert_eq(pushed(), 1, "the peer is told that none is left, ");
    cr_assert_eq(hold(false, &held), TR_EFULL);
    cr_assert_eq(pushed(), 0, "once");
    close_world();
}

Test(lease, a_slot_that_was_given_back_is_held_again) {
    open_world(1);
    begin_session();
    cr_assert_eq(grant(40, 3, 2), TR_OK);
    struct spawn_hold held, again;
    cr_assert_eq(hold(false, &held), TR_OK);
    lease_return(spawner, &held);
    cr_assert_eq(hold(false, &again), TR_OK);
    cr_assert(tr_pid_equal(held.pid, again.pid));
    close_world();
}

/* Retrying needs no polling. */
Test(lease, a_spawner_without_slots_is_muted_until_some_come) {
    open_world(1);
    begin_session();
    struct spawn_hold held;
    cr_assert_eq(hold(true, &held), TR_EFULL);
    cr_assert_eq(hold(true, &held), TR_EFULL);
    cr_assert_eq(atomic_load(&spawner->mutes), 1);
    cr_assert_eq(grant(40, 3, 2), TR_OK);
    cr_assert_eq(atomic_load(&spawner->mutes), 0);
    cr_assert_eq(hold(true, &held), TR_OK);
    close_world();
}

Test(lease, the_end_of_the_session_frees_the_muted_and_forgets_the_slots) {
    open_world(1);
    begin_session();
    struct spawn_hold held, late;
    cr_assert_eq(hold(true, &held), TR_EFULL);
    atomic_store(&peer->serial, 0);
    lease_session_down(peer);
    cr_assert_eq(atomic_load(&spawner->mutes), 0);
    cr_assert_eq(hold(true, &held), TR_EUNREACHABLE);
    begin_session();
    cr_assert_eq(grant(40, 3, 2), TR_OK);
    cr_assert_eq(hold(false, &late), TR_OK);
    begin_session();
    lease_return(spawner, &late);
    cr_assert_eq(hold(false, &held), TR_EFULL, "nothing of the last session is left");
    close_world();
}

Test(lease, a_peer_that_lends_nothing_is_told_apart) {
    open_world(1);
    peer->last_serial++;
    lease_session_up(peer, false);
    atomic_store(&peer->serial, peer->last_serial);
    outbox_admit(&peer->outbox, peer->last_serial, 1 << 20, 1000);
    struct spawn_hold held;
    cr_assert_eq(hold(true, &held), TR_ENOTSUP);
    cr_assert_eq(atomic_load(&spawner->mutes), 0);
    close_world();
}

/* No worker hoards what another may need. */
Test(lease, workers_take_a_share_of_what_there_is) {
    open_world(2);
    begin_session();
    cr_assert_eq(grant(100, 1, 256), TR_OK);
    struct spawn_hold held;
    cr_assert_eq(hold(false, &held), TR_OK);
    spawner->worker = world.runtime->workers[1];
    for (int i = 0; i < 256 - 65; i++) cr_assert_eq(hold(false, &held), TR_OK, "slot %d", i);
    cr_assert_eq(hold(false, &held), TR_EFULL);
    close_world();
}

Test(lease, many_runs_come_and_go) {
    open_world(1);
    begin_session();
    struct spawn_hold held;
    uint64_t next = 10, taken = 10;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 7; i++, next += 2) cr_assert_eq(grant(next, 1, 1), TR_OK);
        for (int i = 0; i < (round < 100 ? 6 : 7); i++, taken += 2) {
            cr_assert_eq(hold(false, &held), TR_OK);
            cr_assert_eq(held.pid.slot, taken);
        }
    }
    close_world();
}

Test(lease, what_no_correct_peer_lends_is_refused) {
    open_world(1);
    begin_session();
    cr_assert_eq(grant(5, 1, 0), TR_EDATA);
    cr_assert_eq(grant(5, 0, 1), TR_EDATA);
    cr_assert_eq(grant(UINT32_MAX, 1, 2), TR_EDATA);
    cr_assert_eq(grant((uint64_t)UINT32_MAX + 1, 1, 1), TR_EDATA);
    cr_assert_eq(grant(5, 1, 2 * LEASE_SLOTS_MAX + 1), TR_EDATA);
    cr_assert_eq(grant(5, 1, 2 * LEASE_SLOTS_MAX), TR_OK);
    cr_assert_eq(grant(1 << 20, 1, 1), TR_EDATA, "more than one may have");
    const uint64_t word = 9, mould = 1;
    cr_assert_eq(receive(&word, 1, NULL, 0), TR_EDATA);
    cr_assert_eq(receive(&mould, 1, NULL, 0), TR_EDATA);
    cr_assert_eq(receive(NULL, 0, NULL, 0), TR_EDATA);
    close_world();
}

/* ---- lending --------------------------------------------------------------------------------- */

static uint32_t leased(void) {
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < slots_used(&world.runtime->slots); slot++)
        count += atomic_load(&slots_entry(&world.runtime->slots, slot)->lessee) == peer->origin;
    return count;
}

static void spend(uint32_t count) {
    tr_error error = {0};
    for (uint32_t slot = 0; count > 0; slot++) {
        struct slot *entry = slots_entry(&world.runtime->slots, slot);
        if (atomic_load(&entry->lessee) != peer->origin) continue;
        tr_pid pid = {FIXTURE_SPACE, slot, entry->generation};
        cr_assert(lease_spent(peer, pid, 1, world.now_ns, &error), "%s", error.message);
        unborn_drop(&node.producer, pid, DEADLETTER_UNBORN_FAILED);
        count--;
    }
}

static void tell_mould(void) {
    struct buffer body;
    buffer_init(&body);
    record_pack_array(&body, 6);
    record_pack_u64(&body, 1);
    record_pack_u64(&body, 1);
    record_pack_text(&body, "plain", 5);
    for (int i = 0; i < 3; i++) record_pack_u64(&body, 0);
    cr_assert_eq(lease_receive(peer, body.data, body.bytes, world.now_ns, NULL), TR_OK);
    buffer_fini(&body);
}

Test(lease, an_idle_peer_is_lent_little_and_a_busy_one_more_and_more) {
    open_world(1);
    begin_session();
    lease_step(peer, world.now_ns);
    lease_step(peer, world.now_ns);
    cr_assert_eq(leased(), LEASE_SLOTS_MIN);
    tell_mould();
    spend(128);
    cr_assert_eq(leased(), 128, "the mark is below half");
    spend(1);
    cr_assert_eq(leased(), 512, "spent at once: twice as much");
    world.now_ns += 1000000000;
    spend(257);
    cr_assert_eq(leased(), 512, "not so fast: as much");
    world.now_ns += 11000000000;
    spend(257);
    cr_assert_eq(leased(), 256, "slowly: half");
    close_world();
}

Test(lease, a_flood_is_lent_no_more_than_the_most) {
    open_world(1);
    begin_session();
    lease_step(peer, world.now_ns);
    const uint64_t dry = 3;
    for (int i = 0; i < 20; i++) cr_assert_eq(receive(&dry, 1, NULL, 0), TR_OK);
    cr_assert_eq(leased(), 2 * LEASE_SLOTS_MAX);
    cr_assert_eq(lease_outstanding(peer), 2 * LEASE_SLOTS_MAX);
    close_world();
}

Test(lease, a_spawn_needs_its_number_and_a_slot_that_is_lent) {
    open_world(1);
    begin_session();
    lease_step(peer, world.now_ns);
    tr_error error = {0};
    tr_pid pid = {FIXTURE_SPACE, slots_used(&world.runtime->slots) - 1, 1};
    cr_assert(!lease_spent(peer, pid, 1, world.now_ns, &error));
    tell_mould();
    cr_assert(!lease_spent(peer, actor_pid(spawner), 1, world.now_ns, &error));
    lease_session_down(peer);
    cr_assert_eq(leased(), 0);
    cr_assert_eq(lease_outstanding(peer), 0);
    cr_assert_null(lease_mould(peer, 1));
    close_world();
}

Test(lease, nothing_is_lent_before_the_peer_is_a_member_or_while_the_node_closes) {
    open_world(1);
    peer->last_serial++;
    lease_session_up(peer, true);
    lease_step(peer, world.now_ns);
    cr_assert_eq(leased(), 0);
    atomic_store(&peer->serial, peer->last_serial);
    outbox_admit(&peer->outbox, peer->last_serial, 1 << 20, 1000);
    node.stage = NODE_DRAINING;
    lease_step(peer, world.now_ns);
    cr_assert_eq(leased(), 0);
    close_world();
}
