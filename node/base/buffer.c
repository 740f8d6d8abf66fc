/*
 * buffer.c - growth by doubling, from 64 bytes.
 */
#include "node/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

enum { CAPACITY_MIN = 64 };

void buffer_init(struct buffer *buffer) {
    *buffer = (struct buffer){0};
}

void buffer_fini(struct buffer *buffer) {
    mem_free(buffer->data);
    buffer_init(buffer);
}

void buffer_clear(struct buffer *buffer) {
    buffer->bytes = 0;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t bytes) {
    check(bytes <= SIZE_MAX / 2 - buffer->bytes);
    size_t needed = buffer->bytes + bytes;
    if (needed > buffer->capacity || buffer->data == NULL) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : CAPACITY_MIN;
        while (capacity < needed) capacity *= 2;
        buffer->data = mem_realloc(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->bytes;
}

void buffer_append(struct buffer *buffer, const void *source, size_t bytes) {
    if (bytes == 0) return;
    memcpy(buffer_reserve(buffer, bytes), source, bytes);
    buffer->bytes += bytes;
}

void buffer_append_byte(struct buffer *buffer, uint8_t byte) {
    *buffer_reserve(buffer, 1) = byte;
    buffer->bytes++;
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int bytes = vsnprintf(NULL, 0, format, again);
    va_end(again);
    check(bytes >= 0);

    char *place = (char *)buffer_reserve(buffer, (size_t)bytes + 1);
    vsnprintf(place, (size_t)bytes + 1, format, arguments);
    va_end(arguments);
    buffer->bytes += (size_t)bytes;
}

const char *buffer_text(struct buffer *buffer) {
    *buffer_reserve(buffer, 1) = '\0';
    return (const char *)buffer->data;
}

void buffer_consume(struct buffer *buffer, size_t bytes) {
    if (bytes >= buffer->bytes) {
        buffer->bytes = 0;
        return;
    }
    buffer->bytes -= bytes;
    memmove(buffer->data, buffer->data + bytes, buffer->bytes);
}

uint8_t *buffer_take(struct buffer *buffer, size_t *bytes_out) {
    if (buffer->data == NULL) buffer_reserve(buffer, 0);
    uint8_t *data = buffer->data;
    if (bytes_out != NULL) *bytes_out = buffer->bytes;
    buffer_init(buffer);
    return data;
}

int buffer_write(void *buffer, const char *source, size_t bytes) {
    buffer_append(buffer, source, bytes);
    return 0;
}
