/*
 * snapshot_folder.c - reading a directory's names.
 */
#include "node/snapshot_folder.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/manifest.h"
#include "node/snapshot_store.h"

static void add_name(void *argument, const char *name) {
    struct snapshot_names *names = argument;
    names->items = mem_realloc_array(names->items, names->count + 1, sizeof names->items[0]);
    names->items[names->count++] = mem_strdup(name);
}

static int name_order(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int snapshot_names_read(const storage_files *files, const char *directory,
                        struct snapshot_names *names_out) {
    struct snapshot_names names = {0};
    int failure = files->ops->list(files->context, directory, add_name, &names);
    if (failure < 0) {
        snapshot_names_fini(&names);
        return failure;
    }
    if (names.count > 0) qsort(names.items, names.count, sizeof names.items[0], name_order);
    *names_out = names;
    return 0;
}

void snapshot_names_fini(struct snapshot_names *names) {
    for (size_t i = 0; i < names->count; i++) mem_free(names->items[i]);
    mem_free(names->items);
    *names = (struct snapshot_names){0};
}

char *snapshot_folder_path(const char *directory, const char *id, const char *name) {
    return mem_format("%s/%s/%s", directory, id, name);
}

bool snapshot_folder_committed(const storage_files *files, const char *directory, const char *id) {
    storage_stat stat;
    if (!snapshot_id_valid(id)) return false;
    char *path = snapshot_folder_path(directory, id, MANIFEST_NAME);
    bool there = files->ops->stat(files->context, path, &stat) == 0 && !stat.directory;
    mem_free(path);
    return there;
}
