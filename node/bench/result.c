/*
 * result.c - figures and errors as lines of text.
 */
#include "node/bench/result.h"

#include <math.h>
#include <string.h>

enum { LINE_BYTES = 1024 };

/* A value is the rest of its line, so it holds no newline. */
static void write_text(const char *word, const char *text, FILE *out) {
    if (*text == '\0') return;
    fprintf(out, "%s ", word);
    for (; *text != '\0'; text++) fputc(*text == '\n' || *text == '\r' ? ' ' : *text, out);
    fputc('\n', out);
}

void result_write(const struct workload_run *run, tr_status status, FILE *out) {
    for (size_t i = 0; status == TR_OK && i < run->figure_count; i++)
        fprintf(out, "figure %s %s %.17g\n", run->figures[i].metric, run->figures[i].unit,
                run->figures[i].value);
    write_text("note", run->note, out);
    if (status != TR_OK) {
        fprintf(out, "error %d\n", (int)status);
        write_text("message",
                   *run->error.message == '\0' ? tr_status_text(status) : run->error.message, out);
        write_text("hint", run->error.hint, out);
    }
    fputs("end\n", out);
}

static bool read_figure(const char *value, struct result *result) {
    struct result_figure *figure = &result->figures[result->figure_count];
    if (result->figure_count == WORKLOAD_FIGURES_MAX) return false;
    if (sscanf(value, "%47s %47s %lf", figure->metric, figure->unit, &figure->value) != 3)
        return false;
    result->figure_count++;
    return isfinite(figure->value);
}

static bool read_error(const char *value, struct result *result) {
    int status;
    if (sscanf(value, "%d", &status) != 1 || status <= TR_OK || status >= TR_STATUS_COUNT)
        return false;
    result->error.status = (tr_status)status;
    return true;
}

static bool copy(const char *value, char *out, size_t out_bytes) {
    snprintf(out, out_bytes, "%s", value);
    return true;
}

static bool read_line(const char *word, const char *value, struct result *result) {
    if (strcmp(word, "figure") == 0) return read_figure(value, result);
    if (strcmp(word, "error") == 0) return read_error(value, result);
    if (strcmp(word, "note") == 0) return copy(value, result->note, sizeof result->note);
    if (strcmp(word, "message") == 0)
        return copy(value, result->error.message, sizeof result->error.message);
    if (strcmp(word, "hint") == 0)
        return copy(value, result->error.hint, sizeof result->error.hint);
    return false;
}

bool result_read(const char *text, struct result *result_out) {
    struct result result = {.error = {.status = TR_OK}};
    char line[LINE_BYTES];
    for (;;) {
        size_t bytes = strcspn(text, "\n");
        if (text[bytes] != '\n' || bytes >= sizeof line) return false;
        memcpy(line, text, bytes);
        line[bytes] = '\0';
        text += bytes + 1;
        if (strcmp(line, "end") == 0) break;
        char *space = strchr(line, ' ');
        if (space == NULL) return false;
        *space = '\0';
        if (!read_line(line, space + 1, &result)) return false;
    }
    if (*text != '\0') return false;
    *result_out = result;
    return true;
}

const double *result_value(const struct result *result, const char *metric) {
    for (size_t i = 0; i < result->figure_count; i++)
        if (strcmp(result->figures[i].metric, metric) == 0) return &result->figures[i].value;
    return NULL;
}
