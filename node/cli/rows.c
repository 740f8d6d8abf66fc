/*
 * rows.c - a list of objects as compact texts.
 */
#include "node/cli/rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/memory.h"

struct row {
    char *text; /* compact JSON; from json_dumps */
    uint64_t key;
    size_t number; /* in the order of adding: keeps the sort stable */
};

void rows_add(struct rows *rows, const json_t *object, uint64_t key) {
    char *text = json_dumps(object, JSON_COMPACT);
    if (text == NULL) return;
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity * 2 + 64;
        rows->items = mem_realloc_array(rows->items, rows->capacity, sizeof *rows->items);
    }
    rows->items[rows->count] = (struct row){text, key, rows->count};
    rows->count++;
}

static int compare_smallest(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int compare_largest(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

void rows_sort(struct rows *rows, enum rows_order order) {
    if (rows->count < 2) return;
    qsort(rows->items, rows->count, sizeof *rows->items,
          order == ROWS_LARGEST_FIRST ? compare_largest : compare_smallest);
}

void rows_keep_first(struct rows *rows, size_t count) {
    while (rows->count > count) free(rows->items[--rows->count].text);
}

void rows_keep_last(struct rows *rows, size_t count) {
    if (rows->count <= count) return;
    size_t drop = rows->count - count;
    for (size_t i = 0; i < drop; i++) free(rows->items[i].text);
    for (size_t i = 0; i < count; i++) rows->items[i] = rows->items[i + drop];
    rows->count = count;
}

static void print_json(const struct rows *rows, const char *kind) {
    printf("{\"schema\":\"" OUTPUT_SCHEMA "\",\"kind\":\"%s\",\"data\":[", kind);
    for (size_t i = 0; i < rows->count; i++) printf("%s%s", i == 0 ? "" : ",", rows->items[i].text);
    puts("]}");
}

json_t *rows_get(const struct rows *rows, size_t index) {
    return json_loads(rows->items[index].text, 0, NULL);
}

static json_t *row_at(void *context, size_t index) {
    return rows_get(context, index);
}

void rows_print(const struct rows *rows, struct output *output, const char *kind,
                const struct output_column *columns) {
    output_progress_end(output);
    if (output->json)
        print_json(rows, kind);
    else
        output_rows(output, rows->count, row_at, (void *)rows, columns);
}

void rows_fini(struct rows *rows) {
    rows_keep_first(rows, 0);
    mem_free(rows->items);
    *rows = (struct rows){0};
}
