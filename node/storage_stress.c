/*
 * storage_stress.c - parts written by many threads at once, for the thread sanitizer.
 *
 * Workers append chunks, one thread steps the storage, the main thread polls completions, finishes
 * some parts and aborts others while chunks still come. Usage: storage_stress [ROUNDS].
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/check.h"
#include "node/part_reader.h"
#include "node/part_writer.h"
#include "node/storage_memory.h"

enum { WORKERS = 3, APPENDS = 40, ITEMS = 20 };

struct outcome {
    unsigned told;
    tr_status status;
    uint64_t actors;
};

struct worker {
    part_writer *writer; /* a reference */
    uint32_t number;
};

static void note_outcome(void *context, tr_status status, const part_summary *summary,
                         const tr_error *error) {
    struct outcome *outcome = context;
    check((status == TR_OK) == (error == NULL));
    outcome->told++;
    outcome->status = status;
    if (summary != NULL) outcome->actors = summary->actors;
}

static void *append(void *argument) {
    struct worker *worker = argument;
    part_chunk chunk = {0};
    for (uint32_t i = 0; i < APPENDS; i++) {
        for (uint32_t j = 0; j < ITEMS; j++) {
            part_actor actor = {.pid = {1, worker->number, i * ITEMS + j},
                                .behavior = part_text("stress")};
            part_encode_actor(&chunk, 1, &actor);
        }
        part_writer_append(worker->writer, &chunk);
    }
    part_writer_unref(worker->writer);
    return NULL;
}

static void *step(void *argument) {
    struct storage *storage = argument;
    while (storage_wait(storage)) storage_step(storage);
    return NULL;
}

static void start_workers(part_writer *writer, struct worker *workers, pthread_t *threads) {
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){part_writer_ref(writer), i};
        check(pthread_create(&threads[i], NULL, append, &workers[i]) == 0);
    }
}

static void join_workers(pthread_t *threads) {
    for (uint32_t i = 0; i < WORKERS; i++) check(pthread_join(threads[i], NULL) == 0);
}

/* One part; with `cut` it is aborted while the workers append. */
static void round_of(struct storage *storage, uint64_t number, bool cut) {
    struct outcome outcome = {0};
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    part_header header = {.cluster = "c", .initiator = "n1", .node = "n1", .epoch = number};
    snprintf(header.snapshot, sizeof header.snapshot, "s%" PRIu64, number);
    part_writer *writer = part_writer_open(storage, "/s", &header, note_outcome, &outcome);
    start_workers(writer, workers, threads);
    if (cut) {
        while (part_writer_queued_bytes(writer) > 4096) storage_poll_completions(storage);
        part_writer_abort(writer);
    }
    join_workers(threads);
    if (!cut) part_writer_finish(writer, NULL, 0, NULL, 0);
    while (storage_busy(storage)) storage_poll_completions(storage);
    part_writer_unref(writer);
    check(outcome.told == !cut);
    if (!cut) check(outcome.status == TR_OK && outcome.actors == WORKERS * APPENDS * ITEMS);
}

int main(int count, char **arguments) {
    uint64_t rounds = count > 1 ? strtoull(arguments[1], NULL, 10) : 50;
    storage_memory *memory = storage_memory_new();
    storage_files files = storage_memory_files(memory);
    struct storage *storage = storage_open(&files, NULL, NULL);
    pthread_t disk;
    check(pthread_create(&disk, NULL, step, storage) == 0);
    for (uint64_t i = 1; i <= rounds; i++) round_of(storage, i, i % 2 == 0);
    storage_stop(storage);
    check(pthread_join(disk, NULL) == 0);
    storage_close(storage);
    storage_memory_free(memory);
    printf("storage_stress: %" PRIu64 " parts\n", rounds);
    return 0;
}
