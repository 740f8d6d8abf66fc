/*
 * snapshot_clean.c - taking away what is no snapshot, or not wanted any more.
 *
 * Nodes may share a directory, so each touches only files that carry its own name.
 */
#include <errno.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/part_reader.h"
#include "node/snapshot_folder.h"
#include "node/snapshot_store.h"

/* ---- one folder ------------------------------------------------------------------------------ */

/* Removes a file of a folder; one that is not there is fine. Returns 0 or a negative errno, and
 * counts what was removed. */
static int remove_file(const storage_files *files, const char *folder, const char *name,
                       size_t *removed) {
    char *path = storage_join(folder, name);
    int failure = files->ops->unlink(files->context, path);
    mem_free(path);
    if (failure == 0) ++*removed;
    return failure == -ENOENT ? 0 : failure;
}

/* Makes removals durable, and removes the folder when nothing is left in it. */
static int close_folder(const storage_files *files, const char *directory, const char *folder) {
    int failure = files->ops->sync_directory(files->context, folder);
    if (failure < 0) return failure == -ENOENT ? 0 : failure;
    failure = files->ops->remove_directory(files->context, folder);
    if (failure == 0) return files->ops->sync_directory(files->context, directory);
    return failure == -ENOTEMPTY || failure == -EEXIST || failure == -ENOENT ? 0 : failure;
}

/* True when the part must stay: it is whole, of this folder and node, and `keep` claims it. */
static bool is_claimed(const storage_files *files, const char *path, const char *id,
                       const char *node, snapshot_store_keep *keep, void *context) {
    part_reader *reader;
    if (keep == NULL) return false;
    tr_status status = part_reader_open(files, path, NULL, NULL, &reader, NULL);
    if (status == TR_EIO) return true; /* what cannot be read now may be readable later */
    if (status != TR_OK) return false;
    const part_header *header = part_reader_header(reader);
    bool claimed = strcmp(header->snapshot, id) == 0 && strcmp(header->node, node) == 0 &&
                   keep(context, header);
    part_reader_close(reader);
    return claimed;
}

/* ---- the sweep ------------------------------------------------------------------------------- */

struct sweep {
    const storage_files *files;
    const char *directory;
    const char *node;
    snapshot_store_keep *keep;
    void *context;
    size_t removed;
};

static int sweep_folder(struct sweep *sweep, const char *id) {
    size_t removed_before = sweep->removed;
    char *folder = storage_join(sweep->directory, id);
    char *part = mem_format("%s.part", sweep->node);
    char *part_temporary = mem_format("%s.part.tmp", sweep->node);
    char *manifest_temporary = mem_format(MANIFEST_NAME ".%s.tmp", sweep->node);
    char *path = storage_join(folder, part);
    bool committed = snapshot_folder_committed(sweep->files, sweep->directory, id);

    int failure = remove_file(sweep->files, folder, part_temporary, &sweep->removed);
    if (failure == 0) {
        failure = remove_file(sweep->files, folder, manifest_temporary, &sweep->removed);
    }
    if (failure == 0 && !committed &&
        !is_claimed(sweep->files, path, id, sweep->node, sweep->keep, sweep->context)) {
        failure = remove_file(sweep->files, folder, part, &sweep->removed);
    }
    if (failure == 0 && (!committed || sweep->removed > removed_before)) {
        failure = close_folder(sweep->files, sweep->directory, folder);
    }
    mem_free(path);
    mem_free(manifest_temporary);
    mem_free(part_temporary);
    mem_free(part);
    mem_free(folder);
    return failure;
}

static bool is_folder(const storage_files *files, const char *directory, const char *id) {
    storage_stat stat;
    if (!snapshot_id_valid(id)) return false;
    char *folder = storage_join(directory, id);
    bool folder_there = files->ops->stat(files->context, folder, &stat) == 0 && stat.directory;
    mem_free(folder);
    return folder_there;
}

tr_status snapshot_store_sweep(const storage_files *files, const char *directory, const char *node,
                               snapshot_store_keep *keep, void *context, size_t *removed_out,
                               tr_error *error) {
    struct sweep sweep = {files, directory, node, keep, context, 0};
    struct snapshot_names names;
    int failure = snapshot_names_read(files, directory, &names);
    if (failure < 0 && failure != -ENOENT) {
        return storage_error(error, failure, "cannot list", directory);
    }
    tr_status status = TR_OK;
    for (size_t i = 0; failure == 0 && i < names.count; i++) {
        if (!is_folder(files, directory, names.items[i])) continue;
        int met = sweep_folder(&sweep, names.items[i]);
        if (met < 0 && status == TR_OK) {
            status = storage_error(error, met, "cannot sweep the folder", names.items[i]);
        }
    }
    if (failure == 0) snapshot_names_fini(&names);
    if (removed_out != NULL) *removed_out = sweep.removed;
    return status;
}

/* ---- one snapshot ---------------------------------------------------------------------------- */

tr_status snapshot_store_discard(const storage_files *files, const char *directory, const char *id,
                                 const char *node, tr_error *error) {
    size_t removed = 0;
    if (snapshot_folder_committed(files, directory, id)) {
        return error_set(error, TR_EEXIST, NULL, "snapshot %s is committed: its parts stay", id);
    }
    char *folder = storage_join(directory, id);
    char *part = mem_format("%s.part", node);
    char *temporary = mem_format("%s.tmp", part);
    int failure = remove_file(files, folder, part, &removed);
    if (failure == 0) failure = remove_file(files, folder, temporary, &removed);
    if (failure == 0) failure = close_folder(files, directory, folder);
    tr_status status = TR_OK;
    if (failure < 0) status = storage_error(error, failure, "cannot discard a part in", folder);
    mem_free(temporary);
    mem_free(part);
    mem_free(folder);
    return status;
}

/* True for the names that snapshots consist of; others are not ours to remove. */
static bool is_snapshot_file(const char *name) {
    size_t bytes = strlen(name);
    return (bytes > 5 && strcmp(name + bytes - 5, ".part") == 0) ||
           (bytes > 4 && strcmp(name + bytes - 4, ".tmp") == 0);
}

static int remove_all(const storage_files *files, const char *directory, const char *folder) {
    size_t removed = 0;
    struct snapshot_names names;
    int failure = snapshot_names_read(files, folder, &names);
    if (failure < 0) return failure;
    failure = remove_file(files, folder, MANIFEST_NAME, &removed);
    if (failure == 0) failure = files->ops->sync_directory(files->context, folder);
    for (size_t i = 0; i < names.count && failure == 0; i++) {
        if (!is_snapshot_file(names.items[i])) continue;
        failure = remove_file(files, folder, names.items[i], &removed);
    }
    snapshot_names_fini(&names);
    return failure == 0 ? close_folder(files, directory, folder) : failure;
}

tr_status snapshot_store_remove(const storage_files *files, const char *directory, const char *id,
                                tr_error *error) {
    if (!snapshot_id_valid(id)) {
        return error_set(error, TR_EINVAL, NULL, "\"%s\" is no snapshot's id", id);
    }
    if (!is_folder(files, directory, id)) {
        return error_set(error, TR_ENOENT, NULL, "no snapshot %s in %s", id, directory);
    }
    char *folder = storage_join(directory, id);
    int failure = remove_all(files, directory, folder);
    tr_status status = TR_OK;
    if (failure < 0) status = storage_error(error, failure, "cannot remove", folder);
    mem_free(folder);
    return status;
}

/* ---- as jobs --------------------------------------------------------------------------------- */

struct clean_job {
    storage_job job;
    char *directory;
    char *id;
    char *node; /* NULL: look for the manifest */
    struct buffer manifest;
    tr_status status;
    tr_error error;
    storage_done *done;
    snapshot_store_found *found;
    void *context;
};

static void discard_run(storage_job *base, const storage_files *files) {
    struct clean_job *job = container_of(base, struct clean_job, job);
    job->status = snapshot_store_discard(files, job->directory, job->id, job->node, &job->error);
}

/* A manifest that is seen after a crash may have been renamed but not synced by the life before. */
static tr_status make_durable(struct clean_job *job, const storage_files *files) {
    char *folder = storage_join(job->directory, job->id);
    int failure = files->ops->sync_directory(files->context, folder);
    tr_status status = TR_OK;
    if (failure < 0) status = storage_error(&job->error, failure, "cannot sync the folder", folder);
    mem_free(folder);
    return status;
}

static void find_run(storage_job *base, const storage_files *files) {
    struct clean_job *job = container_of(base, struct clean_job, job);
    char *path = snapshot_folder_path(job->directory, job->id, MANIFEST_NAME);
    struct manifest *manifest = NULL;
    job->status = storage_read_file(files, path, MANIFEST_BYTES_MAX, &job->manifest, &job->error);
    if (job->status == TR_OK) {
        job->status =
            manifest_decode(job->manifest.data, job->manifest.bytes, path, &manifest, &job->error);
    }
    if (job->status == TR_OK) job->status = make_durable(job, files);
    manifest_free(manifest);
    mem_free(path);
}

static void clean_complete(storage_job *base) {
    struct clean_job *job = container_of(base, struct clean_job, job);
    if (!job->job.ran) {
        job->status = error_set(&job->error, TR_ECLOSED, NULL,
                                "the node stops before it looked at %s", job->id);
    }
    bool ok = job->status == TR_OK;
    if (job->done != NULL) job->done(job->context, job->status, ok ? NULL : &job->error);
    if (job->found != NULL) {
        job->found(job->context, job->status, ok ? job->manifest.data : NULL,
                   ok ? job->manifest.bytes : 0, ok ? NULL : &job->error);
    }
    buffer_fini(&job->manifest);
    mem_free(job->directory);
    mem_free(job->id);
    mem_free(job->node);
    mem_free(job);
}

static struct clean_job *clean_job_new(const char *directory, const char *id, void *context) {
    struct clean_job *job = mem_zalloc(1, sizeof *job);
    job->job.complete = clean_complete;
    job->directory = mem_strdup(directory);
    job->id = mem_strdup(id);
    job->context = context;
    return job;
}

void snapshot_store_submit_discard(struct storage *storage, const char *directory, const char *id,
                                   const char *node, storage_done *done, void *context) {
    struct clean_job *job = clean_job_new(directory, id, context);
    job->job.run = discard_run;
    job->node = mem_strdup(node);
    job->done = done;
    storage_submit(storage, &job->job);
}

void snapshot_store_submit_find(struct storage *storage, const char *directory, const char *id,
                                snapshot_store_found *found, void *context) {
    struct clean_job *job = clean_job_new(directory, id, context);
    job->job.run = find_run;
    job->found = found;
    storage_submit(storage, &job->job);
}
