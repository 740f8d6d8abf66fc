/*
 * storage_system.c - the real file system: one function per call, errno as a negative result.
 */
#define _GNU_SOURCE /* fallocate, sync_file_range */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/storage.h"

static int result_of(int result) {
    return result < 0 ? -errno : result;
}

static int system_create(void *context, const char *path) {
    (void)context;
    return result_of(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
}

static int system_open(void *context, const char *path) {
    (void)context;
    /* Without O_NONBLOCK opening a named pipe would wait for a writer. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return -errno;
    struct stat info;
    int failure = fstat(file, &info) < 0 ? -errno : 0;
    if (failure == 0 && !S_ISREG(info.st_mode)) failure = S_ISDIR(info.st_mode) ? -EISDIR : -EINVAL;
    if (failure == 0) return file;
    close(file);
    return failure;
}

static int64_t system_write(void *context, int file, const void *source, size_t bytes) {
    (void)context;
    ssize_t written = write(file, source, bytes);
    return written < 0 ? -(int64_t)errno : written;
}

static int64_t system_read(void *context, int file, uint64_t offset, void *out, size_t bytes) {
    (void)context;
    ssize_t got = pread(file, out, bytes, (off_t)offset);
    return got < 0 ? -(int64_t)errno : got;
}

static int system_reserve(void *context, int file, uint64_t offset, uint64_t bytes) {
    (void)context;
    if (bytes == 0) return 0;
    if (fallocate(file, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) == 0) return 0;
    /* A file system that cannot promise room is written to without a promise. */
    return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : -errno;
}

static int system_truncate(void *context, int file, uint64_t bytes) {
    (void)context;
    return result_of(ftruncate(file, (off_t)bytes));
}

static void system_write_back(void *context, int file, uint64_t offset, uint64_t bytes) {
    (void)context;
    /* Its errors are the sync's, which follows. */
    (void)sync_file_range(file, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

static int system_sync(void *context, int file) {
    (void)context;
    return result_of(fsync(file));
}

static int system_close(void *context, int file) {
    (void)context;
    return result_of(close(file));
}

static int system_rename(void *context, const char *from, const char *to) {
    (void)context;
    return result_of(rename(from, to));
}

static int system_unlink(void *context, const char *path) {
    (void)context;
    return result_of(unlink(path));
}

static int system_make_directory(void *context, const char *path) {
    (void)context;
    return result_of(mkdir(path, 0700));
}

static int system_remove_directory(void *context, const char *path) {
    (void)context;
    return result_of(rmdir(path));
}

static int system_sync_directory(void *context, const char *path) {
    (void)context;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -errno;
    int failure = result_of(fsync(directory));
    close(directory);
    /* Some file systems have nothing to sync in a directory and say so. */
    return failure == -EINVAL ? 0 : failure;
}

static int system_list(void *context, const char *path, storage_each_name *each, void *argument) {
    (void)context;
    DIR *directory = opendir(path);
    if (directory == NULL) return -errno;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        each(argument, entry->d_name);
    }
    int failure = -errno;
    closedir(directory);
    return failure;
}

static int system_stat(void *context, const char *path, storage_stat *stat_out) {
    (void)context;
    struct stat info;
    if (stat(path, &info) < 0) return -errno;
    *stat_out = (storage_stat){.directory = S_ISDIR(info.st_mode), .bytes = (uint64_t)info.st_size};
    return 0;
}

storage_files storage_system(void) {
    static const storage_ops ops = {
        .create = system_create,
        .open = system_open,
        .write = system_write,
        .read = system_read,
        .reserve = system_reserve,
        .truncate = system_truncate,
        .write_back = system_write_back,
        .sync = system_sync,
        .close = system_close,
        .rename = system_rename,
        .unlink = system_unlink,
        .make_directory = system_make_directory,
        .remove_directory = system_remove_directory,
        .sync_directory = system_sync_directory,
        .list = system_list,
        .stat = system_stat,
    };
    return (storage_files){.ops = &ops};
}
