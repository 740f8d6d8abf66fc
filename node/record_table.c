/*
 * record_table.c - types are added under a lock and found without one.
 *
 * What lock-free readers use (types by id, and by C descriptor) are arrays that are only ever
 * added to. One that is full is replaced by a copy twice as large; the old one stays until the
 * table is freed, since a reader may still be looking into it.
 */
#include "node/record_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/error.h"
#include "node/base/map.h"
#include "node/base/memory.h"
#include "node/record_descriptor.h"
#include "node/record_draft.h"

enum { ROOM_MIN = 64, DYNAMIC_TYPES_MAX = 4096, DYNAMIC_BYTES_MAX = 64 * 1024 * 1024 };

/* Types by id - 1. */
struct id_array {
    struct id_array *older;
    uint32_t room;
    const record_type *types[];
};

/* Types by the address of their C descriptor: open addressing, never more than half full. */
struct place {
    _Atomic(const tr_record *) record;
    const record_type *type;
};

struct place_array {
    struct place_array *older;
    size_t mask;
    size_t used;
    struct place places[];
};

struct record_table {
    pthread_mutex_t lock; /* of all that is not atomic, and of all writing */
    _Atomic(struct id_array *) ids;
    _Atomic(struct place_array *) places;
    _Atomic uint32_t count;
    map_u64 by_fingerprint; /* the latest type of each; earlier ones behind `next` */
    map_text local_names;   /* the latest local type of that name */
    map_text dynamic_names;
    uint32_t dynamic_types_max;
    size_t dynamic_bytes_max;
    uint32_t dynamic_types;
    size_t dynamic_bytes;
};

/* ---- types by C descriptor ----------------------------------------------------------- */

static size_t place_of(const struct place_array *array, const tr_record *record) {
    uint64_t hash = (uint64_t)(uintptr_t)record * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 32) & array->mask;
}

const record_type *record_table_find(const record_table *table, const tr_record *record) {
    if (record == NULL) return NULL;
    const struct place_array *array = atomic_load_explicit(&table->places, memory_order_acquire);
    for (size_t i = place_of(array, record);; i = (i + 1) & array->mask) {
        /* Acquire: pairs with the release in place_put, so that the type is there to read. */
        const tr_record *found =
            atomic_load_explicit(&array->places[i].record, memory_order_acquire);
        if (found == record) return array->places[i].type;
        if (found == NULL) return NULL;
    }
}

static void place_put(struct place_array *array, const tr_record *record, const record_type *type) {
    size_t i = place_of(array, record);
    while (atomic_load_explicit(&array->places[i].record, memory_order_relaxed) != NULL)
        i = (i + 1) & array->mask;
    array->places[i].type = type;
    atomic_store_explicit(&array->places[i].record, record, memory_order_release);
    array->used++;
}

static struct place_array *places_new(size_t room, struct place_array *older) {
    struct place_array *array = mem_zalloc(1, sizeof(*array) + room * sizeof(struct place));
    array->mask = room - 1;
    array->older = older;
    return array;
}

static void places_add(record_table *table, const tr_record *record, const record_type *type) {
    struct place_array *array = atomic_load_explicit(&table->places, memory_order_relaxed);
    if (2 * (array->used + 1) > array->mask + 1) {
        struct place_array *grown = places_new(2 * (array->mask + 1), array);
        for (size_t i = 0; i <= array->mask; i++) {
            const tr_record *old =
                atomic_load_explicit(&array->places[i].record, memory_order_relaxed);
            if (old != NULL) place_put(grown, old, array->places[i].type);
        }
        /* Release: a reader that sees the new array must see what it holds. */
        atomic_store_explicit(&table->places, grown, memory_order_release);
        array = grown;
    }
    place_put(array, record, type);
}

/* ---- types by id --------------------------------------------------------------------- */

static struct id_array *ids_new(uint32_t room, struct id_array *older) {
    struct id_array *array = mem_zalloc(1, sizeof(*array) + room * sizeof(array->types[0]));
    array->room = room;
    array->older = older;
    return array;
}

uint32_t record_table_count(const record_table *table) {
    return atomic_load_explicit(&table->count, memory_order_acquire);
}

const record_type *record_table_at(const record_table *table, uint32_t id) {
    /* Acquire: the count was released after the type was put; the array read next is not older. */
    if (id == 0 || id > record_table_count(table)) return NULL;
    return atomic_load_explicit(&table->ids, memory_order_acquire)->types[id - 1];
}

/* Gives the type its id and makes it known everywhere but by C descriptor. */
static void add_type(record_table *table, record_type *type) {
    uint32_t count = atomic_load_explicit(&table->count, memory_order_relaxed);
    struct id_array *array = atomic_load_explicit(&table->ids, memory_order_relaxed);
    if (count == array->room) {
        struct id_array *grown = ids_new(2 * array->room, array);
        memcpy(grown->types, array->types, count * sizeof(array->types[0]));
        atomic_store_explicit(&table->ids, grown, memory_order_release);
        array = grown;
    }
    type->id = count + 1;
    type->next = map_u64_find(&table->by_fingerprint, type->fingerprint);
    map_u64_put(&table->by_fingerprint, type->fingerprint, type);
    map_text_put(type->record != NULL ? &table->local_names : &table->dynamic_names, type->name,
                 type);
    array->types[count] = type;
    atomic_store_explicit(&table->count, count + 1, memory_order_release);
}

/* ---- local types --------------------------------------------------------------------- */

static tr_status intern(record_table *table, const tr_record *record, unsigned level,
                        const record_type **type_out, tr_error *error);

/* Interns the nested records of all fields; those of other fields stay NULL. */
static tr_status intern_nested(record_table *table, const tr_record *record, unsigned level,
                               const record_type **nested, uint32_t count, tr_error *error) {
    for (uint32_t i = 0; i < count; i++) {
        if (record->fields[i].nested == NULL) continue;
        tr_status status = intern(table, record->fields[i].nested, level + 1, &nested[i], error);
        if (status != TR_OK) return status;
    }
    return TR_OK;
}

/* Makes the type known, or takes a local one that is the same in its place. */
static const record_type *adopt(record_table *table, record_type *type) {
    const record_type *other = map_u64_find(&table->by_fingerprint, type->fingerprint);
    while (other != NULL && (other->record == NULL || !record_type_same(other, type)))
        other = other->next;
    if (other != NULL) {
        mem_free(type);
        return other;
    }
    add_type(table, type);
    return type;
}

static tr_status check_local(const tr_record *record, unsigned level, tr_error *error) {
    if (record == NULL) return error_set(error, TR_EINVAL, NULL, "no record is given");
    if (record->name == NULL || !record_name_valid(record->name, strlen(record->name)))
        return error_set(error, TR_EINVAL, NULL, "a record's name is missing or no C name");
    if (record->fields == NULL)
        return error_set(error, TR_EINVAL, NULL, "record %s: no table of fields", record->name);
    if (level > RECORD_LEVELS_MAX)
        return error_set(error, TR_EINVAL, "a record cannot contain itself, not even in a list",
                         "record %s: more than %d records within another", record->name,
                         RECORD_LEVELS_MAX);
    return TR_OK;
}

static tr_status make_local(record_table *table, struct record_draft *draft,
                            const record_type *const nested[], const record_type **type_out,
                            tr_error *error) {
    tr_status status = record_draft_local(draft, nested, error);
    if (status != TR_OK) return status;
    record_type *type;
    status = record_build(draft, &type, error);
    if (status != TR_OK) return status;
    *type_out = adopt(table, type);
    places_add(table, draft->record, *type_out);
    return TR_OK;
}

static tr_status intern(record_table *table, const tr_record *record, unsigned level,
                        const record_type **type_out, tr_error *error) {
    const record_type *known = record_table_find(table, record);
    if (known != NULL) {
        *type_out = known;
        return TR_OK;
    }
    tr_status status = check_local(record, level, error);
    if (status != TR_OK) return status;
    struct record_draft draft = {.name = record->name,
                                 .record = record,
                                 .field_count = record_field_count(record),
                                 .bytes = record->bytes,
                                 .alignment = record->alignment,
                                 .refusal = TR_EINVAL};
    if (draft.field_count > RECORD_FIELDS_MAX)
        return error_set(error, TR_EINVAL, NULL, "record %s: more than %d fields", record->name,
                         RECORD_FIELDS_MAX);

    const record_type **nested = mem_zalloc(draft.field_count, sizeof(*nested));
    draft.fields = mem_alloc(draft.field_count * sizeof(*draft.fields));
    status = intern_nested(table, record, level, nested, draft.field_count, error);
    if (status == TR_OK) status = make_local(table, &draft, nested, type_out, error);
    mem_free(draft.fields);
    mem_free(nested);
    return status;
}

tr_status record_table_intern(record_table *table, const tr_record *record,
                              const record_type **type_out, tr_error *error) {
    const record_type *known = record_table_find(table, record);
    if (known != NULL) {
        *type_out = known;
        return TR_OK;
    }
    pthread_mutex_lock(&table->lock);
    tr_status status = intern(table, record, 1, type_out, error);
    pthread_mutex_unlock(&table->lock);
    return status;
}

/* ---- peers' types -------------------------------------------------------------------- */

/* A dynamic type is only made while no local one is known, so that the latest of either is a local
 * one if there is any. */
const record_type *record_table_known(const record_table *table, uint64_t fingerprint,
                                      const void *descriptor, size_t bytes) {
    const record_type *type = map_u64_find(&table->by_fingerprint, fingerprint);
    while (type != NULL &&
           (type->descriptor_bytes != bytes || memcmp(type->descriptor, descriptor, bytes) != 0))
        type = type->next;
    return type;
}

/* Adds what was made, inner records first. */
static void add_made(record_table *table, struct record_made *made) {
    record_type *ordered = NULL;
    while (made->types != NULL) {
        record_type *type = made->types;
        made->types = type->next;
        type->next = ordered;
        ordered = type;
    }
    while (ordered != NULL) {
        record_type *type = ordered;
        ordered = type->next;
        add_type(table, type);
    }
    table->dynamic_types += made->count;
    table->dynamic_bytes += made->memory_bytes;
}

tr_status record_table_from_wire(record_table *table, const void *descriptor, size_t bytes,
                                 const record_type **type_out, tr_error *error) {
    struct record_made made = {0};
    pthread_mutex_lock(&table->lock);
    tr_status status = record_descriptor_read(
        table, descriptor, bytes, table->dynamic_types_max - table->dynamic_types,
        table->dynamic_bytes_max - table->dynamic_bytes, &made, type_out, error);
    if (status == TR_OK) add_made(table, &made);
    pthread_mutex_unlock(&table->lock);
    return status;
}

/* ---- the table ----------------------------------------------------------------------- */

const record_type *record_table_by_name(record_table *table, const char *name) {
    pthread_mutex_lock(&table->lock);
    const record_type *type = map_text_find(&table->local_names, name);
    if (type == NULL) type = map_text_find(&table->dynamic_names, name);
    pthread_mutex_unlock(&table->lock);
    return type;
}

record_table *record_table_new(const record_table_options *options) {
    record_table_options chosen = options == NULL ? (record_table_options){0} : *options;
    record_table *table = mem_zalloc(1, sizeof(*table));
    check(pthread_mutex_init(&table->lock, NULL) == 0);
    atomic_init(&table->ids, ids_new(ROOM_MIN, NULL));
    atomic_init(&table->places, places_new(2 * ROOM_MIN, NULL));
    table->dynamic_types_max =
        chosen.dynamic_types_max > 0 ? chosen.dynamic_types_max : DYNAMIC_TYPES_MAX;
    table->dynamic_bytes_max =
        chosen.dynamic_bytes_max > 0 ? chosen.dynamic_bytes_max : DYNAMIC_BYTES_MAX;
    return table;
}

static void free_types(record_table *table) {
    struct id_array *ids = atomic_load(&table->ids);
    for (uint32_t i = 0; i < atomic_load(&table->count); i++) mem_free((void *)ids->types[i]);
    while (ids != NULL) {
        struct id_array *older = ids->older;
        mem_free(ids);
        ids = older;
    }
}

void record_table_free(record_table *table) {
    if (table == NULL) return;
    free_types(table);
    struct place_array *places = atomic_load(&table->places);
    while (places != NULL) {
        struct place_array *older = places->older;
        mem_free(places);
        places = older;
    }
    map_u64_fini(&table->by_fingerprint);
    map_text_fini(&table->local_names);
    map_text_fini(&table->dynamic_names);
    pthread_mutex_destroy(&table->lock);
    mem_free(table);
}
