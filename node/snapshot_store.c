/*
 * snapshot_store.c - finding, listing and loading what is there.
 */
#include "node/snapshot_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/map.h"
#include "node/base/memory.h"
#include "node/snapshot_folder.h"

bool snapshot_id_valid(const char *id) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t bytes = strlen(id);
    return bytes > 0 && bytes < PART_NAME_BYTES && id[0] != '.' && strspn(id, allowed) == bytes;
}

/* ---- listing --------------------------------------------------------------------------------- */

static void entry_load(const storage_files *files, const char *directory, const char *id,
                       snapshot_entry *entry) {
    char *path = snapshot_folder_path(directory, id, MANIFEST_NAME);
    snprintf(entry->id, sizeof entry->id, "%s", id);
    entry->status = manifest_load(files, path, &entry->manifest, &entry->error);
    if (entry->status == TR_OK && strcmp(entry->manifest->id, id) != 0) {
        entry->status = error_set(&entry->error, TR_EDATA, NULL, "%s is the manifest of %s", path,
                                  entry->manifest->id);
        manifest_free(entry->manifest);
        entry->manifest = NULL;
    }
    mem_free(path);
}

/* Adds the committed snapshots of one directory that `known` does not have yet. */
static tr_status list_directory(const storage_files *files, const char *directory, map_text *known,
                                snapshot_list *list, tr_error *error) {
    struct snapshot_names names;
    int failure = snapshot_names_read(files, directory, &names);
    if (failure == -ENOENT) return TR_OK;
    if (failure < 0) return storage_error(error, failure, "cannot list", directory);
    for (size_t i = 0; i < names.count; i++) {
        const char *id = names.items[i];
        if (!snapshot_folder_committed(files, directory, id)) continue;
        if (map_text_find(known, id) != NULL) continue;
        map_text_put(known, id, known);
        list->entries = mem_realloc_array(list->entries, list->count + 1, sizeof list->entries[0]);
        snapshot_entry *entry = &list->entries[list->count++];
        *entry = (snapshot_entry){0};
        entry_load(files, directory, id, entry);
    }
    snapshot_names_fini(&names);
    return TR_OK;
}

/* Newest first; those without a manifest that can be read last. */
static int entry_order(const void *a, const void *b) {
    const snapshot_entry *one = a;
    const snapshot_entry *two = b;
    uint64_t one_epoch = one->manifest == NULL ? 0 : one->manifest->epoch;
    uint64_t two_epoch = two->manifest == NULL ? 0 : two->manifest->epoch;
    if (one_epoch != two_epoch) return one_epoch > two_epoch ? -1 : 1;
    return strcmp(one->id, two->id);
}

tr_status snapshot_store_list(const storage_files *files, const char *const *directories,
                              snapshot_list *list_out, tr_error *error) {
    snapshot_list list = {0};
    map_text known;
    map_text_init(&known);
    tr_status status = TR_OK;
    for (; *directories != NULL && status == TR_OK; directories++) {
        status = list_directory(files, *directories, &known, &list, error);
    }
    map_text_fini(&known);
    if (status != TR_OK) {
        snapshot_list_fini(&list);
        return status;
    }
    if (list.count > 0) qsort(list.entries, list.count, sizeof list.entries[0], entry_order);
    *list_out = list;
    return TR_OK;
}

void snapshot_list_fini(snapshot_list *list) {
    for (size_t i = 0; i < list->count; i++) manifest_free(list->entries[i].manifest);
    mem_free(list->entries);
    *list = (snapshot_list){0};
}

/* ---- loading --------------------------------------------------------------------------------- */

static tr_status no_such_snapshot(const storage_files *files, const char *const *directories,
                                  const char *id, tr_error *error) {
    snapshot_list list;
    error_set(error, TR_ENOENT, "there is none yet: troupe snapshot create", "no snapshot %s", id);
    if (snapshot_store_list(files, directories, &list, NULL) != TR_OK) return TR_ENOENT;
    if (list.count > 0) {
        error_hint(error, "the newest is %s; troupe snapshot list shows all", list.entries[0].id);
    }
    snapshot_list_fini(&list);
    return TR_ENOENT;
}

tr_status snapshot_store_load(const storage_files *files, const char *const *directories,
                              const char *id, struct manifest **manifest_out, tr_error *error) {
    if (!snapshot_id_valid(id)) {
        return error_set(error, TR_EINVAL, "troupe snapshot list shows the ids",
                         "\"%s\" is no snapshot's id", id);
    }
    for (const char *const *at = directories; *at != NULL; at++) {
        if (!snapshot_folder_committed(files, *at, id)) continue;
        snapshot_entry entry = {0};
        entry_load(files, *at, id, &entry);
        if (entry.status == TR_OK) {
            *manifest_out = entry.manifest;
        } else if (error != NULL) {
            *error = entry.error;
        }
        return entry.status;
    }
    return no_such_snapshot(files, directories, id, error);
}

tr_status snapshot_store_find_part(const storage_files *files, const char *const *directories,
                                   const struct manifest *manifest, const manifest_member *member,
                                   char **path_out, tr_error *error) {
    for (; *directories != NULL; directories++) {
        storage_stat stat;
        char *path = snapshot_folder_path(*directories, manifest->id, member->file);
        if (files->ops->stat(files->context, path, &stat) == 0 && !stat.directory) {
            *path_out = path;
            return TR_OK;
        }
        mem_free(path);
    }
    return error_set(error, TR_EDATA,
                     "a part of a node with a snapshot folder of its own must be looked for there",
                     "snapshot %s: the part %s of node %s is missing", manifest->id, member->file,
                     member->name);
}
