/*
 * memory.c - malloc that does not fail; another allocator would be put in here.
 */
#include "node/base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/check.h"

__attribute__((noreturn, cold)) static void memory_exhausted(size_t bytes) {
    fprintf(stderr, "troupe: memory exhausted: %zu bytes asked for\n", bytes);
    abort();
}

static size_t product(size_t count, size_t bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total)) memory_exhausted(SIZE_MAX);
    return total;
}

void *mem_alloc(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) memory_exhausted(bytes);
    return memory;
}

void *mem_zalloc(size_t count, size_t bytes) {
    size_t total = product(count, bytes);
    void *memory = calloc(1, total > 0 ? total : 1);
    if (memory == NULL) memory_exhausted(total);
    return memory;
}

void *mem_realloc(void *memory, size_t bytes) {
    void *moved = realloc(memory, bytes > 0 ? bytes : 1);
    if (moved == NULL) memory_exhausted(bytes);
    return moved;
}

void *mem_realloc_array(void *memory, size_t count, size_t bytes) {
    return mem_realloc(memory, product(count, bytes));
}

void mem_free(void *memory) {
    free(memory);
}

void mem_clear(void *memory, size_t bytes) {
    memset(memory, 0, bytes);
}

void *mem_dup(const void *source, size_t bytes) {
    void *copy = mem_alloc(bytes);
    if (bytes > 0) memcpy(copy, source, bytes);
    return copy;
}

char *mem_strdup(const char *text) {
    return mem_dup(text, strlen(text) + 1);
}

char *mem_format_list(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int bytes = vsnprintf(NULL, 0, format, again);
    va_end(again);
    check(bytes >= 0);
    char *text = mem_alloc((size_t)bytes + 1);
    vsnprintf(text, (size_t)bytes + 1, format, arguments);
    return text;
}

char *mem_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = mem_format_list(format, arguments);
    va_end(arguments);
    return text;
}
