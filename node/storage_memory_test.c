/*
 * storage_memory_test.c - what a crash leaves, and failing on order.
 */
#include "node/storage_memory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

TestSuite(storage_memory, .timeout = 30);

static storage_memory *memory;
static storage_files files;

static void open_memory(void) {
    memory = storage_memory_new();
    files = storage_memory_files(memory);
}

static int make(const char *path, const char *text, bool sync) {
    int file = files.ops->create(files.context, path);
    cr_assert(file >= 0);
    cr_assert_eq(files.ops->write(files.context, file, text, strlen(text)), (int64_t)strlen(text));
    if (sync) cr_assert_eq(files.ops->sync(files.context, file), 0);
    return file;
}

static bool reads(const char *path, const char *text) {
    size_t bytes = 0;
    const uint8_t *data = storage_memory_peek(memory, path, &bytes);
    return data != NULL && bytes == strlen(text) && memcmp(data, text, bytes) == 0;
}

Test(storage_memory, a_name_survives_a_losing_crash_only_after_its_directory_was_synced) {
    open_memory();
    make("/a", "1", true);
    storage_memory_crash(memory, STORAGE_CRASH_LOSES);
    cr_assert_not(reads("/a", "1"));
    make("/a", "1", true);
    cr_assert_eq(files.ops->sync_directory(files.context, "/"), 0);
    storage_memory_crash(memory, STORAGE_CRASH_LOSES);
    cr_assert(reads("/a", "1"));
    storage_memory_free(memory);
}

/* The classic trap: a rename that survives the bytes it names. */
Test(storage_memory, an_emptying_crash_keeps_names_over_bytes_that_were_not_synced) {
    open_memory();
    make("/a", "1", false);
    make("/b", "2", true);
    cr_assert_eq(files.ops->rename(files.context, "/a", "/c"), 0);
    storage_memory_crash(memory, STORAGE_CRASH_EMPTIES);
    cr_assert(reads("/c", ""));
    cr_assert(reads("/b", "2"));
    cr_assert_not(reads("/a", ""));
    storage_memory_free(memory);
}

Test(storage_memory, a_keeping_crash_loses_nothing_but_open_files) {
    open_memory();
    int file = make("/a", "1", false);
    storage_memory_crash(memory, STORAGE_CRASH_KEEPS);
    cr_assert(reads("/a", "1"));
    cr_assert_eq(files.ops->write(files.context, file, "2", 1), -EBADF);
    storage_memory_free(memory);
}

Test(storage_memory, an_unsynced_removal_is_undone_by_a_losing_crash) {
    open_memory();
    storage_memory_put(memory, "/a", "1", 1);
    cr_assert_eq(files.ops->unlink(files.context, "/a"), 0);
    cr_assert_not(reads("/a", "1"));
    storage_memory_crash(memory, STORAGE_CRASH_LOSES);
    cr_assert(reads("/a", "1"));
    storage_memory_free(memory);
}

Test(storage_memory, a_call_told_to_fail_does_so_once_and_without_effect) {
    open_memory();
    storage_memory_fail(memory, 2, ENOSPC);
    cr_assert_eq(files.ops->make_directory(files.context, "/a"), 0);
    cr_assert_eq(files.ops->make_directory(files.context, "/b"), -ENOSPC);
    cr_assert_eq(files.ops->make_directory(files.context, "/b"), 0);
    cr_assert_eq(storage_memory_calls(memory), 3);
    storage_memory_free(memory);
}

Test(storage_memory, a_halted_one_fails_every_call_until_the_crash) {
    open_memory();
    storage_memory_halt(memory, 2);
    cr_assert_eq(files.ops->make_directory(files.context, "/a"), 0);
    cr_assert_eq(files.ops->make_directory(files.context, "/b"), -EIO);
    storage_stat stat;
    cr_assert_eq(files.ops->stat(files.context, "/a", &stat), -EIO);
    storage_memory_crash(memory, STORAGE_CRASH_KEEPS);
    cr_assert_eq(files.ops->stat(files.context, "/a", &stat), 0);
    cr_assert(stat.directory);
    storage_memory_free(memory);
}

Test(storage_memory, a_full_one_refuses_writes_and_reservations_until_room_is_made) {
    open_memory();
    storage_memory_set_capacity(memory, 4);
    int file = make("/a", "123", true);
    cr_assert_eq(files.ops->write(files.context, file, "45", 2), -ENOSPC);
    cr_assert_eq(files.ops->reserve(files.context, file, 3, 2), -ENOSPC);
    cr_assert_eq(files.ops->reserve(files.context, file, 3, 1), 0);
    cr_assert_eq(files.ops->write(files.context, file, "4", 1), 1);
    int other = files.ops->create(files.context, "/b");
    cr_assert_eq(files.ops->write(files.context, other, "x", 1), -ENOSPC);
    cr_assert_eq(files.ops->unlink(files.context, "/a"), 0);
    cr_assert_eq(files.ops->write(files.context, other, "x", 1), 1);
    storage_memory_free(memory);
}

Test(storage_memory, directories_nest_and_only_empty_ones_go) {
    open_memory();
    cr_assert_eq(files.ops->make_directory(files.context, "/a"), 0);
    cr_assert_eq(files.ops->make_directory(files.context, "/a"), -EEXIST);
    cr_assert_eq(files.ops->make_directory(files.context, "/x/b"), -ENOENT);
    make("/a/f", "1", true);
    cr_assert_eq(files.ops->remove_directory(files.context, "/a"), -ENOTEMPTY);
    cr_assert_eq(files.ops->unlink(files.context, "/a"), -EISDIR);
    cr_assert_eq(files.ops->rename(files.context, "/a/f", "/g"), 0);
    cr_assert_eq(files.ops->remove_directory(files.context, "/a"), 0);
    cr_assert(reads("/g", "1"));
    storage_memory_free(memory);
}
