/*
 * snapshot_sum.c - terms, found again by name in each part's record types, and adding.
 */
#include "node/snapshot_sum.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/error.h"
#include "node/base/map.h"
#include "node/base/memory.h"
#include "node/record_integer.h"
#include "node/snapshot_walk.h"

/* RECORD.FIELD[.FIELD...], cut at the dots. */
struct term {
    char *text;  /* as given */
    char *parts; /* the same with zeros for dots */
    const char *names[1 + RECORD_LEVELS_MAX];
    size_t name_count;
    bool record_found;
    bool field_found;
    struct buffer known; /* fields where one was not found, for the message */
};

struct summation {
    struct term *terms;
    size_t term_count;
    map_text records; /* names in any part */
    snapshot_sum *sum;
};

/* ---- terms ----------------------------------------------------------------------------------- */

static tr_status term_init(struct term *term, const char *text, tr_error *error) {
    *term = (struct term){.text = mem_strdup(text), .parts = mem_strdup(text)};
    char *rest = term->parts;
    const size_t names_max = sizeof term->names / sizeof term->names[0];
    bool well_formed = true;
    while (rest != NULL && well_formed) {
        char *name = strsep(&rest, ".");
        well_formed = *name != '\0' && term->name_count < names_max;
        if (well_formed) term->names[term->name_count++] = name;
    }
    if (well_formed && term->name_count >= 2) return TR_OK;
    return error_set(error, TR_EINVAL, "for example account.cents", "\"%s\" is not RECORD.FIELD",
                     text);
}

static void term_fini(struct term *term) {
    buffer_fini(&term->known);
    mem_free(term->text);
    mem_free(term->parts);
}

static bool is_number(const record_field *field) {
    return record_integer_kind(field->kind) || field->kind == TR_KIND_F32 ||
           field->kind == TR_KIND_F64;
}

/* Notes the fields of a type that lacks the one the term names. */
static void term_note_fields(struct term *term, const record_type *type) {
    buffer_clear(&term->known);
    for (uint32_t i = 0; i < type->field_count; i++) {
        buffer_append_format(&term->known, "%s%s", i == 0 ? "" : ", ", type->fields[i].name);
    }
}

/* Notes whether the term names a field of this type. Errors: TR_EINVAL it is no number. */
static tr_status term_match(struct term *term, const record_type *type, tr_error *error) {
    if (strcmp(type->name, term->names[0]) != 0) return TR_OK;
    term->record_found = true;
    for (size_t i = 1; i < term->name_count; i++) {
        const char *name = term->names[i];
        const record_field *field = record_type_field(type, name, strlen(name));
        if (field == NULL) {
            term_note_fields(term, type);
            return TR_OK;
        }
        type = field->nested;
        bool last = i + 1 == term->name_count;
        if (last ? is_number(field) : type != NULL) continue;
        char kind[RECORD_KIND_TEXT_MAX];
        return error_set(error, TR_EINVAL, NULL, "%s: %s is no number but %s", term->text, name,
                         record_kind_text(field, kind));
    }
    term->field_found = true;
    return TR_OK;
}

static tr_status visit_part(void *context, const part_reader *reader, const manifest_member *member,
                            tr_error *error) {
    struct summation *summation = context;
    (void)member;
    const record_type *type;
    for (uint32_t i = 0; (type = part_reader_type_at(reader, i)) != NULL; i++) {
        /* One version of the record with the field is enough to describe it. */
        map_text_put(&summation->records, type->name, (void *)(uintptr_t)type->name);
        for (size_t j = 0; j < summation->term_count; j++) {
            tr_status status = term_match(&summation->terms[j], type, error);
            if (status != TR_OK) return status;
        }
    }
    return TR_OK;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static void add_integer(snapshot_number *number, uint32_t kind, const void *at) {
    record_integer integer = record_integer_load(kind, at);
    number->integer +=
        integer.negative ? (snapshot_integer)(int64_t)integer.bits : (snapshot_integer)integer.bits;
}

static void add_real(snapshot_number *number, double value) {
    number->real = true;
    number->floating += value;
}

static void add_item(snapshot_number *number, uint32_t kind, const void *at) {
    float single;
    double real;
    if (kind == TR_KIND_F32) {
        memcpy(&single, at, sizeof single);
        add_real(number, (double)single);
    } else if (kind == TR_KIND_F64) {
        memcpy(&real, at, sizeof real);
        add_real(number, real);
    } else {
        add_integer(number, kind, at);
    }
}

/* Adds what the term's names from `depth` on find in a struct of that type. */
static void add_fields(snapshot_number *number, const struct term *term, size_t depth,
                       const record_type *type, const uint8_t *body) {
    const char *name = term->names[depth];
    const record_field *field = record_type_field(type, name, strlen(name));
    if (field == NULL) return; /* an older version of the record, without it */
    const uint8_t *items = body + field->offset;
    uint32_t count = field->shape == RECORD_ARRAY ? field->count : 1;
    if (field->shape == RECORD_LIST) {
        tr_list list;
        memcpy(&list, items, sizeof list);
        items = list.items;
        count = list.count;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = items + (size_t)i * field->item_bytes;
        if (field->nested != NULL) {
            add_fields(number, term, depth + 1, field->nested, at);
        } else {
            add_item(number, field->kind, at);
        }
    }
}

static void add_body(struct summation *summation, snapshot_number *number,
                     const part_reader *reader, uint32_t record, part_value value) {
    void *block = NULL;
    const record_type *type = record == 0 ? NULL : part_reader_type(reader, record);
    for (size_t i = 0; i < summation->term_count && type != NULL; i++) {
        const struct term *term = &summation->terms[i];
        if (strcmp(type->name, term->names[0]) != 0) continue;
        if (block == NULL) block = part_reader_decode(reader, record, value);
        add_fields(number, term, 1, type, block);
    }
    mem_free(block);
}

static tr_status visit_item(void *context, const part_reader *reader, const manifest_member *member,
                            const part_item *item, tr_error *error) {
    struct summation *summation = context;
    (void)member;
    (void)error;
    if (item->kind == PART_ITEM_ACTOR) {
        add_body(summation, &summation->sum->actors, reader, item->actor.record, item->actor.state);
    } else {
        add_body(summation, &summation->sum->in_flight, reader, item->message.record,
                 item->message.body);
    }
    return TR_OK;
}

/* ---- what was not found ---------------------------------------------------------------------- */

static int name_order(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Writes the names of all records, in order, with commas between them. */
static void list_records(const struct summation *summation, struct buffer *out) {
    size_t count = map_text_count(&summation->records);
    const char **names = mem_zalloc(count, sizeof names[0]);
    size_t cursor = 0;
    for (size_t i = 0; i < count; i++) map_text_next(&summation->records, &cursor, &names[i]);
    if (count > 0) qsort(names, count, sizeof names[0], name_order);
    for (size_t i = 0; i < count; i++) {
        buffer_append_format(out, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    mem_free(names);
}

static tr_status no_record(const struct summation *summation, const struct term *term,
                           tr_error *error) {
    struct buffer known = {0};
    list_records(summation, &known);
    error_set(error, TR_ENOENT, "troupe behavior show lists the records of a behavior",
              "%s: no record %s; there are: %s", term->text, term->names[0], buffer_text(&known));
    buffer_fini(&known);
    return TR_ENOENT;
}

static tr_status check_found(struct summation *summation, tr_error *error) {
    for (size_t i = 0; i < summation->term_count; i++) {
        struct term *term = &summation->terms[i];
        if (term->field_found) continue;
        if (!term->record_found) return no_record(summation, term, error);
        return error_set(error, TR_EDATA, NULL, "%s: record %s has no such field; there are: %s",
                         term->text, term->names[0], buffer_text(&term->known));
    }
    return TR_OK;
}

tr_status snapshot_sum_terms(const storage_files *files, const char *const *directories,
                             const struct manifest *manifest, const char *const *terms,
                             size_t count, snapshot_sum *sum_out, tr_error *error) {
    snapshot_sum sum = {0};
    struct summation summation = {.sum = &sum};
    summation.terms = mem_zalloc(count, sizeof summation.terms[0]);
    map_text_init(&summation.records);
    tr_status status = TR_OK;
    while (summation.term_count < count && status == TR_OK) {
        size_t i = summation.term_count++;
        status = term_init(&summation.terms[i], terms[i], error);
    }
    struct snapshot_visitor visitor = {&summation, visit_part, visit_item};
    if (status == TR_OK) {
        status = snapshot_walk(files, directories, manifest, NULL, &visitor, error);
    }
    if (status == TR_OK) status = check_found(&summation, error);
    if (status == TR_OK) *sum_out = sum;
    for (size_t i = 0; i < summation.term_count; i++) term_fini(&summation.terms[i]);
    mem_free(summation.terms);
    map_text_fini(&summation.records);
    return status;
}
