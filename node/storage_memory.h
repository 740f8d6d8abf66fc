/*
 * storage_memory.h - a file system in memory that forgets what was not synced and fails on order.
 *
 * The simulator gives one to each machine. It keeps two states: what the process sees, and what
 * the disk holds for sure (a file's bytes after sync, a directory's entries after sync_directory).
 * A crash leaves the second, or the first, or new names over old bytes, as asked. One thread at a
 * time. Paths are taken as they are, without ".." or links.
 */
#ifndef TROUPE_STORAGE_MEMORY_H
#define TROUPE_STORAGE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/storage.h"

typedef struct storage_memory storage_memory;

/* What a crash leaves of the changes that were not synced. */
typedef enum storage_crash {
    STORAGE_CRASH_LOSES,  /* nothing: only what was synced */
    STORAGE_CRASH_KEEPS,  /* everything, as when only the process died */
    STORAGE_CRASH_EMPTIES /* the names, but of each file only the bytes that were synced */
} storage_crash;

/* An empty file system; the caller's, storage_memory_free. */
storage_memory *storage_memory_new(void);
void storage_memory_free(storage_memory *memory);

/* Its calls; valid as long as it. */
storage_files storage_memory_files(storage_memory *memory);

/* Calls made so far, of those that change something or sync (not open, read, list, stat, close). */
uint64_t storage_memory_calls(const storage_memory *memory);

/* Makes the `call`-th counted call from now on (1: the next) fail with `error_number` (positive
 * errno) without any effect; 0 takes the order back. */
void storage_memory_fail(storage_memory *memory, uint64_t call, int error_number);

/* Makes the `call`-th counted call from now on and all others after it fail with EIO, as for a
 * process that died right before it, until storage_memory_crash. */
void storage_memory_halt(storage_memory *memory, uint64_t call);

/* Ends all open files and leaves what `crash` says; orders to fail or halt are forgotten. */
void storage_memory_crash(storage_memory *memory, storage_crash crash);

/* Room for file contents, in bytes; a write beyond fails with ENOSPC. 0: no limit (the default). */
void storage_memory_set_capacity(storage_memory *memory, uint64_t bytes);

/* Each write and read then moves at most this many bytes; 0: as many as asked (the default). */
void storage_memory_set_transfer_max(storage_memory *memory, size_t bytes);

/* The bytes of a file as the process sees them, or NULL; borrowed until the next change. They may
 * be written to. */
uint8_t *storage_memory_peek(storage_memory *memory, const char *path, size_t *bytes_out);

/* Puts a file with these bytes there, synced, name and all (the directory must exist). */
void storage_memory_put(storage_memory *memory, const char *path, const void *source, size_t bytes);

#endif
