/*
 * buffer.h - a byte buffer that grows.
 *
 * A zeroed buffer is an empty one. The owner may read `data` and `bytes` directly; `data` moves
 * when the buffer grows. Not for several threads at once. It has no limit of its own: whoever
 * fills one from outside bytes limits them first (I5).
 */
#ifndef TROUPE_BASE_BUFFER_H
#define TROUPE_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;   /* NULL while nothing was ever reserved */
    size_t bytes;    /* in use */
    size_t capacity; /* reserved */
};

/* Makes an empty buffer; takes no memory yet. */
void buffer_init(struct buffer *buffer);

/* Frees the bytes; the buffer is empty again and may be used on. */
void buffer_fini(struct buffer *buffer);

/* Forgets the content and keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Makes room for `bytes` more; returns where they go (the caller then adds to buffer->bytes). */
uint8_t *buffer_reserve(struct buffer *buffer, size_t bytes);

/* Copies `bytes` bytes behind the content. `source` may be NULL when `bytes` is 0. */
void buffer_append(struct buffer *buffer, const void *source, size_t bytes);

/* Appends one byte. */
void buffer_append_byte(struct buffer *buffer, uint8_t byte);

/* Appends a text without its closing zero. */
void buffer_append_text(struct buffer *buffer, const char *text);

/* Appends a text made as by printf, without its closing zero. */
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts a zero byte behind the content (not counted in `bytes`) and returns it as a text, the
 * buffer's, valid until the next change. */
const char *buffer_text(struct buffer *buffer);

/* Drops the first `bytes` bytes, at most all. */
void buffer_consume(struct buffer *buffer, size_t bytes);

/* Hands the bytes over: the caller frees them with mem_free; the buffer is empty again. Returns
 * a pointer that is never NULL; `bytes_out` gets the count and may be NULL. */
uint8_t *buffer_take(struct buffer *buffer, size_t *bytes_out);

/* buffer_append in the shape of a msgpack packer's write callback; always returns 0. */
int buffer_write(void *buffer, const char *source, size_t bytes);

#endif
