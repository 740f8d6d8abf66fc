/*
 * storage_file.c - whole operations on files over the single calls of storage_ops.
 */
#include <errno.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/storage.h"

tr_status storage_status(int negative_errno) {
    switch (-negative_errno) {
        case 0:
            return TR_OK;
        case ENOSPC:
        case EDQUOT:
            return TR_ENOSPC;
        case ENOENT:
        case ENOTDIR:
            return TR_ENOENT;
        case EEXIST:
            return TR_EEXIST;
        default:
            return TR_EIO;
    }
}

static const char *hint_for(int negative_errno) {
    switch (-negative_errno) {
        case ENOSPC:
        case EDQUOT:
            return "free some space on that disk, or set snapshot_dir to another one";
        case EACCES:
        case EPERM:
        case EROFS:
            return "check the owner and permissions of the path and of the folders above it";
        default:
            return NULL;
    }
}

tr_status storage_error(tr_error *error, int negative_errno, const char *what, const char *path) {
    return error_set(error, storage_status(negative_errno), hint_for(negative_errno), "%s %s: %s",
                     what, path, strerror(-negative_errno));
}

int storage_write_all(const storage_files *files, int file, const void *source, size_t bytes) {
    const uint8_t *at = source;
    while (bytes > 0) {
        int64_t written = files->ops->write(files->context, file, at, bytes);
        if (written == -EINTR) continue;
        if (written < 0) return (int)written;
        if (written == 0) return -EIO;
        at += written;
        bytes -= (size_t)written;
    }
    return 0;
}

int64_t storage_read_all(const storage_files *files, int file, uint64_t offset, void *out,
                         size_t bytes) {
    uint8_t *at = out;
    size_t done = 0;
    while (done < bytes) {
        int64_t got =
            files->ops->read(files->context, file, offset + done, at + done, bytes - done);
        if (got == -EINTR) continue;
        if (got < 0) return got;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

/* Appends what `file` holds; 0 or a negative errno, -EFBIG beyond `bytes_max`. */
static int read_to_end(const storage_files *files, int file, size_t bytes_max,
                       struct buffer *content) {
    enum { STEP = 16384 };
    uint64_t offset = 0;
    for (;;) {
        int64_t got =
            storage_read_all(files, file, offset, buffer_reserve(content, STEP), (size_t)STEP);
        if (got < 0) return (int)got;
        content->bytes += (size_t)got;
        offset += (uint64_t)got;
        if (offset > bytes_max) return -EFBIG;
        if (got < STEP) return 0;
    }
}

tr_status storage_read_file(const storage_files *files, const char *path, size_t bytes_max,
                            struct buffer *content, tr_error *error) {
    int file = files->ops->open(files->context, path);
    if (file < 0) return storage_error(error, file, "cannot open", path);
    size_t bytes_before = content->bytes;
    int failure = read_to_end(files, file, bytes_max, content);
    files->ops->close(files->context, file);
    if (failure == 0) return TR_OK;
    content->bytes = bytes_before;
    if (failure == -EFBIG) {
        return error_set(error, TR_EDATA, NULL, "%s is bigger than the %zu bytes allowed", path,
                         bytes_max);
    }
    return storage_error(error, failure, "cannot read", path);
}

int storage_create(const storage_files *files, const char *path) {
    int file = files->ops->create(files->context, path);
    if (file != -EEXIST) return file;
    int failure = files->ops->unlink(files->context, path);
    if (failure < 0) return failure;
    return files->ops->create(files->context, path);
}

/* Fills and syncs a file just made. After a failed sync nothing is known of its bytes: no retry. */
static int write_and_sync(const storage_files *files, int file, const void *source, size_t bytes) {
    int failure = files->ops->reserve(files->context, file, 0, bytes);
    if (failure == 0) failure = storage_write_all(files, file, source, bytes);
    if (failure == 0) failure = files->ops->sync(files->context, file);
    int close_failure = files->ops->close(files->context, file);
    return failure != 0 ? failure : close_failure;
}

/* Writes and syncs `temporary`, and renames it to `path`; on an error neither has these bytes. */
static tr_status write_and_rename(const storage_files *files, const char *temporary,
                                  const char *path, const void *source, size_t bytes,
                                  tr_error *error) {
    int file = storage_create(files, temporary);
    if (file < 0) return storage_error(error, file, "cannot make", temporary);
    int failure = write_and_sync(files, file, source, bytes);
    const char *what = "cannot write";
    if (failure == 0) {
        failure = files->ops->rename(files->context, temporary, path);
        what = "cannot rename";
    }
    if (failure == 0) return TR_OK;
    files->ops->unlink(files->context, temporary);
    return storage_error(error, failure, what, temporary);
}

tr_status storage_write_file(const storage_files *files, const char *directory,
                             const char *temporary, const char *path, const void *source,
                             size_t bytes, tr_error *error) {
    tr_status status = write_and_rename(files, temporary, path, source, bytes, error);
    if (status != TR_OK) return status;
    int failure = files->ops->sync_directory(files->context, directory);
    if (failure == 0) return TR_OK;
    files->ops->unlink(files->context, path);
    return storage_error(error, failure, "cannot sync the folder of", path);
}

tr_status storage_replace_file(const storage_files *files, const char *directory, const char *name,
                               const void *source, size_t bytes, tr_error *error) {
    char *path = storage_join(directory, name);
    char *temporary = mem_format("%s.tmp", path);
    tr_status status = write_and_rename(files, temporary, path, source, bytes, error);
    if (status == TR_OK) {
        int failure = files->ops->sync_directory(files->context, directory);
        if (failure < 0) status = storage_error(error, failure, "cannot sync the folder of", path);
    }
    mem_free(temporary);
    mem_free(path);
    return status;
}

/* Makes one directory and syncs the one above, which holds its name. */
static int make_directory(const storage_files *files, const char *path) {
    int failure = files->ops->make_directory(files->context, path);
    if (failure == -EEXIST) return 0;
    if (failure < 0) return failure;
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return files->ops->sync_directory(files->context, ".");
    if (slash == path) return files->ops->sync_directory(files->context, "/");
    char *above = mem_strdup(path);
    above[slash - path] = '\0';
    failure = files->ops->sync_directory(files->context, above);
    mem_free(above);
    return failure;
}

tr_status storage_make_directories(const storage_files *files, const char *path, tr_error *error) {
    storage_stat stat;
    if (files->ops->stat(files->context, path, &stat) == 0 && stat.directory) return TR_OK;
    char *part = mem_strdup(path);
    size_t length = strlen(part);
    while (length > 1 && part[length - 1] == '/') part[--length] = '\0';
    int failure = 0;
    for (size_t i = 1; i <= length && failure == 0; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        part[i] = '\0';
        failure = make_directory(files, part);
        if (failure == 0 && i < length) part[i] = '/';
    }
    tr_status status = TR_OK;
    if (failure < 0) status = storage_error(error, failure, "cannot make the folder", part);
    mem_free(part);
    return status;
}

char *storage_join(const char *directory, const char *name) {
    return mem_format("%s/%s", directory, name);
}

/* ---- as a job -------------------------------------------------------------------------------- */

struct replace_job {
    storage_job job;
    char *directory;
    char *name;
    struct buffer bytes;
    tr_status status;
    tr_error error;
    storage_done *done;
    void *context;
};

static void replace_run(storage_job *base, const storage_files *files) {
    struct replace_job *job = container_of(base, struct replace_job, job);
    job->status = storage_replace_file(files, job->directory, job->name, job->bytes.data,
                                       job->bytes.bytes, &job->error);
}

static void replace_complete(storage_job *base) {
    struct replace_job *job = container_of(base, struct replace_job, job);
    if (!job->job.ran) {
        job->status = error_set(&job->error, TR_ECLOSED, NULL,
                                "%s/%s was not written: the node stops", job->directory, job->name);
    }
    if (job->done != NULL) {
        job->done(job->context, job->status, job->status == TR_OK ? NULL : &job->error);
    }
    mem_free(job->directory);
    mem_free(job->name);
    buffer_fini(&job->bytes);
    mem_free(job);
}

void storage_submit_replace(struct storage *storage, const char *directory, const char *name,
                            const void *source, size_t bytes, storage_done *done, void *context) {
    struct replace_job *job = mem_zalloc(1, sizeof *job);
    job->job.run = replace_run;
    job->job.complete = replace_complete;
    job->directory = mem_strdup(directory);
    job->name = mem_strdup(name);
    buffer_append(&job->bytes, source, bytes);
    job->done = done;
    job->context = context;
    storage_submit(storage, &job->job);
}
