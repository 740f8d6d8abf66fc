#include "node/record_table.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/memory.h"
#include "node/record_pack.h"
#include "node/record_random.h"

TestSuite(record_table, .timeout = 30);

struct point {
    int32_t x;
    int32_t y;
};
TR_RECORD(point, TR_FIELD(point, x), TR_FIELD(point, y));

struct everything {
    int8_t i8;
    uint64_t u64;
    float f32;
    bool yes;
    char name[32];
    uint8_t key[16];
    int16_t shorts[3];
    tr_text text;
    tr_bytes bytes;
    tr_pid pid;
    tr_request request;
    struct point corner;
    struct point corners[2];
    tr_list pids;
    tr_list points;
};
TR_RECORD(everything, TR_FIELD(everything, i8), TR_FIELD(everything, u64),
          TR_FIELD(everything, f32), TR_FIELD(everything, yes), TR_FIELD(everything, name),
          TR_FIELD(everything, key), TR_FIELD(everything, shorts), TR_FIELD(everything, text),
          TR_FIELD(everything, bytes), TR_FIELD(everything, pid), TR_FIELD(everything, request),
          TR_FIELD_RECORD(everything, corner, point), TR_FIELD_RECORD(everything, corners, point),
          TR_FIELD_LIST(everything, pids, tr_pid), TR_FIELD_LIST_RECORD(everything, points, point));

static record_table *table;

static void open_table(void) {
    table = record_table_new(NULL);
}

static void close_table(void) {
    record_table_free(table);
}

/* Interns a record that must be refused with a message that holds `part`. */
static void refused(const tr_record *record, const char *part) {
    const record_type *type = NULL;
    tr_error error = {0};
    cr_assert_eq(record_table_intern(table, record, &type, &error), TR_EINVAL);
    cr_assert_null(type);
    cr_assert_not_null(strstr(error.message, part), "%s", error.message);
}

static const record_type *interned(const tr_record *record) {
    const record_type *type = NULL;
    tr_error error = {0};
    cr_assert_eq(record_table_intern(table, record, &type, &error), TR_OK, "%s", error.message);
    return type;
}

static tr_status from_wire(const struct buffer *descriptor, const record_type **type_out,
                           tr_error *error) {
    return record_table_from_wire(table, descriptor->data, descriptor->bytes, type_out, error);
}

/* Appends [name, kind, count, nil]. */
static void pack_field(struct buffer *out, const char *name, uint32_t kind, uint32_t count) {
    record_pack_array(out, 4);
    record_pack_text(out, name, strlen(name));
    record_pack_u64(out, kind);
    record_pack_u64(out, count);
    record_pack_nil(out);
}

static void pack_record(struct buffer *out, const char *name, uint32_t fields) {
    record_pack_array(out, 2);
    record_pack_text(out, name, strlen(name));
    record_pack_array(out, fields);
}

/* ---- local types --- */

Test(record_table, every_kind_of_field_is_understood, .init = open_table, .fini = close_table) {
    const record_type *type = interned(&everything_record);
    char text[RECORD_KIND_TEXT_MAX];
    static const char *const kinds[] = {
        "i8",    "u64", "f32",     "bool",   "chars[32]", "octets[16]",  "i16[3]",        "text",
        "bytes", "pid", "request", "record", "record[2]", "list of pid", "list of record"};
    cr_assert_str_eq(type->name, "everything");
    cr_assert_eq(type->field_count, 15u);
    for (uint32_t i = 0; i < type->field_count; i++)
        cr_assert_str_eq(record_kind_text(&type->fields[i], text), kinds[i]);
    cr_assert_eq(type->bytes, sizeof(struct everything));
    cr_assert_eq(type->alignment, _Alignof(struct everything));
    cr_assert_not(type->flat);
    cr_assert_eq(type->levels, 2);
    cr_assert_eq(type->depth, 3);
}

Test(record_table, a_record_without_variable_fields_is_flat, .init = open_table,
     .fini = close_table) {
    cr_assert(interned(&point_record)->flat);
}

Test(record_table, the_same_descriptor_gives_the_same_type, .init = open_table,
     .fini = close_table) {
    cr_assert_null(record_table_find(table, &point_record));
    const record_type *type = interned(&point_record);
    cr_assert_eq(interned(&point_record), type);
    cr_assert_eq(record_table_find(table, &point_record), type);
    cr_assert_eq(record_table_at(table, type->id), type);
}

/* A header with TR_RECORD gives each file that includes it a descriptor of its own. */
Test(record_table, a_copy_of_a_descriptor_gives_the_same_type, .init = open_table,
     .fini = close_table) {
    const tr_record copy = point_record;
    cr_assert_eq(interned(&copy), interned(&point_record));
    cr_assert_eq(record_table_count(table), 1u);
}

Test(record_table, another_layout_is_another_type_of_the_same_fingerprint, .init = open_table,
     .fini = close_table) {
    static const tr_field fields[] = {
        {"x", TR_KIND_I32, 4, 4, NULL}, {"y", TR_KIND_I32, 8, 4, NULL}, {NULL, 0, 0, 0, NULL}};
    static const tr_record wide = {"point", 16, 4, fields};
    const record_type *a = interned(&point_record);
    const record_type *b = interned(&wide);
    cr_assert_neq(a, b);
    cr_assert_eq(a->fingerprint, b->fingerprint);
    cr_assert_eq(record_table_by_name(table, "point"), b, "the latest one counts");
}

Test(record_table, names_kinds_counts_and_nested_fields_change_the_fingerprint, .init = open_table,
     .fini = close_table) {
    static const tr_field inner[] = {{"a", TR_KIND_I32, 0, 4, NULL}, {NULL, 0, 0, 0, NULL}};
    static const tr_field other_inner[] = {{"b", TR_KIND_I32, 0, 4, NULL}, {NULL, 0, 0, 0, NULL}};
    static const tr_record inner_record = {"inner", 4, 4, inner};
    static const tr_record other_inner_record = {"inner", 4, 4, other_inner};
    static const tr_field variants[][2] = {
        {{"f", TR_KIND_I32, 0, 4, NULL}, {NULL, 0, 0, 0, NULL}},
        {{"g", TR_KIND_I32, 0, 4, NULL}, {NULL, 0, 0, 0, NULL}},
        {{"f", TR_KIND_U32, 0, 4, NULL}, {NULL, 0, 0, 0, NULL}},
        {{"f", TR_KIND_CHARS, 0, 4, NULL}, {NULL, 0, 0, 0, NULL}},
        {{"f", TR_KIND_CHARS, 0, 3, NULL}, {NULL, 0, 0, 0, NULL}},
        {{"f", TR_KIND_I32 | TR_KIND_ARRAY, 0, 4, NULL}, {NULL, 0, 0, 0, NULL}},
        {{"f", TR_KIND_I16 | TR_KIND_ARRAY, 0, 4, NULL}, {NULL, 0, 0, 0, NULL}},
        {{"f", TR_KIND_RECORD, 0, 4, &inner_record}, {NULL, 0, 0, 0, NULL}},
        {{"f", TR_KIND_RECORD, 0, 4, &other_inner_record}, {NULL, 0, 0, 0, NULL}},
    };
    enum { COUNT = sizeof(variants) / sizeof(variants[0]) };
    tr_record records[COUNT + 1];
    for (int i = 0; i < COUNT; i++) records[i] = (tr_record){"r", 8, 8, variants[i]};
    records[COUNT] = (tr_record){"s", 8, 8, variants[0]};
    for (int i = 0; i <= COUNT; i++)
        for (int k = 0; k < i; k++)
            cr_assert_neq(interned(&records[i])->fingerprint, interned(&records[k])->fingerprint,
                          "%d and %d", i, k);
}

Test(record_table, many_types_keep_their_ids_as_the_table_grows, .init = open_table,
     .fini = close_table) {
    struct arena arena = {0};
    const tr_record *records[500];
    const record_type *types[500];
    random_seed(&arena.random, 1);
    for (int i = 0; i < 500; i++) {
        records[i] = random_record(&arena, 2);
        types[i] = interned(records[i]);
    }
    for (int i = 0; i < 500; i++) {
        cr_assert_eq(record_table_find(table, records[i]), types[i]);
        cr_assert_eq(record_table_at(table, types[i]->id), types[i]);
        cr_assert_eq(record_table_by_name(table, records[i]->name), types[i]);
    }
    cr_assert_null(record_table_at(table, 0));
    cr_assert_null(record_table_at(table, record_table_count(table) + 1));
    arena_free(&arena);
}

/* ---- refused descriptors ---- */

struct pointing {
    int64_t cents;
    struct point *where;
};
TR_RECORD(pointing, TR_FIELD(pointing, cents), TR_FIELD(pointing, where));

Test(record_table, a_pointer_is_refused_and_told_what_to_use, .init = open_table,
     .fini = close_table) {
    const record_type *type = NULL;
    tr_error error = {0};
    cr_assert_eq(record_table_intern(table, &pointing_record, &type, &error), TR_EINVAL);
    cr_assert_not_null(strstr(error.message, "record pointing: field where"), "%s", error.message);
    cr_assert_not_null(strstr(error.hint, "tr_text"), "%s", error.hint);
    cr_assert_eq(record_table_count(table), 0u);
}

/* Refuses struct r {8 bytes} with these fields. */
static void fields_refused(const tr_field *fields, const char *part) {
    tr_record record = {"r", 8, 8, fields};
    refused(&record, part);
}

Test(record_table, fields_that_contradict_their_struct_are_refused, .init = open_table,
     .fini = close_table) {
    tr_field end = {NULL, 0, 0, 0, NULL};
    fields_refused((tr_field[]){{"f", TR_KIND_I32, 0, 8, NULL}, end}, "does not suit");
    fields_refused((tr_field[]){{"f", TR_KIND_I32, 8, 4, NULL}, end}, "outside");
    fields_refused((tr_field[]){{"f", TR_KIND_I32, UINT32_MAX - 3, 4, NULL}, end}, "outside");
    fields_refused((tr_field[]){{"f", TR_KIND_I32, 2, 4, NULL}, end}, "not aligned");
    fields_refused((tr_field[]){{"f", TR_KIND_CHARS, 0, 0, NULL}, end}, "does not suit");
    fields_refused((tr_field[]){{"f", TR_KIND_I32 | TR_KIND_ARRAY, 0, 6, NULL}, end}, "suit");
    fields_refused((tr_field[]){{"f", TR_KIND_I8 | TR_KIND_LIST, 0, 8, NULL}, end}, "suit");
    fields_refused((tr_field[]){{"f", TR_KIND_CHARS | TR_KIND_LIST, 0, 8, NULL}, end}, "kind");
    fields_refused((tr_field[]){{"f", 19, 0, 8, NULL}, end}, "unknown kind 19");
    fields_refused((tr_field[]){{"f", TR_KIND_I64 | 0x100, 0, 8, NULL}, end}, "unknown kind");
    fields_refused((tr_field[]){{"f", TR_KIND_RECORD, 0, 8, NULL}, end}, "nested");
    fields_refused((tr_field[]){{"f", TR_KIND_I64, 0, 8, &point_record}, end}, "nested");
    fields_refused((tr_field[]){{"f g", TR_KIND_I64, 0, 8, NULL}, end}, "no C name");
}

Test(record_table, fields_that_get_in_each_others_way_are_refused, .init = open_table,
     .fini = close_table) {
    tr_field end = {NULL, 0, 0, 0, NULL};
    fields_refused(
        (tr_field[]){{"f", TR_KIND_I32, 0, 4, NULL}, {"f", TR_KIND_I32, 4, 4, NULL}, end}, "twice");
    fields_refused(
        (tr_field[]){{"f", TR_KIND_I64, 0, 8, NULL}, {"g", TR_KIND_I32, 4, 4, NULL}, end}, "share");
}

Test(record_table, structs_that_cannot_be_blocks_are_refused, .init = open_table,
     .fini = close_table) {
    static const tr_field none[] = {{NULL, 0, 0, 0, NULL}};
    refused(NULL, "no record");
    refused(&(tr_record){"r", 8, 64, none}, "aligned to 64");
    refused(&(tr_record){"r", 8, 3, none}, "aligned to 3");
    refused(&(tr_record){"r", 12, 8, none}, "multiple");
    refused(&(tr_record){"r", UINT32_MAX, 1, none}, "bytes");
    refused(&(tr_record){"r", 8, 8, NULL}, "fields");
    refused(&(tr_record){"a.b", 8, 8, none}, "name");
    refused(&(tr_record){"", 8, 8, none}, "name");
}

extern const tr_record loop_record;
static const tr_field loop_fields[] = {{"self", TR_KIND_RECORD | TR_KIND_LIST, 0, 16, &loop_record},
                                       {NULL, 0, 0, 0, NULL}};
const tr_record loop_record = {"loop", 16, 8, loop_fields};

Test(record_table, a_record_within_itself_is_refused, .init = open_table, .fini = close_table) {
    refused(&loop_record, "within another");
}

/* Makes records that hold each other, `levels` deep, and returns the outermost. */
static const tr_record *nest(struct arena *arena, unsigned levels, uint32_t flags) {
    const tr_record *inner = &point_record;
    for (unsigned i = 1; i < levels; i++) {
        tr_field *fields = arena_take(arena, 2 * sizeof(*fields));
        tr_record *outer = arena_take(arena, sizeof(*outer));
        uint32_t bytes = flags == TR_KIND_LIST ? sizeof(tr_list) : inner->bytes;
        fields[0] = (tr_field){"in", TR_KIND_RECORD | flags, 0, bytes, inner};
        *outer = (tr_record){arena_name(arena, "nest"), bytes, 8, fields};
        inner = outer;
    }
    return inner;
}

Test(record_table, nesting_has_a_limit, .init = open_table, .fini = close_table) {
    struct arena arena = {0};
    cr_assert_eq(interned(nest(&arena, RECORD_LEVELS_MAX, 0))->levels, RECORD_LEVELS_MAX);
    refused(nest(&arena, RECORD_LEVELS_MAX + 1, 0), "within another");
    const record_type *deepest = interned(nest(&arena, RECORD_LEVELS_MAX, TR_KIND_LIST));
    cr_assert_leq(deepest->depth, RECORD_DEPTH_MAX);
    arena_free(&arena);
}

Test(record_table, too_many_fields_are_refused, .init = open_table, .fini = close_table) {
    struct arena arena = {0};
    tr_field *fields = arena_take(&arena, (RECORD_FIELDS_MAX + 2) * sizeof(*fields));
    for (uint32_t i = 0; i <= RECORD_FIELDS_MAX; i++)
        fields[i] = (tr_field){arena_name(&arena, "f"), TR_KIND_I8, i, 1, NULL};
    refused(&(tr_record){"r", 4096, 1, fields}, "fields");
    fields[RECORD_FIELDS_MAX].name = NULL;
    cr_assert_eq(interned(&(tr_record){"r", 4096, 1, fields})->field_count, 1024u);
    arena_free(&arena);
}

/* ---- fields by name ---- */

Test(record_table, fields_are_found_by_their_whole_name, .init = open_table, .fini = close_table) {
    const record_type *type = interned(&everything_record);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const char *name = type->fields[i].name;
        cr_assert_eq(record_type_field(type, name, strlen(name)), &type->fields[i]);
    }
    cr_assert_null(record_type_field(type, "pi", 2));
    cr_assert_null(record_type_field(type, "pidx", 4));
    cr_assert_null(record_type_field(type, "", 0));
}

Test(record_table, the_nearest_field_is_near, .init = open_table, .fini = close_table) {
    const record_type *type = interned(&everything_record);
    cr_assert_str_eq(record_type_nearest(type, "cornes"), "corner");
    cr_assert_str_eq(record_type_nearest(type, "byte"), "bytes");
    cr_assert_null(record_type_nearest(type, "wednesday"));
    cr_assert_null(record_type_nearest(type, ""));
}

/* ---- peers' types ---- */

Test(record_table, a_known_record_of_a_peer_is_the_local_type, .init = open_table,
     .fini = close_table) {
    const record_type *local = interned(&everything_record);
    const record_type *type = NULL;
    uint32_t count = record_table_count(table);
    cr_assert_eq(
        record_table_from_wire(table, local->descriptor, local->descriptor_bytes, &type, NULL),
        TR_OK);
    cr_assert_eq(type, local);
    cr_assert_eq(record_table_count(table), count);
}

Test(record_table, an_unknown_record_of_a_peer_gets_a_layout, .init = open_table,
     .fini = close_table) {
    record_table *peer = record_table_new(NULL);
    const record_type *sent = NULL;
    const record_type *type = NULL;
    const record_type *again = NULL;
    record_table_intern(peer, &everything_record, &sent, NULL);
    cr_assert_eq(
        record_table_from_wire(table, sent->descriptor, sent->descriptor_bytes, &type, NULL),
        TR_OK);
    cr_assert_null(type->record);
    cr_assert_str_eq(type->name, "everything");
    cr_assert_eq(type->fingerprint, sent->fingerprint);
    cr_assert_eq(type->elements, sent->elements);
    cr_assert_eq(type->bytes, sizeof(struct everything), "laid out as the compiler does");
    cr_assert_eq(record_table_by_name(table, "everything"), type);
    cr_assert_eq(
        record_table_from_wire(table, sent->descriptor, sent->descriptor_bytes, &again, NULL),
        TR_OK);
    cr_assert_eq(again, type);
    cr_assert_eq(record_table_count(table), 2u, "it and the point within");
    record_table_free(peer);
}

/* A shared object may bring a record that a peer sent before. */
Test(record_table, a_local_type_comes_before_a_dynamic_one, .init = open_table,
     .fini = close_table) {
    record_table *peer = record_table_new(NULL);
    const record_type *sent = NULL;
    const record_type *dynamic = NULL;
    const record_type *type = NULL;
    record_table_intern(peer, &point_record, &sent, NULL);
    record_table_from_wire(table, sent->descriptor, sent->descriptor_bytes, &dynamic, NULL);
    const record_type *local = interned(&point_record);
    cr_assert_neq(local, dynamic);
    record_table_from_wire(table, sent->descriptor, sent->descriptor_bytes, &type, NULL);
    cr_assert_eq(type, local);
    cr_assert_eq(record_table_by_name(table, "point"), local);
    record_table_free(peer);
}

Test(record_table, a_record_without_fields_takes_a_byte, .init = open_table, .fini = close_table) {
    struct buffer wire = {0};
    const record_type *type = NULL;
    pack_record(&wire, "empty", 0);
    cr_assert_eq(from_wire(&wire, &type, NULL), TR_OK);
    cr_assert_eq(type->bytes, 1u);
    cr_assert(type->flat);
    buffer_fini(&wire);
}

/* Refuses a descriptor with one such field. */
static void wire_refused(const char *name, uint32_t kind, uint32_t count) {
    struct buffer wire = {0};
    const record_type *type = NULL;
    tr_error error = {0};
    pack_record(&wire, "r", 1);
    pack_field(&wire, name, kind, count);
    cr_assert_eq(from_wire(&wire, &type, &error), TR_EDATA, "%s %u %u", name, kind, count);
    cr_assert_null(type);
    cr_assert_neq(error.message[0], '\0');
    buffer_fini(&wire);
}

Test(record_table, impossible_fields_of_a_peer_are_refused, .init = open_table,
     .fini = close_table) {
    wire_refused("f", TR_KIND_NONE, 1);
    wire_refused("f", 19, 1);
    wire_refused("f", TR_KIND_I64 | 0x100, 1);
    wire_refused("f", TR_KIND_I64, 0);
    wire_refused("f", TR_KIND_I64, 2);
    wire_refused("f", TR_KIND_I64 | TR_KIND_ARRAY, 0);
    wire_refused("f", TR_KIND_I64 | TR_KIND_LIST, 1);
    wire_refused("f", TR_KIND_I64 | TR_KIND_ARRAY, UINT32_MAX);
    wire_refused("f", TR_KIND_CHARS, 0);
    wire_refused("f", TR_KIND_CHARS, UINT32_MAX);
    wire_refused("f", TR_KIND_RECORD, 1);
    wire_refused("", TR_KIND_I64, 1);
    wire_refused("1st", TR_KIND_I64, 1);
    wire_refused("a b", TR_KIND_I64, 1);
    wire_refused("\xff", TR_KIND_I64, 1);
    cr_assert_eq(record_table_count(table), 0u);
}

Test(record_table, a_descriptor_that_promises_too_much_is_refused, .init = open_table,
     .fini = close_table) {
    static const uint8_t huge_fields[] = {0x92, 0xa1, 'r', 0xdd, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t huge_array[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    const record_type *type = NULL;
    cr_assert_eq(record_table_from_wire(table, huge_fields, sizeof(huge_fields), &type, NULL),
                 TR_EDATA);
    cr_assert_eq(record_table_from_wire(table, huge_array, sizeof(huge_array), &type, NULL),
                 TR_EDATA);
    cr_assert_eq(record_table_from_wire(table, NULL, 0, &type, NULL), TR_EDATA);
}

/* Reads a descriptor of that many records within each other. */
static tr_status read_nest(unsigned levels, tr_error *error) {
    struct buffer wire = {0};
    const record_type *type = NULL;
    for (unsigned i = 1; i < levels; i++) {
        pack_record(&wire, "r", 1);
        pack_field(&wire, "f", TR_KIND_RECORD, 1);
        wire.bytes--; /* the nil; what follows takes its place */
    }
    pack_record(&wire, "r", 0);
    tr_status status = from_wire(&wire, &type, error);
    buffer_fini(&wire);
    return status;
}

/* It must not be the stack that ends it. */
Test(record_table, a_descriptor_nested_too_deep_is_refused, .init = open_table,
     .fini = close_table) {
    tr_error error = {0};
    cr_assert_eq(read_nest(RECORD_LEVELS_MAX, &error), TR_OK, "%s", error.message);
    cr_assert_eq(read_nest(RECORD_LEVELS_MAX + 1, &error), TR_EDATA);
    cr_assert_str_eq(error.message, "record descriptor: more than 8 records within another");
    cr_assert_eq(read_nest(6000, &error), TR_EDATA);
    cr_assert_str_eq(error.message, "record descriptor: more than 8 records within another");
}

/* Whatever is cut off or hung on, it is refused and leaves nothing behind. */
Test(record_table, a_truncated_or_longer_descriptor_is_refused, .init = open_table,
     .fini = close_table) {
    record_table *peer = record_table_new(NULL);
    const record_type *sent = NULL;
    const record_type *type = NULL;
    record_table_intern(peer, &everything_record, &sent, NULL);
    for (uint32_t bytes = 0; bytes < sent->descriptor_bytes; bytes++) {
        uint8_t *cut = mem_dup(sent->descriptor, bytes);
        cr_assert_eq(record_table_from_wire(table, cut, bytes, &type, NULL), TR_EDATA);
        mem_free(cut);
    }
    struct buffer longer = {0};
    buffer_append(&longer, sent->descriptor, sent->descriptor_bytes);
    buffer_append_byte(&longer, 0xc0);
    cr_assert_eq(from_wire(&longer, &type, NULL), TR_EDATA);
    cr_assert_eq(record_table_count(table), 0u);
    buffer_fini(&longer);
    record_table_free(peer);
}

Test(record_table, peers_cannot_make_types_without_end) {
    table = record_table_new(&(record_table_options){.dynamic_types_max = 3});
    const record_type *type = NULL;
    for (int i = 0; i < 5; i++) {
        struct buffer wire = {0};
        char name[16];
        snprintf(name, sizeof(name), "r%d", i);
        pack_record(&wire, name, 0);
        cr_assert_eq(from_wire(&wire, &type, NULL), i < 3 ? TR_OK : TR_ETOOBIG);
        buffer_fini(&wire);
    }
    cr_assert_eq(record_table_count(table), 3u);
    cr_assert_not_null(interned(&point_record), "local types are not counted");
    record_table_free(table);
}

Test(record_table, peers_cannot_take_memory_without_end) {
    table = record_table_new(&(record_table_options){.dynamic_bytes_max = 4096});
    tr_status status = TR_OK;
    size_t bytes = 0;
    for (int i = 0; i < 100 && status == TR_OK; i++) {
        struct buffer wire = {0};
        const record_type *type = NULL;
        char name[16];
        snprintf(name, sizeof(name), "r%d", i);
        pack_record(&wire, name, 1);
        pack_field(&wire, "f", TR_KIND_I64, 1);
        status = from_wire(&wire, &type, NULL);
        if (status == TR_OK) bytes += type->memory_bytes;
        buffer_fini(&wire);
    }
    cr_assert_eq(status, TR_ETOOBIG);
    cr_assert_gt(bytes, 2048u, "there is room for several");
    cr_assert_leq(bytes, 4096u);
    record_table_free(table);
}

/* Every record survives being described: same fingerprint, same sizes on the wire. */
Test(record_table, random_records_are_described_faithfully, .init = open_table,
     .fini = close_table) {
    struct arena arena = {0};
    record_table *peer = record_table_new(NULL);
    random_seed(&arena.random, 2);
    for (int i = 0; i < 300; i++) {
        const record_type *type = NULL;
        const record_type *sent = NULL;
        record_table_intern(peer, random_record(&arena, 3), &sent, NULL);
        cr_assert_eq(
            record_table_from_wire(table, sent->descriptor, sent->descriptor_bytes, &type, NULL),
            TR_OK);
        cr_assert_eq(type->fingerprint, sent->fingerprint);
        cr_assert_eq(type->descriptor_bytes, sent->descriptor_bytes);
        cr_assert_eq(type->elements, sent->elements);
        cr_assert_eq(type->flat, sent->flat);
        cr_assert_eq(type->depth, sent->depth);
    }
    record_table_free(peer);
    arena_free(&arena);
}
