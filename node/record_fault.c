/*
 * record_fault.c - paths are written from the inside out, and cut at their inner end.
 */
#include "node/record_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/utf8.h"

void record_fault_init(struct record_fault *fault) {
    fault->path[0] = '\0';
    fault->reason[0] = '\0';
    fault->hint[0] = '\0';
}

bool record_fault_set(struct record_fault *fault, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof(fault->reason), format, arguments);
    va_end(arguments);
    return false;
}

/* Puts `head` in front of the path, with a dot between two names. */
static bool prepend(struct record_fault *fault, const char *head) {
    size_t room = sizeof(fault->path) - 1;
    bool dot = fault->path[0] != '\0' && fault->path[0] != '[';
    size_t head_bytes = strlen(head);
    size_t tail_bytes = strlen(fault->path);
    size_t start = head_bytes + (dot ? 1 : 0);
    if (tail_bytes > room - start) tail_bytes = utf8_cut(fault->path, room - start);

    memmove(fault->path + start, fault->path, tail_bytes);
    memcpy(fault->path, head, head_bytes);
    if (dot) fault->path[head_bytes] = '.';
    fault->path[start + tail_bytes] = '\0';
    return false;
}

bool record_fault_in_field(struct record_fault *fault, const char *name) {
    return prepend(fault, name);
}

bool record_fault_in_item(struct record_fault *fault, uint32_t index) {
    char text[16];
    snprintf(text, sizeof(text), "[%u]", (unsigned)index);
    return prepend(fault, text);
}

tr_status record_fault_report(const struct record_fault *fault, const record_type *type,
                              tr_error *error) {
    const char *hint = fault->hint[0] != '\0' ? fault->hint : NULL;
    if (fault->path[0] == '\0')
        return error_set(error, TR_EDATA, hint, "record %s: %s", type->name, fault->reason);
    return error_set(error, TR_EDATA, hint, "record %s: field %s: %s", type->name, fault->path,
                     fault->reason);
}
