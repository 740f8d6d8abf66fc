/*
 * output.c - envelopes, tables made of JSON, notes, progress and failures.
 */
#include "node/cli/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/clock.h"
#include "node/base/memory.h"
#include "node/cli/duration.h"
#include "node/cli/table.h"

enum { CELL_BYTES = 64, KEY_BYTES = 64, EARLY_ROWS = 32 };

static bool wants_color(const char *color, bool terminal) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (color != NULL && strcmp(color, "always") == 0) return true;
    if (color != NULL && strcmp(color, "never") == 0) return false;
    if (no_color != NULL && *no_color != '\0') return false;
    return terminal && (term == NULL || strcmp(term, "dumb") != 0);
}

void output_init(struct output *output, const struct args *args) {
    const char *format = args_text(args, "output"), *color = args_text(args, "color");
    bool terminal_out = isatty(STDOUT_FILENO) == 1;
    *output = (struct output){
        .json = format != NULL && strcmp(format, "json") == 0,
        .headers = !args_has(args, "no-headers"),
        .quiet = args_has(args, "quiet"),
        .terminal_err = isatty(STDERR_FILENO) == 1,
    };
    output->color_out = wants_color(color, terminal_out);
    output->color_err = wants_color(color, output->terminal_err);
}

/* ---- data ------------------------------------------------------------------------------------ */

static void print_envelope(const char *key, const char *kind, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    printf("{\"schema\":\"" OUTPUT_SCHEMA "\",");
    if (kind != NULL) printf("\"kind\":\"%s\",", kind);
    printf("\"%s\":%s}\n", key, text == NULL ? "null" : text);
    free(text);
}

bool output_json(struct output *output, const char *kind, json_t *data) {
    output_progress_end(output);
    if (output->json) print_envelope("data", kind, data);
    return output->json;
}

static json_t *value_at(json_t *object, const char *key) {
    char part[KEY_BYTES];
    for (const char *dot; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
        snprintf(part, sizeof part, "%.*s", (int)(dot - key), key);
        object = json_object_get(object, part);
    }
    return json_object_get(object, key);
}

static enum table_color color_of(enum output_form form, const char *text) {
    static const struct {
        const char *state;
        enum table_color color;
    } states[] = {{"up", TABLE_GREEN},        {"joining", TABLE_YELLOW}, {"suspect", TABLE_YELLOW},
                  {"down", TABLE_RED},        {"left", TABLE_DIM},       {"muted", TABLE_YELLOW},
                  {"holding", TABLE_YELLOW},  {"running", TABLE_GREEN},  {"idle", TABLE_DIM},
                  {"unreachable", TABLE_RED}, {"damaged", TABLE_RED}};
    if (form != OUTPUT_STATE) return TABLE_PLAIN;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i].state, text) == 0) return states[i].color;
    return TABLE_PLAIN;
}

static char *bytes_text(double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    return mem_format(unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static char *number_text(json_t *value, enum output_form form) {
    char text[CELL_BYTES];
    double number = json_number_value(value);
    uint64_t whole = number < 0 ? 0 : (uint64_t)number;
    switch (form) {
        case OUTPUT_DURATION:
            return mem_strdup(duration_text(whole, text));
        case OUTPUT_TIME:
            clock_text(whole * 1000000, text);
            return mem_strdup(text);
        case OUTPUT_BYTES:
            return bytes_text(number);
        case OUTPUT_RATE:
            return mem_format("%.0f/s", number);
        default:
            break;
    }
    if (json_is_integer(value))
        return mem_format("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return mem_format("%.6g", number);
}

/* The caller's (mem_free); empty for null. */
static char *cell_text(json_t *value, enum output_form form) {
    if (form == OUTPUT_COMPACT && (json_is_object(value) || json_is_array(value))) {
        char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        char *text = mem_strdup(dumped == NULL ? "" : dumped);
        free(dumped);
        return text;
    }
    if (json_is_string(value)) return mem_strdup(json_string_value(value));
    if (json_is_number(value)) return number_text(value, form);
    if (json_is_boolean(value)) return mem_strdup(json_is_true(value) ? "yes" : "no");
    if (json_is_array(value)) return mem_format("%zu", json_array_size(value));
    if (json_is_object(value)) return mem_format("%zu", json_object_size(value));
    return mem_strdup("");
}

/* A column of numbers stands right; the first of the early rows that has a value tells. */
static enum table_align align_of(json_t *early, const struct output_column *column) {
    size_t index;
    json_t *row;
    if (column->form == OUTPUT_TIME) return TABLE_LEFT;
    json_array_foreach(early, index, row) {
        json_t *value = value_at(row, column->key);
        if (value != NULL && !json_is_null(value))
            return json_is_number(value) ? TABLE_RIGHT : TABLE_LEFT;
    }
    return TABLE_LEFT;
}

static void add_row(struct table *table, json_t *row, const struct output_column *columns) {
    for (const struct output_column *at = columns; at->title != NULL; at++) {
        char *text = cell_text(value_at(row, at->key), at->form);
        table_cell(table, text, color_of(at->form, text));
        mem_free(text);
    }
}

void output_rows(struct output *output, size_t count, output_row *row, void *context,
                 const struct output_column *columns) {
    output_progress_end(output);
    struct table *table = table_new();
    json_t *early = json_array();
    for (size_t i = 0; i < count && i < EARLY_ROWS; i++)
        json_array_append_new(early, row(context, i));
    for (const struct output_column *at = columns; at->title != NULL; at++)
        table_column(table, at->title, align_of(early, at));
    for (size_t i = 0; i < count; i++) {
        json_t *object = i < EARLY_ROWS ? json_incref(json_array_get(early, i)) : row(context, i);
        add_row(table, object, columns);
        json_decref(object);
    }
    json_decref(early);
    table_print(table, stdout,
                (output->headers ? TABLE_HEADERS : 0u) | (output->color_out ? TABLE_COLORS : 0u));
    table_free(table);
}

static json_t *array_row(void *context, size_t index) {
    return json_incref(json_array_get(context, index));
}

static json_t *only_row(void *context, size_t index) {
    (void)index;
    return json_incref(context);
}

void output_table(struct output *output, json_t *rows, const struct output_column *columns) {
    if (json_is_array(rows))
        output_rows(output, json_array_size(rows), array_row, rows, columns);
    else
        output_rows(output, 1, only_row, rows, columns);
}

void output_data(struct output *output, const char *kind, json_t *data, json_t *rows,
                 const struct output_column *columns) {
    if (!output_json(output, kind, data)) output_table(output, rows, columns);
}

void output_pairs(struct output *output, json_t *object, const struct output_column *pairs) {
    output_progress_end(output);
    struct table *table = table_new();
    table_column(table, "", TABLE_LEFT);
    table_column(table, "", TABLE_LEFT);
    for (const struct output_column *at = pairs; at->title != NULL; at++) {
        json_t *value = value_at(object, at->key);
        if (value == NULL) continue;
        char *text = cell_text(value, at->form);
        table_cell(table, at->title, TABLE_DIM);
        table_cell(table, text, color_of(at->form, text));
        mem_free(text);
    }
    table_print(table, stdout, output->color_out ? TABLE_COLORS : 0u);
    table_free(table);
}

bool output_flush(void) {
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}

/* ---- people ---------------------------------------------------------------------------------- */

static void print_line(struct output *output, const char *prefix, const char *format,
                       va_list arguments) {
    if (output->quiet) return;
    output_progress_end(output);
    (void)fflush(stdout);
    fputs(prefix, stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void output_note(struct output *output, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line(output, "", format, arguments);
    va_end(arguments);
}

void output_next(struct output *output, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line(output, "next: ", format, arguments);
    va_end(arguments);
}

void output_progress(struct output *output, const char *format, ...) {
    if (!output->terminal_err || output->quiet) return;
    va_list arguments;
    va_start(arguments, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    output->progress_open = true;
}

void output_progress_end(struct output *output) {
    if (output->progress_open) fputs("\r\033[K", stderr);
    output->progress_open = false;
}

char *output_count(uint64_t count, char out[OUTPUT_COUNT_BYTES]) {
    char digits[OUTPUT_COUNT_BYTES];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count), to = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) out[to++] = ',';
        out[to++] = digits[i];
    }
    out[to] = '\0';
    return out;
}

/* ---- failures -------------------------------------------------------------------------------- */

static json_t *failure_json(const struct failure *failure) {
    json_t *steps = json_array();
    for (size_t i = 0; i < failure->step_count; i++)
        json_array_append_new(
            steps, json_pack("{s:s%, s:b}", "step", failure->steps[i].text,
                             strlen(failure->steps[i].text), "ok", (int)failure->steps[i].ok));
    json_t *error = json_pack("{s:s, s:s, s:s}", "code", tr_status_name(failure->error.status),
                              "message", failure->error.message, "hint", failure->error.hint);
    if (error == NULL) /* a message that is no UTF-8 */
        error = json_pack("{s:s, s:s, s:s}", "code", tr_status_name(failure->error.status),
                          "message", tr_status_text(failure->error.status), "hint", "");
    if (json_array_size(steps) > 0) json_object_set(error, "steps", steps);
    json_decref(steps);
    return error;
}

static void print_steps(const struct output *output, const struct failure *failure) {
    if (failure->step_count == 0) return;
    for (size_t i = 0; i < failure->step_count; i++) {
        bool ok = failure->steps[i].ok;
        const char *color = !output->color_err ? "" : ok ? "\033[32m" : "\033[31m";
        fprintf(stderr, "%s%s%s%s%s", i % 3 == 0 ? (i == 0 ? "  " : "\n  ") : "      ", color,
                ok ? "ok    " : "failed    ", output->color_err ? "\033[0m" : "",
                failure->steps[i].text);
    }
    fputc('\n', stderr);
}

void output_failure(struct output *output, const struct failure *failure) {
    output_progress_end(output);
    const tr_error *error = &failure->error;
    if (output->json) {
        json_t *json = failure_json(failure);
        print_envelope("error", NULL, json);
        json_decref(json);
    }
    (void)fflush(stdout);
    fprintf(stderr, "%serror:%s %s\n", output->color_err ? "\033[1;31m" : "",
            output->color_err ? "\033[0m" : "",
            *error->message == '\0' ? tr_status_text(error->status) : error->message);
    print_steps(output, failure);
    if (*error->hint != '\0') fprintf(stderr, "  fix: %s\n", error->hint);
}
