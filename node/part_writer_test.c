/*
 * part_writer_test.c - a part that is there is whole, whatever fails and whenever the node dies.
 */
#include "node/part_writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "node/part_reader.h"
#include "node/snapshot_sample_test.h"

TestSuite(part_writer, .timeout = 60);

static bool exists(const struct sample *sample, const char *path) {
    storage_stat stat;
    return sample->files.ops->stat(sample->files.context, path, &stat) == 0;
}

/* True when the part is there and reads to its end. */
static bool is_whole(const struct sample *sample, const char *path) {
    part_reader *reader;
    part_item item = {.kind = PART_ITEM_ACTOR};
    if (part_reader_open(&sample->files, path, NULL, NULL, &reader, NULL) != TR_OK) return false;
    tr_status status = TR_OK;
    while (status == TR_OK && item.kind != PART_ITEM_END) {
        status = part_reader_next(reader, &item, NULL);
    }
    part_reader_close(reader);
    return status == TR_OK;
}

/* Whichever call fails: one outcome, with words, and nothing on the disk. */
Test(part_writer, each_call_failing_once_gives_one_error_and_leaves_no_file) {
    const int errors[] = {EIO, ENOSPC};
    for (size_t e = 0; e < 2; e++) {
        uint64_t calls = UINT64_MAX;
        for (uint64_t call = 1; call <= calls; call++) {
            struct sample sample;
            sample_init(&sample, NULL, "/s");
            storage_memory_fail(sample.memory, call, errors[e]);
            sample_write_part(&sample, 1, "s1-n1", 0x20000);
            bool failed = storage_memory_calls(sample.memory) >= call;
            if (!failed) {
                cr_assert(call > 10, "%d", (int)call);
                cr_assert_eq(sample.part_status, TR_OK);
                calls = 0;
            } else {
                cr_assert_eq(sample.part_status, storage_status(-errors[e]), "call %d", (int)call);
                cr_assert_not(exists(&sample, "/s/s1-n1/n1.part"), "call %d", (int)call);
                cr_assert_not(exists(&sample, "/s/s1-n1/n1.part.tmp"), "call %d", (int)call);
                cr_assert_not(exists(&sample, "/s/s1-n1"), "call %d", (int)call);
            }
            sample_fini(&sample);
        }
    }
}

/* kill -9, or the power, between any two calls. */
Test(part_writer, a_crash_between_any_two_calls_leaves_a_whole_part_or_none) {
    for (int crash = STORAGE_CRASH_LOSES; crash <= STORAGE_CRASH_EMPTIES; crash++) {
        unsigned whole = 0;
        for (uint64_t call = 1; call <= 24; call++) {
            struct sample sample;
            sample_init(&sample, NULL, "/s");
            storage_memory_halt(sample.memory, call);
            sample_write_part(&sample, 1, "s1-n1", 0x20000);
            storage_memory_crash(sample.memory, (storage_crash)crash);
            bool there = exists(&sample, "/s/s1-n1/n1.part");
            if (there) cr_assert(is_whole(&sample, "/s/s1-n1/n1.part"), "call %d", (int)call);
            if (sample.part_status == TR_OK) cr_assert(there, "durable means durable");
            whole += there;
            sample_fini(&sample);
        }
        cr_assert(whole > 0 && whole < 24, "%u", whole);
    }
}

Test(part_writer, a_full_disk_is_told_as_such_and_its_room_is_given_back) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    sample.extra_actors = 20000;
    storage_memory_set_capacity(sample.memory, 600000);
    sample_write_part(&sample, 1, "s1-n1", 0x20000);
    cr_assert_eq(sample.part_status, TR_ENOSPC);
    sample.extra_actors = 0;
    sample_write_part(&sample, 1, "s2-n1", 0x30000);
    cr_assert_eq(sample.part_status, TR_OK);
    sample_fini(&sample);
}

Test(part_writer, short_writes_make_the_same_file) {
    struct sample one, other;
    sample_init(&one, NULL, "/s");
    sample_init(&other, NULL, "/s");
    storage_memory_set_transfer_max(other.memory, 7);
    sample_write_part(&one, 1, "s1-n1", 0x20000);
    sample_write_part(&other, 1, "s1-n1", 0x20000);
    size_t one_bytes = 0, other_bytes = 0;
    const uint8_t *one_data = storage_memory_peek(one.memory, "/s/s1-n1/n1.part", &one_bytes);
    const uint8_t *other_data = storage_memory_peek(other.memory, "/s/s1-n1/n1.part", &other_bytes);
    cr_assert_eq(one_bytes, other_bytes);
    cr_assert_eq(memcmp(one_data, other_data, one_bytes), 0);
    sample_fini(&one);
    sample_fini(&other);
}

/* ---- by hand --------------------------------------------------------------------------------- */

struct outcome {
    unsigned told;
    tr_status status;
};

static void note_outcome(void *context, tr_status status, const part_summary *summary,
                         const tr_error *error) {
    struct outcome *outcome = context;
    cr_assert_eq(status == TR_OK, summary != NULL);
    cr_assert_eq(status != TR_OK, error != NULL);
    outcome->told++;
    outcome->status = status;
}

static part_writer *open_writer(struct sample *sample, struct outcome *outcome) {
    part_header header = {.cluster = "c",
                          .snapshot = "s1-n1",
                          .initiator = "n1",
                          .node = "n1",
                          .epoch = 0x20000,
                          .space = sample_space(1)};
    return part_writer_open(sample->storage, "/s", &header, note_outcome, outcome);
}

Test(part_writer, aborting_while_it_grows_removes_the_file_and_tells_nothing) {
    struct sample sample;
    struct outcome outcome = {0};
    sample_init(&sample, NULL, "/s");
    part_writer *writer = open_writer(&sample, &outcome);
    sample_put_items(&sample, writer, 1, 0x20000);
    storage_step(sample.storage);
    cr_assert(exists(&sample, "/s/s1-n1/n1.part.tmp"));
    part_writer_abort(writer);
    part_chunk late = {0};
    sample_put_account(&sample, &late, 1, 5, 0x20000);
    part_writer_append(writer, &late);
    cr_assert_eq(late.buffer.bytes, 0);
    sample_run(&sample);
    part_writer_unref(writer);
    cr_assert_not(exists(&sample, "/s/s1-n1"));
    cr_assert_eq(outcome.told, 0);
    sample_fini(&sample);
}

Test(part_writer, aborting_a_durable_part_removes_it) {
    struct sample sample;
    struct outcome outcome = {0};
    sample_init(&sample, NULL, "/s");
    part_writer *writer = open_writer(&sample, &outcome);
    sample_put_items(&sample, writer, 1, 0x20000);
    sample_finish(&sample, writer, 1);
    sample_run(&sample);
    cr_assert(outcome.told == 1 && outcome.status == TR_OK);
    cr_assert(exists(&sample, "/s/s1-n1/n1.part"));
    part_writer_abort(writer);
    part_writer_abort(writer);
    sample_run(&sample);
    part_writer_unref(writer);
    cr_assert_not(exists(&sample, "/s/s1-n1"));
    cr_assert_eq(outcome.told, 1);
    sample_fini(&sample);
}

/* The disk fails while workers still append: they need not know. */
Test(part_writer, what_is_appended_after_an_error_is_dropped_and_the_error_told_once) {
    struct sample sample;
    struct outcome outcome = {0};
    sample_init(&sample, NULL, "/s");
    part_writer *writer = open_writer(&sample, &outcome);
    storage_memory_fail(sample.memory, 1, ENOSPC);
    sample_run(&sample);
    cr_assert(outcome.told == 1 && outcome.status == TR_ENOSPC);
    sample_put_items(&sample, writer, 1, 0x20000);
    sample_finish(&sample, writer, 1);
    sample_run(&sample);
    cr_assert_eq(outcome.told, 1);
    part_writer_abort(writer);
    part_writer_unref(writer);
    sample_run(&sample);
    sample_fini(&sample);
}

Test(part_writer, a_storage_that_closes_tells_closed_and_frees_everything) {
    struct sample sample;
    struct outcome outcome = {0};
    sample_init(&sample, NULL, "/s");
    part_writer *writer = open_writer(&sample, &outcome);
    storage_step(sample.storage);
    sample_put_items(&sample, writer, 1, 0x20000);
    sample_finish(&sample, writer, 1);
    part_writer_unref(writer);
    sample_fini(&sample);
    cr_assert(outcome.told == 1 && outcome.status == TR_ECLOSED);
}

Test(part_writer, queued_bytes_count_what_waits_for_the_disk) {
    struct sample sample;
    struct outcome outcome = {0};
    sample_init(&sample, NULL, "/s");
    part_writer *writer = open_writer(&sample, &outcome);
    uint64_t first = part_writer_queued_bytes(writer);
    cr_assert(first > 0);
    part_chunk chunk = {0};
    sample_put_account(&sample, &chunk, 1, 5, 0x20000);
    size_t bytes = chunk.buffer.bytes;
    part_writer_append(writer, &chunk);
    cr_assert_eq(part_writer_queued_bytes(writer), first + bytes);
    sample_run(&sample);
    cr_assert_eq(part_writer_queued_bytes(writer), 0);
    part_writer_abort(writer);
    part_writer_unref(writer);
    sample_run(&sample);
    sample_fini(&sample);
}

/* Another node of a shared directory may sweep away a folder that is still empty. */
Test(part_writer, a_folder_swept_away_while_empty_is_made_again) {
    struct sample sample;
    struct outcome outcome = {0};
    sample_init(&sample, NULL, "/s");
    cr_assert_eq(storage_make_directories(&sample.files, "/s", NULL), TR_OK);
    cr_assert_eq(sample.files.ops->make_directory(sample.files.context, "/s/s1-n1"), 0);
    part_writer *writer = open_writer(&sample, &outcome);
    storage_memory_fail(sample.memory, 1, ENOENT); /* what its create would meet */
    sample_finish(&sample, writer, 1);
    sample_run(&sample);
    part_writer_unref(writer);
    cr_assert(outcome.told == 1 && outcome.status == TR_OK);
    sample_fini(&sample);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct appender {
    struct sample *sample;
    part_writer *writer; /* a reference */
    uint32_t first_slot;
};

enum { APPENDERS = 4, APPENDED = 2000 };

static void *append_many(void *argument) {
    struct appender *appender = argument;
    part_chunk chunk = {0};
    for (uint32_t i = 0; i < APPENDED; i++) {
        sample_put_account(appender->sample, &chunk, 1, appender->first_slot + i, 0x20000);
        if (i % 50 == 0) part_writer_append(appender->writer, &chunk);
    }
    part_writer_append(appender->writer, &chunk);
    part_writer_unref(appender->writer);
    return NULL;
}

static void *step_storage(void *argument) {
    struct storage *storage = argument;
    while (storage_wait(storage)) storage_step(storage);
    return NULL;
}

Test(part_writer, chunks_of_several_workers_at_once_all_arrive) {
    struct sample sample;
    struct outcome outcome = {0};
    sample_init(&sample, NULL, "/s");
    part_writer *writer = open_writer(&sample, &outcome);
    pthread_t disk, workers[APPENDERS];
    struct appender appenders[APPENDERS];
    cr_assert_eq(pthread_create(&disk, NULL, step_storage, sample.storage), 0);
    for (uint32_t i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){&sample, part_writer_ref(writer), 1000000 * (i + 1)};
        cr_assert_eq(pthread_create(&workers[i], NULL, append_many, &appenders[i]), 0);
    }
    for (int i = 0; i < APPENDERS; i++) pthread_join(workers[i], NULL);
    sample_finish(&sample, writer, 1);
    storage_stop(sample.storage);
    pthread_join(disk, NULL);
    storage_poll_completions(sample.storage);
    part_writer_unref(writer);
    cr_assert(outcome.told == 1 && outcome.status == TR_OK);
    part_reader *reader;
    cr_assert_eq(part_reader_open(&sample.files, "/s/s1-n1/n1.part", NULL, NULL, &reader, NULL),
                 TR_OK);
    cr_assert_eq(part_reader_trailer(reader)->actors, APPENDERS * APPENDED);
    part_reader_close(reader);
    cr_assert(is_whole(&sample, "/s/s1-n1/n1.part"));
    sample_fini(&sample);
}
