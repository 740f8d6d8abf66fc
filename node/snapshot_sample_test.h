/*
 * snapshot_sample_test.h - small snapshots for the tests of what reads them, written by the real
 * writers.
 *
 * A sample is a bank on two or three nodes: two accounts a node, and on each link one deposit in
 * flight that was counted as it should be, plus one that a dead account never got. What is asked
 * for in `fault` goes wrong in the making, so that digests and signature fit and only the content
 * is bad.
 */
#ifndef TROUPE_SNAPSHOT_SAMPLE_TEST_H
#define TROUPE_SNAPSHOT_SAMPLE_TEST_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/manifest.h"
#include "node/part_writer.h"
#include "node/record_codec.h"
#include "node/record_table.h"
#include "node/snapshot_store.h"
#include "node/storage_memory.h"

struct sample_account {
    int64_t cents;
    uint64_t transfers;
    char owner[16];
};
struct sample_deposit {
    int64_t cents;
};
struct sample_leaf {
    int32_t weight;
};
struct sample_tree {
    struct sample_leaf leaf;
    float share;
    tr_text note;
    tr_list numbers;
    tr_pid friend;
};
TR_RECORD(sample_account, TR_FIELD(sample_account, cents), TR_FIELD(sample_account, transfers),
          TR_FIELD(sample_account, owner));
TR_RECORD(sample_deposit, TR_FIELD(sample_deposit, cents));
TR_RECORD(sample_leaf, TR_FIELD(sample_leaf, weight));
TR_RECORD(sample_tree, TR_FIELD_RECORD(sample_tree, leaf, sample_leaf),
          TR_FIELD(sample_tree, share), TR_FIELD(sample_tree, note),
          TR_FIELD_LIST(sample_tree, numbers, uint64_t), TR_FIELD(sample_tree, friend));

enum sample_fault {
    SAMPLE_SOUND,
    SAMPLE_ACTOR_TWICE,
    SAMPLE_MESSAGE_TWICE,       /* same sender and id */
    SAMPLE_ORDER_TWICE,         /* same target and order in one part */
    SAMPLE_ACTOR_OF_THE_FUTURE, /* colour not below the epoch */
    SAMPLE_MESSAGE_OF_THE_FUTURE,
    SAMPLE_MESSAGE_UNCOUNTED, /* recorded once more than the counters say */
    SAMPLE_SENT_DIFFERS,      /* part and manifest */
    SAMPLE_RECEIVED_DIFFERS,
    SAMPLE_RECORDED_DIFFERS,
    SAMPLE_SESSION_DIFFERS, /* at the two ends of a link */
    SAMPLE_LINK_MISSING,    /* in one part */
    SAMPLE_LINK_OF_NOBODY,  /* a message over a link with no member */
    SAMPLE_FOREIGN_ACTOR,   /* of another node's space */
    SAMPLE_FOREIGN_TARGET,  /* a message that belongs elsewhere */
    SAMPLE_OUT_OF_ORDER,    /* two messages of one sender to one target, the later one first */
    SAMPLE_BODY_MALFORMED,  /* a state that is not of its record */
    SAMPLE_RECORD_UNKNOWN,  /* a state of a record that the part does not describe */
};

struct sample {
    storage_memory *memory; /* NULL: the real file system */
    storage_files files;
    struct storage *storage;
    record_table *table;
    const record_type *account, *deposit, *tree;
    const char *directory;
    uint8_t seed[SIGN_SEED_BYTES];
    unsigned nodes;
    enum sample_fault fault;
    bool rich;             /* with a sample_tree, timers, asks, marks and a trace on n1 */
    unsigned extra_actors; /* on n1, to fill more than one digest */
    snapshot_part votes[3];
    unsigned votes_count;
    tr_status part_status; /* of the last part that ended */
    tr_status manifest_status;
};

static inline void sample_init(struct sample *sample, const storage_files *files,
                               const char *directory) {
    *sample = (struct sample){.directory = directory, .nodes = 2};
    if (files == NULL) {
        sample->memory = storage_memory_new();
        sample->files = storage_memory_files(sample->memory);
    } else {
        sample->files = *files;
    }
    sample->storage = storage_open(&sample->files, NULL, NULL);
    sample->table = record_table_new(NULL);
    check(record_table_intern(sample->table, &sample_account_record, &sample->account, NULL) ==
          TR_OK);
    check(record_table_intern(sample->table, &sample_deposit_record, &sample->deposit, NULL) ==
          TR_OK);
    check(record_table_intern(sample->table, &sample_tree_record, &sample->tree, NULL) == TR_OK);
    memset(sample->seed, 7, sizeof sample->seed);
}

static inline void sample_fini(struct sample *sample) {
    storage_close(sample->storage);
    record_table_free(sample->table);
    storage_memory_free(sample->memory);
}

/* Runs all jobs and their completions. */
static inline void sample_run(struct sample *sample) {
    while (storage_busy(sample->storage)) {
        storage_step(sample->storage);
        storage_poll_completions(sample->storage);
    }
}

static inline uint64_t sample_space(unsigned node) {
    return UINT64_C(0xa000000000000000) + node;
}

static inline tr_pid sample_pid(unsigned node, uint32_t slot) {
    return (tr_pid){sample_space(node), slot, 1};
}

/* Encodes a body in the buffer, which keeps it for as long as the item is being made. */
static inline part_value sample_value(struct buffer *buffer, const record_type *type,
                                      const void *body) {
    buffer_clear(buffer);
    record_encode(type, body, buffer);
    return (part_value){buffer->data, buffer->bytes};
}

static inline void sample_put_account(struct sample *sample, part_chunk *chunk, unsigned node,
                                      uint32_t slot, uint64_t epoch) {
    struct sample_account body = {.cents = 1000 * node + slot, .transfers = slot, .owner = "bo"};
    char name[16];
    snprintf(name, sizeof name, "acct-%u", node);
    tr_text names[1] = {part_text(name)};
    struct buffer scratch = {0};
    bool foreign = sample->fault == SAMPLE_FOREIGN_ACTOR && node == 1;
    bool early = sample->fault == SAMPLE_ACTOR_OF_THE_FUTURE && node == 1;
    bool twice = sample->fault == SAMPLE_ACTOR_TWICE && node == 1;
    part_actor actor = {.pid = sample_pid(foreign ? 2 : node, twice ? 1 : slot),
                        .behavior = part_text("account"),
                        .behavior_version = 1,
                        .colour = early ? epoch : epoch - 1,
                        .names = names,
                        .name_count = slot == 1,
                        .record = sample->account->id};
    actor.state = sample_value(&scratch, sample->account, &body);
    if (sample->fault == SAMPLE_BODY_MALFORMED && node == 1) actor.record = sample->deposit->id;
    if (sample->fault == SAMPLE_RECORD_UNKNOWN && node == 1) actor.record = 77;
    part_encode_actor(chunk, sample_space(node), &actor);
    buffer_fini(&scratch);
}

static inline void sample_put_tree(struct sample *sample, part_chunk *chunk, uint64_t epoch) {
    uint64_t numbers[] = {UINT64_MAX, UINT64_MAX, 5};
    struct sample_tree body = {.leaf = {-7},
                               .share = 0.5F,
                               .note = {"h\xc3\xa9", 3},
                               .numbers = {numbers, 3},
                               .friend = sample_pid(2, 1)};
    struct sample_deposit five = {5};
    struct buffer state = {0};
    struct buffer timer_body = {0};
    part_timer timer = {3, 1500, sample->deposit->id,
                        sample_value(&timer_body, sample->deposit, &five)};
    part_ask asks[2] = {{.id = 9,
                         .target = sample_pid(2, 1),
                         .remaining_ns = 7,
                         .hold = true,
                         .request = part_text("sample_deposit")},
                        {.id = 10,
                         .kind = 1,
                         .request = part_text("x"),
                         .context_record = sample->deposit->id,
                         .context = timer.body}};
    part_actor actor = {.pid = sample_pid(1, 9),
                        .behavior = part_text("tree"),
                        .behavior_version = 3,
                        .colour = epoch - 2,
                        .status = PART_ACTOR_HOLDING | PART_ACTOR_MUTED,
                        .has_mailbox = true,
                        .mailbox = {TR_OVERFLOW_BLOCK, 5, 10, 20},
                        .record = sample->tree->id,
                        .timers = &timer,
                        .timer_count = 1,
                        .asks = asks,
                        .ask_count = 2};
    actor.state = sample_value(&state, sample->tree, &body);
    part_encode_actor(chunk, sample_space(1), &actor);
    buffer_fini(&state);
    buffer_fini(&timer_body);
}

/* The message from account 1 of `from` (or nobody's node, when it is `node`) to account 1 here. */
static inline void sample_put_message(struct sample *sample, part_chunk *chunk, unsigned node,
                                      unsigned from, uint64_t id, uint64_t epoch) {
    struct sample_deposit body = {100 * node + from};
    struct buffer scratch = {0};
    char link[16];
    snprintf(link, sizeof link, "n%u", from);
    bool future = sample->fault == SAMPLE_MESSAGE_OF_THE_FUTURE && node == 1;
    bool elsewhere = sample->fault == SAMPLE_FOREIGN_TARGET && node == 1 && from != node;
    part_message message = {.to = sample_pid(elsewhere ? 2 : node, from == node ? 99 : 1),
                            .order = id,
                            .from = sample_pid(from, 1),
                            .id = id,
                            .colour = future ? epoch : epoch - 1,
                            .link = from == node ? (tr_text){0} : part_text(link),
                            .reason = from == node ? part_text("no such actor") : (tr_text){0},
                            .record = sample->deposit->id};
    if (sample->fault == SAMPLE_LINK_OF_NOBODY && node == 1 && from != node) {
        message.link = part_text("n9");
    }
    if (sample->fault == SAMPLE_MESSAGE_TWICE) message.id = 50;
    if (sample->fault == SAMPLE_ORDER_TWICE) {
        message.order = 1;
        message.to = sample_pid(node, 1);
    }
    if (sample->rich && node == 1) {
        memset(message.trace.id, 0xab, sizeof message.trace.id);
        message.trace.span = 4;
        message.flags = 1;
        message.reference = 2;
        message.kind = 0;
    }
    message.body = sample_value(&scratch, sample->deposit, &body);
    part_encode_message(chunk, sample_space(node), &message);
    buffer_fini(&scratch);
}

/* A message between the two accounts of n1, which went over no link. */
static inline void sample_put_local(struct sample *sample, part_chunk *chunk, uint64_t order,
                                    uint64_t id, uint64_t epoch) {
    struct sample_deposit body = {1};
    struct buffer scratch = {0};
    part_message message = {.to = sample_pid(1, 1),
                            .order = order,
                            .from = sample_pid(1, 2),
                            .id = id,
                            .colour = epoch - 1,
                            .record = sample->deposit->id};
    message.body = sample_value(&scratch, sample->deposit, &body);
    part_encode_message(chunk, sample_space(1), &message);
    buffer_fini(&scratch);
}

/* Appends everything of one node: in two chunks, as two workers would. */
static inline void sample_put_items(struct sample *sample, part_writer *writer, unsigned node,
                                    uint64_t epoch) {
    part_chunk chunk = {0};
    sample_put_account(sample, &chunk, node, 1, epoch);
    if (sample->rich && node == 1) sample_put_tree(sample, &chunk, epoch);
    part_writer_append(writer, &chunk);
    sample_put_account(sample, &chunk, node, 2, epoch);
    for (unsigned i = 0; i < sample->extra_actors && node == 1; i++) {
        sample_put_account(sample, &chunk, node, 1000 + i, epoch);
        if (chunk.buffer.bytes >= PART_CHUNK_BYTES) part_writer_append(writer, &chunk);
    }
    for (unsigned from = 1; from <= sample->nodes; from++) {
        sample_put_message(sample, &chunk, node, from, 10 * node + from, epoch);
    }
    if (sample->fault == SAMPLE_MESSAGE_UNCOUNTED && node == 1) {
        sample_put_message(sample, &chunk, node, 2, 70, epoch);
    }
    if (sample->fault == SAMPLE_OUT_OF_ORDER && node == 1) {
        sample_put_local(sample, &chunk, 81, 80, epoch);
        sample_put_local(sample, &chunk, 80, 81, epoch);
    }
    part_writer_append(writer, &chunk);
}

static inline void sample_finish(struct sample *sample, part_writer *writer, unsigned node) {
    part_record records[16];
    size_t record_count = record_table_count(sample->table);
    for (uint32_t i = 0; i < record_count; i++) {
        const record_type *type = record_table_at(sample->table, i + 1);
        records[i] = (part_record){type->id, {type->descriptor, type->descriptor_bytes}};
    }
    part_link links[3] = {0};
    size_t link_count = 0;
    for (unsigned peer = 1; peer <= sample->nodes; peer++) {
        if (peer == node) continue;
        part_link *link = &links[link_count++];
        snprintf(link->peer, sizeof link->peer, "n%u", peer);
        link->session = 100 + peer + node;
        link->sent = 5;
        link->received = 4;
        link->recorded = 1;
        if (node != 1) continue;
        if (sample->fault == SAMPLE_SENT_DIFFERS) link->sent++;
        if (sample->fault == SAMPLE_RECEIVED_DIFFERS) link->received++;
        if (sample->fault == SAMPLE_RECORDED_DIFFERS) link->recorded++;
        if (sample->fault == SAMPLE_SESSION_DIFFERS) link->session++;
    }
    if (node == 1 && sample->fault == SAMPLE_LINK_MISSING) link_count--;
    part_writer_finish(writer, records, record_count, links, link_count);
}

struct sample_part {
    struct sample *sample;
    part_header header;
};

static inline void sample_part_done(void *context, tr_status status, const part_summary *summary,
                                    const tr_error *error) {
    struct sample_part *part = context;
    struct sample *sample = part->sample;
    sample->part_status = status;
    if (status == TR_OK) {
        check(error == NULL);
        manifest_vote(&part->header, summary, &sample->votes[sample->votes_count++]);
    } else {
        check(error->status == status && error->message[0] != '\0');
    }
}

/* Writes one node's part, n1's first; part_status tells the outcome. */
static inline void sample_write_part(struct sample *sample, unsigned node, const char *id,
                                     uint64_t epoch) {
    struct sample_part part = {.sample = sample};
    if (node == 1) sample->votes_count = 0;
    part.header = (part_header){.cluster = "troupe",
                                .epoch = epoch,
                                .initiator = "n1",
                                .incarnation = 3,
                                .ordinal = node == 2 ? 1 : 0,
                                .space = sample_space(node),
                                .created_ms = 1700000000000};
    snprintf(part.header.snapshot, sizeof part.header.snapshot, "%s", id);
    snprintf(part.header.node, sizeof part.header.node, "n%u", node);
    part_writer *writer =
        part_writer_open(sample->storage, sample->directory, &part.header, sample_part_done, &part);
    sample_put_items(sample, writer, node, epoch);
    sample_finish(sample, writer, node);
    sample_run(sample);
    part_writer_unref(writer);
}

static inline void sample_manifest_done(void *context, tr_status status, const tr_error *error) {
    struct sample *sample = context;
    check((status == TR_OK) == (error == NULL));
    sample->manifest_status = status;
}

/* The links of the manifest, by from and to. */
static inline size_t sample_links(const struct sample *sample, snapshot_link links[6]) {
    size_t count = 0;
    for (unsigned from = 1; from <= sample->nodes; from++) {
        for (unsigned to = 1; to <= sample->nodes; to++) {
            if (from == to) continue;
            snapshot_link *link = &links[count++];
            *link = (snapshot_link){.sent = 5, .received = 4, .recorded = 1};
            snprintf(link->from, sizeof link->from, "n%u", from);
            snprintf(link->to, sizeof link->to, "n%u", to);
        }
    }
    return count;
}

static inline void sample_commit(struct sample *sample, const char *id, uint64_t epoch) {
    snapshot_link links[6];
    snapshot_result result = {.cut = {.epoch = epoch, .initiator = "n1"},
                              .duration_ns = 12000000,
                              .parts = sample->votes,
                              .parts_count = sample->votes_count,
                              .links = links,
                              .links_count = sample_links(sample, links)};
    snprintf(result.cut.id, sizeof result.cut.id, "%s", id);
    struct manifest *manifest = NULL;
    check(manifest_from_result(&result, "troupe", 1700000000000, 1700000000012, &manifest, NULL) ==
          TR_OK);
    struct buffer bytes = {0};
    manifest_encode(manifest, sample->seed, &bytes);
    manifest_free(manifest);
    manifest_write(sample->storage, sample->directory, id, "n1", bytes.data, bytes.bytes,
                   sample_manifest_done, sample);
    buffer_fini(&bytes);
    sample_run(sample);
}

/* Takes a whole snapshot: parts first, the manifest last. False when it was aborted on the way, as
 * an initiator would: every node discards its part. */
static inline bool sample_take(struct sample *sample, const char *id, uint64_t epoch) {
    sample->manifest_status = TR_EABORTED;
    for (unsigned node = 1; node <= sample->nodes; node++) {
        sample_write_part(sample, node, id, epoch);
        if (sample->part_status != TR_OK) break;
    }
    if (sample->part_status == TR_OK) sample_commit(sample, id, epoch);
    if (sample->manifest_status == TR_OK) return true;
    for (unsigned node = 1; node <= sample->nodes; node++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", node);
        snapshot_store_submit_discard(sample->storage, sample->directory, id, name, NULL, NULL);
    }
    sample_run(sample);
    return false;
}

#endif
