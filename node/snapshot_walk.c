/*
 * snapshot_walk.c - the loop over members and items.
 */
#include "node/snapshot_walk.h"

#include "node/base/memory.h"
#include "node/snapshot_store.h"

static tr_status walk_items(part_reader *reader, const manifest_member *member,
                            const struct snapshot_visitor *visitor, tr_error *error) {
    if (visitor->part != NULL) {
        tr_status status = visitor->part(visitor->context, reader, member, error);
        if (status != TR_OK) return status;
    }
    for (;;) {
        part_item item;
        tr_status status = part_reader_next(reader, &item, error);
        if (status != TR_OK || item.kind == PART_ITEM_END) return status;
        status = visitor->item(visitor->context, reader, member, &item, error);
        if (status != TR_OK) return status;
    }
}

static tr_status walk_part(const storage_files *files, const char *const *directories,
                           const struct manifest *manifest, const manifest_member *member,
                           const struct snapshot_visitor *visitor, tr_error *error) {
    char *path = NULL;
    part_reader *reader;
    tr_status status = snapshot_store_find_part(files, directories, manifest, member, &path, error);
    if (status != TR_OK) return status;
    status = part_reader_open(files, path, manifest, member, &reader, error);
    if (status == TR_OK) {
        status = walk_items(reader, member, visitor, error);
        part_reader_close(reader);
    }
    mem_free(path);
    return status;
}

tr_status snapshot_walk(const storage_files *files, const char *const *directories,
                        const struct manifest *manifest, const manifest_member *only,
                        const struct snapshot_visitor *visitor, tr_error *error) {
    for (uint32_t i = 0; i < manifest->member_count; i++) {
        const manifest_member *member = &manifest->members[i];
        if (only != NULL && only != member) continue;
        tr_status status = walk_part(files, directories, manifest, member, visitor, error);
        if (status != TR_OK) return status;
    }
    return TR_OK;
}
