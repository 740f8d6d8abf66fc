/*
 * error.c - filling a tr_error.
 */
#include "node/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/utf8.h"

/* vsnprintf that does not leave half a character at the end. */
__attribute__((format(printf, 3, 0))) static void format_cut(char *out, size_t room,
                                                             const char *format,
                                                             va_list arguments) {
    int bytes = vsnprintf(out, room, format, arguments);
    if (bytes < 0) out[0] = '\0';
    if (bytes >= (int)room) out[utf8_cut(out, room - 1)] = '\0';
}

tr_status error_set(tr_error *error, tr_status status, const char *hint, const char *format, ...) {
    if (error == NULL) return status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    format_cut(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    error->hint[0] = '\0';
    if (hint != NULL) error_hint(error, "%s", hint);
    return status;
}

void error_hint(tr_error *error, const char *format, ...) {
    if (error == NULL) return;
    va_list arguments;
    va_start(arguments, format);
    format_cut(error->hint, sizeof error->hint, format, arguments);
    va_end(arguments);
}
