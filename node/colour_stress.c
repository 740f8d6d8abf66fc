/*
 * colour_stress.c - snapshots under real threads while actors pay, are born and die.
 *
 * The main thread plays core: it opens a recording, sweeps, waits for all red, sends a marker down
 * a link that leads back to this node, runs the last token and closes. Money in the recorded states
 * and messages must add up (I6, I7), the link's three counters must agree (I8), and when all is
 * said to be red no older actor may live. Some recordings are aborted half-way. Usage:
 * colour_stress [CUTS].
 */
#include <stdio.h>
#include <stdlib.h>

#include "node/base/memory.h"
#include "node/parking.h"
#include "node/part_reader.h"
#include "node/part_writer.h"
#include "node/runtime_fixture.h"
#include "node/storage_memory.h"

enum { WORKERS = 3, PAYERS = 24, FUNDS = 1000, SESSION = 1, PEER = 1, CUT_STEPS_MAX = 20000000 };

static unsigned passed, failed;

static void expect(bool truth, const char *what, uint64_t epoch) {
    if (truth)
        passed++;
    else
        failed++, fprintf(stderr, "failed: %s (cut %" PRIu64 ")\n", what, epoch);
}

/* ---- actors ---------------------------------------------------------------------------------- */

struct pay {
    int64_t amount;
};
struct step {
    char unused;
};
struct payer {
    int64_t funds;
};
struct child {
    int64_t left;
};
TR_RECORD(pay, TR_FIELD(pay, amount));
TR_RECORD(step);
TR_RECORD(payer, TR_FIELD(payer, funds));
TR_RECORD(child, TR_FIELD(child, left));

static tr_pid payers[PAYERS];
static _Atomic bool halt;

/* Half of the payments go over the link. */
static tr_status on_step(tr_actor *self, void *argument, const tr_message *message) {
    (void)message;
    struct payer *state = argument;
    if (atomic_load(&halt)) return TR_OK;
    uint64_t drawn = tr_random(self);
    tr_pid to = payers[drawn % PAYERS];
    if (drawn >> 32 & 1) to.space = FIXTURE_FAR;
    int64_t amount = (int64_t)(drawn >> 40 & 7);
    if (amount <= state->funds && tr_send(self, to, pay, .amount = amount) == TR_OK)
        state->funds -= amount;
    return tr_send(self, tr_self(self), step);
}

static tr_status on_pay(tr_actor *self, void *argument, const tr_message *message) {
    (void)self;
    ((struct payer *)argument)->funds += ((const struct pay *)tr_body(message))->amount;
    return TR_OK;
}

static const tr_behavior payer_behavior = {
    .name = "payer",
    .version = 1,
    .state = &payer_record,
    .handlers = TR_HANDLERS({&step_record, on_step}, {&pay_record, on_pay}),
};

static tr_status on_child(tr_actor *self, void *state, const tr_message *message);
static const tr_behavior breeder = {
    .name = "breeder",
    .version = 1,
    .handlers = TR_HANDLERS({&child_record, on_child}, {&pay_record, on_pay})};

/* Bears one, sends nothing but zeros to the dead, and dies; every eighth stays idle for ever. */
static tr_status on_child(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    if (atomic_load(&halt)) return TR_OK;
    tr_pid born, idle;
    check(tr_spawn(self, &breeder, NULL, &born) == TR_OK);
    if (tr_random(self) % 64 == 0) check(tr_spawn(self, &breeder, NULL, &idle) == TR_OK);
    check(tr_send(self, born, child, .left = 0) == TR_OK);
    tr_send(self, tr_sender(message), child, .left = 0);
    tr_exit(self);
    return TR_OK;
}

/* ---- the link back --------------------------------------------------------------------------- */

static struct fixture world;
static pthread_mutex_t link_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct message_list link_queue;
static uint64_t link_count;

static tr_status post_far(void *context, struct producer *producer, tr_actor *sender,
                          tr_message **message) {
    (void)context, (void)sender;
    pthread_mutex_lock(&link_mutex);
    bool full = link_count >= 5000;
    if (!full) {
        tally_count(&producer->tally, TALLY_SENT, PEER, SESSION, (*message)->colour);
        message_list_push(&link_queue, *message);
        link_count++;
        *message = NULL;
    }
    pthread_mutex_unlock(&link_mutex);
    return full ? TR_EFULL : TR_OK;
}

static void ignore_pressure(void *context, uint32_t origin, tr_pid pid, unsigned level) {
    (void)context, (void)origin, (void)pid, (void)level;
}

/* Files up to `max` messages; true when the marker, a message to nobody, was among them. */
static bool pump(unsigned max) {
    bool marker = false;
    reclaim_quiesce(&world.core.reader);
    for (unsigned i = 0; i < max; i++) {
        pthread_mutex_lock(&link_mutex);
        tr_message *item = message_list_pop(&link_queue);
        if (item != NULL) link_count--;
        pthread_mutex_unlock(&link_mutex);
        if (item == NULL) break;
        if (tr_pid_is_none(item->to)) {
            marker = true;
            message_free(item);
            continue;
        }
        item->to.space = FIXTURE_SPACE;
        item->origin = PEER;
        item->origin_session = SESSION;
        post_arrived(&world.core, &item);
    }
    return marker;
}

static void send_marker(void) {
    pthread_mutex_lock(&link_mutex);
    message_list_push(&link_queue, message_new(0));
    link_count++;
    pthread_mutex_unlock(&link_mutex);
}

/* ---- one cut --------------------------------------------------------------------------------- */

static storage_memory *disk;
static storage_files files;
static struct storage *storage;
static bool part_done;
static tr_status part_status;

static void note_done(void *context, tr_status status, const part_summary *summary,
                      const tr_error *error) {
    (void)context, (void)summary, (void)error;
    part_done = true;
    part_status = status;
}

static void serve_disk(void) {
    while (storage_step(storage)) {
    }
    storage_poll_completions(storage);
}

/* Everything that still wears an older colour. */
static uint64_t count_older(uint64_t epoch) {
    struct slots *slots = &world.runtime->slots;
    uint64_t older = 0;
    for (uint32_t slot = 0; slot < slots_used(slots); slot++) {
        struct slot_head *head = slots_at(slots, slot);
        if (head != NULL && head->kind == SLOT_ACTOR &&
            actor_colour((tr_actor *)(void *)head) < epoch)
            older++;
    }
    return older;
}

static int64_t money_of(const part_reader *reader, uint32_t record, part_value value) {
    const record_type *type = part_reader_type(reader, record);
    if (type == NULL || (strcmp(type->name, "payer") != 0 && strcmp(type->name, "pay") != 0))
        return 0;
    void *body = part_reader_decode(reader, record, value);
    int64_t money = *(const int64_t *)body; /* the only field of both */
    mem_free(body);
    return money;
}

/* The money at the cut, states and channels together. */
static int64_t read_part(const char *path, uint64_t *messages_out) {
    part_reader *reader;
    tr_error error;
    if (part_reader_open(&files, path, NULL, NULL, &reader, &error) != TR_OK) return -1;
    int64_t sum = 0;
    *messages_out = 0;
    part_item item;
    while (part_reader_next(reader, &item, &error) == TR_OK && item.kind != PART_ITEM_END) {
        if (item.kind == PART_ITEM_ACTOR) {
            sum += money_of(reader, item.actor.record, item.actor.state);
        } else {
            sum += money_of(reader, item.message.record, item.message.body);
            ++*messages_out;
        }
    }
    part_reader_close(reader);
    return sum;
}

static void finish_part(part_writer *writer) {
    record_table *records = world.runtime->records;
    uint32_t count = record_table_count(records);
    part_record *all = mem_zalloc(count + 1, sizeof *all);
    for (uint32_t i = 0; i < count; i++) {
        const record_type *type = record_table_at(records, i + 1);
        all[i] =
            (part_record){.id = type->id, .descriptor = {type->descriptor, type->descriptor_bytes}};
    }
    part_writer_finish(writer, all, count, NULL, 0);
    mem_free(all);
    while (!part_done) serve_disk();
}

/* Waits for the token to have gone round, and hurries it after `patience` looks; false: it hangs.
 */
static bool run_token(uint64_t patience) {
    struct recording_walk walk;
    recording_token_begin(world.runtime, &walk);
    for (uint64_t i = 0; i < CUT_STEPS_MAX; i++) {
        if (walk.active) recording_token_step(world.runtime, &walk);
        if (i == patience) recording_token_hurry(world.runtime, &walk);
        if (recording_token_done(world.runtime, &walk)) return true;
        pump(64);
    }
    return false;
}

static bool turn_all(uint64_t epoch) {
    recording_sweep(world.runtime, epoch);
    for (uint64_t i = 0; i < CUT_STEPS_MAX; i++) {
        if (!sweep_is_active(&world.runtime->sweep) && recording_all_red(world.runtime, epoch))
            return true;
        pump(64);
    }
    return false;
}

static void check_cut(uint64_t epoch, const char *path, part_writer *writer) {
    struct runtime *runtime = world.runtime;
    uint64_t sent = recording_sent(runtime, PEER, SESSION, epoch);
    uint64_t received = recording_received(runtime, PEER, SESSION, epoch);
    uint64_t recorded = recording_recorded(runtime, PEER, SESSION, epoch);
    expect(sent == received + recorded, "sent = received + recorded", epoch);
    recording_close(runtime, true);
    part_done = false;
    finish_part(writer);
    expect(part_status == TR_OK, "the part is written", epoch);
    uint64_t messages;
    int64_t money = read_part(path, &messages);
    expect(money == (int64_t)PAYERS * FUNDS, "no money is lost or made at the cut", epoch);
}

static void cut(uint64_t epoch, bool abort_it) {
    part_header header = {.cluster = "c",
                          .initiator = "here",
                          .node = "here",
                          .epoch = epoch,
                          .space = FIXTURE_SPACE};
    snprintf(header.snapshot, sizeof header.snapshot, "s%" PRIu64, epoch);
    char path[96];
    snprintf(path, sizeof path, "/s/s%" PRIu64 "/here.part", epoch);
    part_writer *writer = part_writer_open(storage, "/s", &header, note_done, NULL);
    recording_open(world.runtime, epoch, writer);
    bool red = turn_all(epoch);
    expect(red, "all turn", epoch);
    expect(count_older(epoch) == 0, "when all is red no older actor lives", epoch);
    if (abort_it) { /* with the token half-way */
        struct recording_walk walk;
        recording_token_begin(world.runtime, &walk);
        recording_token_step(world.runtime, &walk);
        recording_close(world.runtime, false);
        part_writer_abort(writer);
    } else {
        send_marker();
        while (!pump(64)) {
        }
        expect(run_token(1 + epoch % 4 * 20), "the last token comes round", epoch);
        check_cut(epoch, path, writer);
    }
    part_writer_unref(writer);
    serve_disk();
}

/* ---- life ------------------------------------------------------------------------------------ */

static void *use_ports(void *argument) {
    (void)argument;
    while (!atomic_load(&halt)) {
        tr_port *port;
        check(port_open(world.runtime, NULL, NULL, &port) == TR_OK);
        for (int i = 0; i < 20; i++) tr_port_send(port, payers[i % PAYERS], 100, pay, .amount = 0);
        tr_port_close(port);
    }
    return NULL;
}

static void populate(void) {
    struct payer funds = {FUNDS};
    for (int i = 0; i < PAYERS; i++)
        payers[i] = fixture_spawn(&world, &payer_behavior, NULL, &funds);
    for (int i = 0; i < PAYERS; i++) FIXTURE_SEND(&world, payers[i], step);
    for (int i = 0; i < 4; i++)
        FIXTURE_SEND(&world, fixture_spawn(&world, &breeder, NULL, NULL), child, .left = 0);
}

static bool nothing(void *context) {
    (void)context;
    pump(64);
    pthread_mutex_lock(&link_mutex);
    bool none = link_count == 0;
    pthread_mutex_unlock(&link_mutex);
    return none;
}

int main(int count, char **arguments) {
    static const tr_behavior *const offered[] = {&payer_behavior, &breeder, NULL};
    uint64_t cuts = count > 1 ? strtoull(arguments[1], NULL, 10) : 16;
    disk = storage_memory_new();
    files = storage_memory_files(disk);
    storage = storage_open(&files, NULL, NULL);
    fixture_open_real(&world, WORKERS, (struct mailbox_limits){100, 200, 4000}, offered);
    struct router_ops router = fixture_router;
    router.post = post_far;
    router.pressure = ignore_pressure;
    world.runtime->router = &router;
    populate();
    check(parking_start(world.runtime) == TR_OK);
    pthread_t thread;
    check(pthread_create(&thread, NULL, use_ports, NULL) == 0);
    for (uint64_t i = 1; i <= cuts; i++) cut(i << 16, i % 4 == 0);
    atomic_store(&halt, true);
    pthread_join(thread, NULL);
    expect(fixture_await(nothing, NULL, 10000), "the link drains", 0);
    parking_drain(world.runtime);
    parking_stop(world.runtime);
    fixture_await(nothing, NULL, 10000);
    reclaim_offline(&world.core.reader);
    fixture_close(&world);
    storage_close(storage);
    storage_memory_free(disk);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
