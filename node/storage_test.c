/*
 * storage_test.c - the job queue, and whole operations on files under failures and crashes.
 */
#include "node/storage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/container.h"
#include "node/base/memory.h"
#include "node/storage_memory.h"

TestSuite(storage, .timeout = 30);

/* Jobs append their letter to a journal: small when run, large when completed. */
struct journal {
    char text[64];
    size_t length;
    size_t notices;
};

struct letter_job {
    storage_job job;
    struct journal *journal;
    char letter;
    struct storage *again; /* submits another job from its completion */
    struct letter_job *next;
};

static void journal_add(struct journal *journal, char letter) {
    journal->text[journal->length++] = letter;
}

static void letter_run(storage_job *job, const storage_files *files) {
    (void)files;
    struct letter_job *letter = container_of(job, struct letter_job, job);
    journal_add(letter->journal, letter->letter);
}

static void letter_complete(storage_job *job) {
    struct letter_job *letter = container_of(job, struct letter_job, job);
    journal_add(letter->journal, job->ran ? (char)(letter->letter - 'a' + 'A') : '!');
    if (letter->again != NULL) storage_submit(letter->again, &letter->next->job);
}

static void letter_init(struct letter_job *letter, struct journal *journal, char name) {
    *letter = (struct letter_job){.job = {.run = letter_run, .complete = letter_complete},
                                  .journal = journal,
                                  .letter = name};
}

static void count_notice(void *context) {
    ((struct journal *)context)->notices++;
}

Test(storage, jobs_run_one_a_step_in_order_and_complete_only_when_polled) {
    struct journal journal = {0};
    storage_files files = storage_system();
    struct storage *storage = storage_open(&files, count_notice, &journal);
    struct letter_job a, b;
    letter_init(&a, &journal, 'a');
    letter_init(&b, &journal, 'b');
    cr_assert_not(storage_step(storage));
    storage_submit(storage, &a.job);
    storage_submit(storage, &b.job);
    cr_assert_eq(storage_poll_completions(storage), 0);
    cr_assert(storage_step(storage));
    cr_assert(storage_busy(storage));
    cr_assert(storage_step(storage));
    cr_assert_not(storage_step(storage));
    cr_assert_eq(storage_poll_completions(storage), 2);
    cr_assert_not(storage_busy(storage));
    cr_assert_str_eq(journal.text, "abAB");
    cr_assert_eq(journal.notices, 2);
    storage_close(storage);
}

/* Each job owns memory that only its completion frees: none may be forgotten. */
Test(storage, closing_completes_what_ran_what_never_ran_and_what_that_submits) {
    struct journal journal = {0};
    storage_files files = storage_system();
    struct storage *storage = storage_open(&files, NULL, NULL);
    struct letter_job a, b, c;
    letter_init(&a, &journal, 'a');
    letter_init(&b, &journal, 'b');
    letter_init(&c, &journal, 'c');
    b.again = storage;
    b.next = &c;
    storage_submit(storage, &a.job);
    storage_submit(storage, &b.job);
    storage_step(storage);
    storage_close(storage);
    cr_assert_str_eq(journal.text, "aA!!");
}

static void *storage_thread(void *argument) {
    struct storage *storage = argument;
    while (storage_wait(storage)) storage_step(storage);
    return NULL;
}

Test(storage, a_thread_that_waits_runs_all_jobs_before_it_is_stopped) {
    enum { JOBS = 26 };
    struct journal journal = {0};
    storage_files files = storage_system();
    struct storage *storage = storage_open(&files, NULL, NULL);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, storage_thread, storage), 0);
    struct letter_job jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        letter_init(&jobs[i], &journal, (char)('a' + i));
        storage_submit(storage, &jobs[i].job);
    }
    storage_stop(storage);
    pthread_join(thread, NULL);
    cr_assert_not(storage_wait(storage));
    cr_assert_str_eq(journal.text, "abcdefghijklmnopqrstuvwxyz");
    cr_assert_eq(storage_poll_completions(storage), JOBS);
    storage_close(storage);
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool exists(const storage_files *files, const char *path) {
    storage_stat stat;
    return files->ops->stat(files->context, path, &stat) == 0;
}

static bool holds(const storage_files *files, const char *path, const char *text) {
    struct buffer content = {0};
    bool same = storage_read_file(files, path, 1000, &content, NULL) == TR_OK &&
                content.bytes == strlen(text) && memcmp(content.data, text, content.bytes) == 0;
    buffer_fini(&content);
    return same;
}

static tr_status write_hello(const storage_files *files, tr_error *error) {
    return storage_write_file(files, "/d", "/d/f.tmp", "/d/f", "hello", 5, error);
}

Test(storage, a_file_written_under_short_writes_has_all_its_bytes) {
    storage_memory *memory = storage_memory_new();
    storage_files files = storage_memory_files(memory);
    storage_memory_set_transfer_max(memory, 2);
    cr_assert_eq(storage_make_directories(&files, "/d", NULL), TR_OK);
    cr_assert_eq(write_hello(&files, NULL), TR_OK);
    cr_assert(holds(&files, "/d/f", "hello"));
    cr_assert_not(exists(&files, "/d/f.tmp"));
    storage_memory_free(memory);
}

Test(storage, a_leftover_temporary_file_is_replaced) {
    storage_memory *memory = storage_memory_new();
    storage_files files = storage_memory_files(memory);
    cr_assert_eq(storage_make_directories(&files, "/d", NULL), TR_OK);
    storage_memory_put(memory, "/d/f.tmp", "old rubbish", 11);
    cr_assert_eq(write_hello(&files, NULL), TR_OK);
    cr_assert(holds(&files, "/d/f", "hello"));
    storage_memory_free(memory);
}

/* Whichever call fails, the error is told with the path, and neither name is left. */
Test(storage, each_call_of_a_write_failing_once_leaves_no_file_behind) {
    const int errors[] = {EIO, ENOSPC, EACCES};
    for (size_t e = 0; e < 3; e++) {
        for (uint64_t call = 1;; call++) {
            storage_memory *memory = storage_memory_new();
            storage_files files = storage_memory_files(memory);
            cr_assert_eq(storage_make_directories(&files, "/d", NULL), TR_OK);
            tr_error error = {0};
            uint64_t before = storage_memory_calls(memory);
            storage_memory_fail(memory, call, errors[e]);
            tr_status status = write_hello(&files, &error);
            bool failed = storage_memory_calls(memory) - before >= call;
            if (failed) {
                cr_assert_eq(status, storage_status(-errors[e]), "call %d", (int)call);
                cr_assert_eq(error.status, status);
                cr_assert(strstr(error.message, "/d/f") != NULL, "%s", error.message);
                cr_assert_not(exists(&files, "/d/f"), "call %d", (int)call);
                cr_assert_not(exists(&files, "/d/f.tmp"), "call %d", (int)call);
            }
            storage_memory_free(memory);
            if (!failed) {
                cr_assert_eq(status, TR_OK);
                cr_assert(call > 6, "create, reserve, write, sync, rename, sync: %d", (int)call);
                break;
            }
        }
    }
}

/* A process that dies before any call leaves the whole file or none of that name. */
Test(storage, a_crash_between_any_two_calls_leaves_all_or_nothing) {
    for (int crash = STORAGE_CRASH_LOSES; crash <= STORAGE_CRASH_EMPTIES; crash++) {
        for (uint64_t call = 1; call <= 8; call++) {
            storage_memory *memory = storage_memory_new();
            storage_files files = storage_memory_files(memory);
            cr_assert_eq(storage_make_directories(&files, "/d", NULL), TR_OK);
            storage_memory_halt(memory, call);
            tr_status status = write_hello(&files, NULL);
            storage_memory_crash(memory, (storage_crash)crash);
            bool there = exists(&files, "/d/f");
            if (there)
                cr_assert(holds(&files, "/d/f", "hello"), "crash %d at %d", crash, (int)call);
            if (status == TR_OK) cr_assert(there, "crash %d at %d", crash, (int)call);
            storage_memory_free(memory);
        }
    }
}

/* A remembered number must never get lost by writing a newer one. */
Test(storage, replacing_leaves_the_old_bytes_or_the_new_at_every_failure_and_crash) {
    for (int crash = STORAGE_CRASH_LOSES; crash <= STORAGE_CRASH_EMPTIES; crash++) {
        for (uint64_t call = 1; call <= 8; call++) {
            for (int halt = 0; halt <= 1; halt++) {
                storage_memory *memory = storage_memory_new();
                storage_files files = storage_memory_files(memory);
                cr_assert_eq(storage_make_directories(&files, "/d", NULL), TR_OK);
                cr_assert_eq(storage_replace_file(&files, "/d", "n", "1", 1, NULL), TR_OK);
                if (halt) {
                    storage_memory_halt(memory, call);
                } else {
                    storage_memory_fail(memory, call, EIO);
                }
                tr_status status = storage_replace_file(&files, "/d", "n", "2", 1, NULL);
                storage_memory_crash(memory, (storage_crash)crash);
                if (status == TR_OK) {
                    cr_assert(holds(&files, "/d/n", "2"));
                } else {
                    cr_assert(holds(&files, "/d/n", "1") || holds(&files, "/d/n", "2"),
                              "crash %d at %d, halt %d", crash, (int)call, halt);
                }
                storage_memory_free(memory);
            }
        }
    }
}

static void note_status(void *context, tr_status status, const tr_error *error) {
    cr_assert_eq(status == TR_OK, error == NULL);
    *(tr_status *)context = status;
}

Test(storage, a_replacing_job_tells_its_outcome_also_when_it_never_ran) {
    storage_memory *memory = storage_memory_new();
    storage_files files = storage_memory_files(memory);
    struct storage *storage = storage_open(&files, NULL, NULL);
    cr_assert_eq(storage_make_directories(&files, "/d", NULL), TR_OK);
    tr_status status = TR_EINTERNAL;
    storage_submit_replace(storage, "/d", "n", "12", 2, note_status, &status);
    storage_step(storage);
    storage_poll_completions(storage);
    cr_assert_eq(status, TR_OK);
    cr_assert(holds(&files, "/d/n", "12"));
    storage_memory_fail(memory, 1, ENOSPC);
    storage_submit_replace(storage, "/d", "n", "13", 2, note_status, &status);
    storage_step(storage);
    storage_poll_completions(storage);
    cr_assert_eq(status, TR_ENOSPC);
    storage_submit_replace(storage, "/d", "n", "14", 2, note_status, &status);
    storage_close(storage);
    cr_assert_eq(status, TR_ECLOSED);
    cr_assert(holds(&files, "/d/n", "12"));
    storage_memory_free(memory);
}

/* The name of a new folder is durable, too, before anything is written into it. */
Test(storage, new_directories_survive_a_crash_that_loses_what_is_not_synced) {
    storage_memory *memory = storage_memory_new();
    storage_files files = storage_memory_files(memory);
    cr_assert_eq(storage_make_directories(&files, "/a/b//c/", NULL), TR_OK);
    cr_assert_eq(storage_make_directories(&files, "/a/b/d", NULL), TR_OK);
    storage_memory_crash(memory, STORAGE_CRASH_LOSES);
    cr_assert(exists(&files, "/a/b/c"));
    cr_assert(exists(&files, "/a/b/d"));
    storage_memory_free(memory);
}

Test(storage, a_file_beyond_the_limit_is_refused_and_leaves_the_buffer_as_it_was) {
    storage_memory *memory = storage_memory_new();
    storage_files files = storage_memory_files(memory);
    struct buffer content = {0};
    tr_error error = {0};
    buffer_append_text(&content, "x");
    storage_memory_put(memory, "/f", "12345", 5);
    cr_assert_eq(storage_read_file(&files, "/f", 4, &content, &error), TR_EDATA);
    cr_assert(strstr(error.message, "/f") != NULL);
    cr_assert_eq(content.bytes, 1);
    cr_assert_eq(storage_read_file(&files, "/g", 4, &content, &error), TR_ENOENT);
    cr_assert_eq(storage_read_file(&files, "/f", 5, &content, &error), TR_OK);
    cr_assert_eq(content.bytes, 6);
    buffer_fini(&content);
    storage_memory_free(memory);
}

/* The same calls on a real disk. */
Test(storage, the_real_file_system_does_what_the_one_in_memory_does) {
    char directory[] = "/tmp/troupe-storage-XXXXXX";
    cr_assert_not_null(mkdtemp(directory));
    storage_files files = storage_system();
    char *folder = mem_format("%s/one/two", directory);
    char *path = storage_join(folder, "f");
    char *temporary = storage_join(folder, "f.tmp");
    cr_assert_eq(storage_make_directories(&files, folder, NULL), TR_OK);
    cr_assert_eq(storage_write_file(&files, folder, temporary, path, "hello", 5, NULL), TR_OK);
    cr_assert(holds(&files, path, "hello"));
    cr_assert_not(exists(&files, temporary));
    cr_assert_eq(storage_replace_file(&files, folder, "f", "bye", 3, NULL), TR_OK);
    cr_assert(holds(&files, path, "bye"));
    cr_assert_eq(files.ops->create(files.context, path), -EEXIST);
    cr_assert_eq(files.ops->open(files.context, folder), -EISDIR);
    cr_assert_eq(files.ops->remove_directory(files.context, folder), -ENOTEMPTY);
    cr_assert_eq(files.ops->unlink(files.context, path), 0);
    cr_assert_eq(files.ops->remove_directory(files.context, folder), 0);
    char *command = mem_format("rm -r %s", directory);
    cr_assert_eq(system(command), 0);
    mem_free(command);
    mem_free(temporary);
    mem_free(path);
    mem_free(folder);
}
