/*
 * storage.h - files as a step function: jobs go in, are run one at a time, and come out done.
 *
 * Snapshot files are slow and may fail; nothing but this waits for them. Any thread submits a
 * job; whoever steps the storage (the storage thread in production, the simulator in virtual
 * time) runs it; its completion is delivered by storage_poll_completions to the core thread (I1).
 * The file system itself is a table of calls: storage_system.c is the real one,
 * storage_memory.c one in memory whose every call can fail.
 */
#ifndef TROUPE_STORAGE_H
#define TROUPE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/list.h"

struct buffer;

/* What storage_ops.stat tells. */
typedef struct storage_stat {
    bool directory;
    uint64_t bytes;
} storage_stat;

/* Told of each name in a directory, without "." and "..", in no particular order. */
typedef void storage_each_name(void *argument, const char *name);

/* The system calls used. All return a negative errno on failure; `context` is storage_files'. */
typedef struct storage_ops {
    int (*create)(void *context, const char *path); /* a new file to write, mode 0600; -EEXIST */
    int (*open)(void *context, const char *path);   /* a regular file to read */
    int64_t (*write)(void *context, int file, const void *source, size_t bytes); /* may be short */
    int64_t (*read)(void *context, int file, uint64_t offset, void *out,
                    size_t bytes);                                            /* may be short */
    int (*reserve)(void *context, int file, uint64_t offset, uint64_t bytes); /* disk, not length */
    int (*truncate)(void *context, int file, uint64_t bytes);
    /* A hint: begins to write these bytes back, so that a later sync has less to wait for. */
    void (*write_back)(void *context, int file, uint64_t offset, uint64_t bytes);
    int (*sync)(void *context, int file);
    int (*close)(void *context, int file);
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*make_directory)(void *context, const char *path); /* mode 0700; -EEXIST */
    int (*remove_directory)(void *context, const char *path);
    int (*sync_directory)(void *context, const char *path);
    int (*list)(void *context, const char *path, storage_each_name *each, void *argument);
    int (*stat)(void *context, const char *path, storage_stat *stat_out);
} storage_ops;

/* A file system: the calls and what they work on. Copied freely; the context outlives all users. */
typedef struct storage_files {
    const storage_ops *ops;
    void *context;
} storage_files;

/* The real file system. */
storage_files storage_system(void);

/* ---- helpers over the calls; blocking, for the storage thread, start-up and programs ----------
 */

/* The status for a negative errno: TR_ENOSPC (also a quota), TR_ENOENT, TR_EEXIST, else TR_EIO. */
tr_status storage_status(int negative_errno);

/* Fills `error` with "WHAT PATH: the system's reason" and returns storage_status. */
tr_status storage_error(tr_error *error, int negative_errno, const char *what, const char *path);

/* Makes a file to write; a leftover of that name is removed first. Returns a file or a negative
 * errno. */
int storage_create(const storage_files *files, const char *path);

/* Writes all bytes, however many calls it takes. Returns 0 or a negative errno. */
int storage_write_all(const storage_files *files, int file, const void *source, size_t bytes);

/* Reads from `offset` until `bytes` bytes or the end. Returns the count or a negative errno. */
int64_t storage_read_all(const storage_files *files, int file, uint64_t offset, void *out,
                         size_t bytes);

/* Appends the whole file to `content`. Errors: TR_ENOENT, TR_EIO, TR_EDATA over `bytes_max`. */
tr_status storage_read_file(const storage_files *files, const char *path, size_t bytes_max,
                            struct buffer *content, tr_error *error);

/* Writes a file so that a crash leaves all of it or nothing: under `temporary` first, synced,
 * renamed to `path`, the directory `directory` synced. On an error both names are gone again. */
tr_status storage_write_file(const storage_files *files, const char *directory,
                             const char *temporary, const char *path, const void *source,
                             size_t bytes, tr_error *error);

/* Replaces (or makes) `directory`/`name` so that a crash leaves the old bytes or the new. On an
 * error either may be there. */
tr_status storage_replace_file(const storage_files *files, const char *directory, const char *name,
                               const void *source, size_t bytes, tr_error *error);

/* Makes a directory and those above it as needed, and syncs the one that holds each new one. */
tr_status storage_make_directories(const storage_files *files, const char *path, tr_error *error);

/* "DIRECTORY/NAME", the caller's (mem_free). */
char *storage_join(const char *directory, const char *name);

/* ---- jobs ------------------------------------------------------------------------------------ */

struct storage;

/* One piece of work, embedded in the submitter's struct. `run` is called by storage_step, then
 * `complete` by storage_poll_completions, which may free the job; every submitted job is completed
 * exactly once, also when the storage closes first (`ran` is then false). */
typedef struct storage_job {
    list_node link;
    void (*run)(struct storage_job *job, const storage_files *files);
    void (*complete)(struct storage_job *job);
    bool ran;
} storage_job;

/* Called, with no lock held and from whoever steps, after a job has run: completions wait. */
typedef void storage_notify(void *context);

/* `notify` may be NULL. The caller closes the storage with storage_close. */
struct storage *storage_open(const storage_files *files, storage_notify *notify, void *context);

/* Completes what has run and what never will (`ran` false) on this thread, then frees the storage.
 * No other thread may use it any more. */
void storage_close(struct storage *storage);

/* The file system the jobs work on. */
const storage_files *storage_files_of(const struct storage *storage);

/* Queues a job behind all queued before. Any thread. Takes no time but a short lock. */
void storage_submit(struct storage *storage, storage_job *job);

/* Runs the oldest waiting job, if any; false when none waits. One thread at a time. */
bool storage_step(struct storage *storage);

/* Blocks until a job waits (true) or until storage_stop was called and none does (false). For the
 * storage thread's loop: while (storage_wait(s)) storage_step(s); */
bool storage_wait(struct storage *storage);

/* Makes storage_wait return false once the queue is empty. Any thread. */
void storage_stop(struct storage *storage);

/* Calls `complete` of every job that has run, oldest first; returns how many. The core thread. */
size_t storage_poll_completions(struct storage *storage);

/* True while a job waits to run, or a completion to be polled. Any thread. */
bool storage_busy(struct storage *storage);

/* The outcome of a job that has no other, told on the core thread; `error` is NULL for TR_OK.
 * TR_ECLOSED: the storage closed before it ran. */
typedef void storage_done(void *context, tr_status status, const tr_error *error);

/* storage_replace_file as a job, for small facts that must outlive the node. Copies the bytes;
 * `done` may be NULL. Any thread. */
void storage_submit_replace(struct storage *storage, const char *directory, const char *name,
                            const void *source, size_t bytes, storage_done *done, void *context);

#endif
