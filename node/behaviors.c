#include "node/behaviors.h"

#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"

void behaviors_init(struct behaviors *table, record_table *records) {
    table->records = records;
    map_text_init(&table->by_name);
    map_u64_init(&table->by_pointer);
}

void behaviors_fini(struct behaviors *table) {
    size_t cursor = 0;
    for (struct behavior *each; (each = map_text_next(&table->by_name, &cursor, NULL)) != NULL;) {
        mem_free(each->entries);
        mem_free(each);
    }
    map_text_fini(&table->by_name);
    map_u64_fini(&table->by_pointer);
}

static tr_status resolve_entries(struct behaviors *table, struct behavior *made, tr_error *error) {
    const tr_handler *handlers = made->offered->handlers;
    while (handlers != NULL && handlers[made->entry_count].record != NULL) made->entry_count++;
    made->entries = mem_zalloc(made->entry_count + 1, sizeof *made->entries);
    for (uint32_t i = 0; i < made->entry_count; i++) {
        if (handlers[i].handle == NULL)
            return error_set(error, TR_EINVAL, "name the function in TR_HANDLERS",
                             "behavior %s: the handler of record %s is NULL", made->offered->name,
                             handlers[i].record->name);
        tr_status status =
            record_table_intern(table->records, handlers[i].record, &made->entries[i].type, error);
        if (status != TR_OK) return status;
        made->entries[i].handle = handlers[i].handle;
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(made->entries[j].type->name, made->entries[i].type->name) == 0)
                return error_set(error, TR_EINVAL, "keep one",
                                 "behavior %s: two handlers for record %s", made->offered->name,
                                 made->entries[i].type->name);
        }
    }
    return TR_OK;
}

tr_status behaviors_offer(struct behaviors *table, const tr_behavior *offered, bool system,
                          tr_error *error) {
    if (offered == NULL || offered->name == NULL || offered->name[0] == '\0')
        return error_set(error, TR_EINVAL, "set .name in its tr_behavior",
                         "a behavior without a name");
    if (map_text_find(&table->by_name, offered->name) != NULL)
        return error_set(error, TR_EEXIST,
                         "load each shared object once, and give each behavior its own name",
                         "behavior %s is offered already", offered->name);
    struct behavior *made = mem_zalloc(1, sizeof *made);
    made->offered = offered;
    made->system = system;
    tr_status status = resolve_entries(table, made, error);
    if (status == TR_OK && offered->state != NULL)
        status = record_table_intern(table->records, offered->state, &made->state, error);
    if (status != TR_OK) {
        mem_free(made->entries);
        mem_free(made);
        return status;
    }
    map_text_put(&table->by_name, offered->name, made);
    map_u64_put(&table->by_pointer, (uint64_t)(uintptr_t)offered, made);
    return TR_OK;
}

const struct behavior *behaviors_find(const struct behaviors *table, const char *name) {
    return map_text_find(&table->by_name, name);
}

const struct behavior *behaviors_of(const struct behaviors *table, const tr_behavior *offered) {
    return map_u64_find(&table->by_pointer, (uint64_t)(uintptr_t)offered);
}

const struct behavior_entry *behavior_entry_for(const struct behavior *behavior,
                                                const record_type *type) {
    const struct behavior_entry *exact = behavior_entry_exact(behavior, type);
    if (exact != NULL) return exact;
    for (uint32_t i = 0; i < behavior->entry_count; i++)
        if (strcmp(behavior->entries[i].type->name, type->name) == 0) return &behavior->entries[i];
    return NULL;
}

bool behavior_handles(const struct behavior *behavior, const char *record) {
    for (uint32_t i = 0; i < behavior->entry_count; i++)
        if (strcmp(behavior->entries[i].type->name, record) == 0) return true;
    return false;
}
