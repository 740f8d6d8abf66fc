/* peer_test.c - what posting to a peer refuses at once, since the peer would end the session for
 * it.
 */
#include "node/peer.h"

#include <criterion/criterion.h>
#include <pthread.h>

#include "node/base/memory.h"
#include "node/node.h"
#include "node/peer_state.h"
#include "node/runtime_fixture.h"

TestSuite(peer, .timeout = 30);

enum { NAME_BYTES = 24 << 20 };

struct note {
    char name[NAME_BYTES];
};
TR_RECORD(note, TR_FIELD(note, name));
struct blob {
    tr_bytes data;
};
TR_RECORD(blob, TR_FIELD(blob, data));
static const record_type *blob_type;
static const tr_behavior plain = {.name = "plain", .version = 1};

static void wake(void *context) {
    (void)context;
}
static const struct driver_ops quiet_ops = {.wake = wake};
static struct fixture world;
static tr_node node;
static struct peer *peer;

/* A node that is no more than what a peer without a link needs; the peer takes bodies of so many
 * bytes. */
static void open_world(uint32_t bytes_max) {
    static const tr_behavior *const offered[] = {&plain, NULL};
    fixture_open(&world, 1, 1, (struct mailbox_limits){500, 1000, 16000}, offered);
    memset(&node, 0, sizeof node);
    node.name = "here";
    node.runtime = world.runtime;
    node.driver.ops = &quiet_ops;
    node.message_bytes_max = 64 << 20;
    producer_init(&node.producer, world.runtime, NULL);
    reclaim_online(&node.producer.reader);
    peer = peer_obtain(&node, "far");
    atomic_store(&peer->bytes_max, bytes_max);
    atomic_store(&peer->serial, 1);
    outbox_admit(&peer->outbox, 1, 1 << 20, 1000);
}

static void close_world(void) {
    peers_free(&node);
    producer_fini(&node.producer);
    fixture_close(&world);
}

static tr_status post(const record_type *type, const void *body, uint32_t body_bytes) {
    tr_message head = {.type = type, .to = {FIXTURE_FAR, 3, 1}, .serial = 1};
    head.body_bytes = body_bytes;
    return peer_post(peer, &node.producer, NULL, &head, body);
}

/* The same by an actor. */
static tr_status send_blob(tr_actor *sender, uint8_t flags) {
    static const uint8_t bytes[1 << 20];
    const struct blob body = {{bytes, sizeof bytes}};
    tr_message head = {.type = blob_type, .to = {FIXTURE_FAR, 3, 1}, .flags = flags};
    head.body_bytes = sizeof body + sizeof bytes;
    return peer_post(peer, &node.producer, sender, &head, &body);
}

static const record_type *type_of(const tr_record *record) {
    const record_type *type;
    cr_assert_eq(record_table_intern(world.runtime->records, record, &type, NULL), TR_OK);
    return type;
}

Test(peer, a_body_that_takes_more_memory_than_the_peer_allows_is_too_big) {
    open_world(1 << 20);
    struct note *body = mem_zalloc(1, sizeof *body); /* a few bytes once encoded */
    const record_type *type = type_of(&note_record);
    cr_assert_eq(post(type, body, type->bytes), TR_ETOOBIG);
    atomic_store(&peer->bytes_max, 32 << 20);
    cr_assert_eq(post(type, body, type->bytes), TR_OK);
    mem_free(body);
    close_world();
}

Test(peer, a_record_whose_description_is_over_the_message_limit_is_too_big) {
    open_world(8);
    struct note *body = mem_zalloc(1, sizeof *body);
    const record_type *type = type_of(&note_record);
    cr_assert_eq(post(type, body, 100), TR_ETOOBIG);
    atomic_store(&peer->bytes_max, type->descriptor_bytes);
    cr_assert_eq(post(type, body, 100), TR_OK);
    mem_free(body);
    close_world();
}

/* ---- what is queued -------------------------------------------------------------------------- */

Test(peer, who_answers_more_than_the_send_queue_holds_waits_for_it) {
    open_world(4 << 20);
    blob_type = type_of(&blob_record);
    tr_actor *sender = fixture_actor(&world, fixture_spawn(&world, &plain, NULL, NULL));
    cr_assert(fixture_settle(&world, 100));
    sender->worker = world.runtime->workers[0]; /* as while it runs */
    cr_assert_eq(send_blob(sender, MESSAGE_REPLY), TR_OK);
    cr_assert_eq(send_blob(sender, MESSAGE_REPLY), TR_OK);
    cr_assert_eq(atomic_load(&sender->mutes), 1);
    atomic_store(&peer->serial, 0); /* the session is over: what was queued is dead */
    peer_flush(peer, 0);
    peer_free_queue_waiters(peer);
    cr_assert_eq(atomic_load(&sender->mutes), 0);
    close_world();
}

/* ---- large bodies at once -------------------------------------------------------------------- */

enum { POSTERS = 4, LARGE_BYTES = 16 << 20 };

static pthread_barrier_t start;
static struct blob large;

static void *post_large(void *status_out) {
    struct producer producer = {0};
    producer_init(&producer, world.runtime, NULL);
    tr_message head = {.type = blob_type, .to = {FIXTURE_FAR, 3, 1}, .body_bytes = LARGE_BYTES};
    pthread_barrier_wait(&start);
    *(tr_status *)status_out = peer_post(peer, &producer, NULL, &head, &large);
    producer_fini(&producer);
    return NULL;
}

Test(peer, of_large_bodies_sent_at_once_one_goes_past_the_mark) {
    open_world(64 << 20);
    large.data = (tr_bytes){mem_zalloc(1, LARGE_BYTES), LARGE_BYTES};
    blob_type = type_of(&blob_record);
    pthread_barrier_init(&start, NULL, POSTERS);
    pthread_t threads[POSTERS];
    tr_status statuses[POSTERS];
    unsigned taken = 0;
    for (int i = 0; i < POSTERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, post_large, &statuses[i]), 0);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert(statuses[i] == TR_OK || statuses[i] == TR_EFULL);
        taken += statuses[i] == TR_OK;
    }
    cr_assert_eq(taken, 1);
    pthread_barrier_destroy(&start);
    mem_free((void *)(uintptr_t)large.data.data);
    close_world();
}
