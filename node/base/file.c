/*
 * file.c - small whole files over the system's calls.
 */
#define _GNU_SOURCE /* mkostemp */
#include "node/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/check.h"
#include "node/base/memory.h"

/* Translates errno after a failed call that was to `action` the file. */
static tr_status system_error(tr_error *error, const char *action, const char *path) {
    int code = errno;
    const char *hint = NULL;
    tr_status status = TR_EIO;
    if (code == ENOENT) status = TR_ENOENT;
    if (code == EEXIST) status = TR_EEXIST;
    if (code == ENOSPC || code == EDQUOT) {
        status = TR_ENOSPC;
        hint = "free some space on that disk";
    }
    if (code == EACCES || code == EPERM || code == EROFS) {
        hint = "check the owner and permissions of the path and of the directories above it";
    }
    return error_set(error, status, hint, "cannot %s %s: %s", action, path, strerror(code));
}

static tr_status check_private(const char *path, const struct stat *info, tr_error *error) {
    if ((info->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        error_set(error, TR_EREFUSED, NULL, "%s holds a secret but others may use it (mode %04o)",
                  path, (unsigned)(info->st_mode & 07777));
        error_hint(error, "chmod 600 %s", path);
        return TR_EREFUSED;
    }
    if (info->st_uid != geteuid() && info->st_uid != 0) {
        error_set(error, TR_EREFUSED, NULL,
                  "%s holds a secret but belongs to another user (uid %u)", path,
                  (unsigned)info->st_uid);
        error_hint(error, "run as that user, or chown %u %s", (unsigned)geteuid(), path);
        return TR_EREFUSED;
    }
    return TR_OK;
}

/* Appends all that `fd` has; the file may grow while it is read, so the limit is watched here. */
static tr_status read_all(int fd, const char *path, size_t bytes_max, struct buffer *content,
                          tr_error *error) {
    size_t bytes_before = content->bytes;
    for (;;) {
        size_t room = content->capacity - content->bytes;
        if (room < 4096) room = 4096;
        ssize_t got = read(fd, buffer_reserve(content, room), room);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            content->bytes = bytes_before;
            return system_error(error, "read", path);
        }
        if (got == 0) return TR_OK;
        content->bytes += (size_t)got;
        if (content->bytes - bytes_before <= bytes_max) continue;
        content->bytes = bytes_before;
        return error_set(error, TR_ETOOBIG, NULL, "%s is bigger than the %zu bytes allowed", path,
                         bytes_max);
    }
}

static tr_status read_file(const char *path, size_t bytes_max, bool private, struct buffer *content,
                           tr_error *error) {
    /* Without O_NONBLOCK opening a named pipe would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return system_error(error, "open", path);
    struct stat info;
    tr_status status = TR_OK;
    if (fstat(fd, &info) < 0) {
        status = system_error(error, "look at", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = error_set(error, TR_EDATA, NULL, "%s is not a regular file", path);
    } else if (private) {
        status = check_private(path, &info, error);
    }
    if (status == TR_OK) status = read_all(fd, path, bytes_max, content, error);
    close(fd);
    return status;
}

tr_status file_read(const char *path, size_t bytes_max, struct buffer *content, tr_error *error) {
    return read_file(path, bytes_max, false, content, error);
}

tr_status file_read_private(const char *path, size_t bytes_max, struct buffer *content,
                            tr_error *error) {
    return read_file(path, bytes_max, true, content, error);
}

/* The directory part of a path, the caller's: `.` when it has none. */
static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return mem_strdup(".");
    if (slash == path) return mem_strdup("/");
    return mem_format("%.*s", (int)(slash - path), path);
}

tr_status file_sync_directory(const char *path, tr_error *error) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return system_error(error, "open", path);
    tr_status status = fsync(fd) == 0 ? TR_OK : system_error(error, "flush", path);
    close(fd);
    return status;
}

static bool write_all(int fd, const uint8_t *source, size_t bytes) {
    while (bytes > 0) {
        ssize_t written = write(fd, source, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        source += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* Writes a new file beside `path`, flushed to disk; its name in `*name_out` is the caller's. */
static tr_status write_temporary(const char *path, const char *directory, const void *source,
                                 size_t bytes, mode_t mode, char **name_out, tr_error *error) {
    char *name = mem_format("%s/.troupe-XXXXXX", directory);
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        tr_status status = system_error(error, "make a temporary file for", path);
        mem_free(name);
        return status;
    }
    bool written = fchmod(fd, mode) == 0 && write_all(fd, source, bytes) && fsync(fd) == 0;
    tr_status status = written ? TR_OK : system_error(error, "write", path);
    if (close(fd) < 0 && status == TR_OK) status = system_error(error, "write", path);
    if (status == TR_OK) {
        *name_out = name;
        return TR_OK;
    }
    unlink(name);
    mem_free(name);
    return status;
}

static tr_status put_file(const char *path, const void *source, size_t bytes, mode_t mode,
                          bool replace, tr_error *error) {
    char *directory = directory_of(path);
    char *temporary = NULL;
    tr_status status = write_temporary(path, directory, source, bytes, mode, &temporary, error);
    if (status != TR_OK) goto free_directory;

    /* link refuses a name that is taken, rename replaces it; each is one step for all others. */
    int done = replace ? rename(temporary, path) : link(temporary, path);
    if (done < 0) status = system_error(error, replace ? "replace" : "make", path);
    if (done < 0 || !replace) unlink(temporary);
    if (status == TR_OK) status = file_sync_directory(directory, error);
    mem_free(temporary);

free_directory:
    mem_free(directory);
    return status;
}

tr_status file_write(const char *path, const void *source, size_t bytes, mode_t mode,
                     tr_error *error) {
    return put_file(path, source, bytes, mode, true, error);
}

tr_status file_create(const char *path, const void *source, size_t bytes, mode_t mode,
                      tr_error *error) {
    return put_file(path, source, bytes, mode, false, error);
}

/* Makes one directory, its parent being there; the parent is flushed when it was made. */
static tr_status make_one(const char *path, mode_t mode, tr_error *error) {
    if (mkdir(path, mode) < 0) {
        struct stat info;
        int code = errno;
        if (code == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return TR_OK;
        errno = code;
        return system_error(error, "make directory", path);
    }
    char *parent = directory_of(path);
    tr_status status = file_sync_directory(parent, error);
    mem_free(parent);
    return status;
}

tr_status file_make_directory(const char *path, mode_t mode, tr_error *error) {
    char *part = mem_strdup(path);
    tr_status status = TR_OK;
    for (char *slash = part + 1; *part != '\0' && status == TR_OK; slash++) {
        slash = strchr(slash, '/');
        if (slash == NULL) break;
        *slash = '\0';
        if (slash[-1] != '/' && slash[-1] != '\0') status = make_one(part, mode, error);
        *slash = '/';
    }
    if (status == TR_OK) status = make_one(path, mode, error);
    mem_free(part);
    return status;
}
