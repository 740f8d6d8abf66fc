/*
 * map.h - hash maps from a number, a text or a pid to a pointer.
 *
 * Open addressing over a dense array of entries. Iteration follows the order in which the keys
 * were put first since they were last absent, so no order depends on addresses or on hashes
 * (I1). Maps grow and shrink by themselves; a zeroed map is an empty one. Values are never NULL
 * and stay the user's. Not for several threads at once.
 */
#ifndef TROUPE_BASE_MAP_H
#define TROUPE_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

struct map_entry;

/* What the three maps share; for map.c only. */
struct map_core {
    struct map_entry *entries; /* in the order of put; an entry without value was removed */
    uint32_t *index;           /* entry number + 1, or 0; a power of two of places */
    uint32_t used;             /* entries in use, removed ones included */
    uint32_t count;            /* entries with a value */
    uint32_t capacity;         /* room in entries; the index has twice as many places */
    uint64_t seed;             /* of the hashes, so that nobody can choose keys that collide */
};

typedef struct map_u64 {
    struct map_core core;
} map_u64;

typedef struct map_text {
    struct map_core core;
} map_text;

typedef struct map_pid {
    struct map_core core;
} map_pid;

/*
 * The same seven for each kind of key:
 *   init    makes an empty map, without taking memory.
 *   fini    frees the map (not the values); it is empty again.
 *   find    returns the value of `key`, or NULL when it is not there.
 *   put     sets the value of `key` (not NULL) and returns the value it had before, or NULL;
 *           a replaced value keeps its place in the order.
 *   remove  takes `key` out and returns its value, or NULL when it was not there.
 *   count   returns the number of keys.
 *   next    iterates: start with a `cursor` of 0; returns the next value and its key (`key_out`
 *           may be NULL), or NULL at the end. During an iteration any key may be removed, the
 *           present one too, but none put; a removed key is not visited any more.
 */
void map_u64_init(map_u64 *map);
void map_u64_fini(map_u64 *map);
void *map_u64_find(const map_u64 *map, uint64_t key);
void *map_u64_put(map_u64 *map, uint64_t key, void *value);
void *map_u64_remove(map_u64 *map, uint64_t key);
size_t map_u64_count(const map_u64 *map);
void *map_u64_next(const map_u64 *map, size_t *cursor, uint64_t *key_out);

/* Keys are copied; a key that next hands out is the map's until it is removed. */
void map_text_init(map_text *map);
void map_text_fini(map_text *map);
void *map_text_find(const map_text *map, const char *key);
void *map_text_put(map_text *map, const char *key, void *value);
void *map_text_remove(map_text *map, const char *key);
size_t map_text_count(const map_text *map);
void *map_text_next(const map_text *map, size_t *cursor, const char **key_out);

void map_pid_init(map_pid *map);
void map_pid_fini(map_pid *map);
void *map_pid_find(const map_pid *map, tr_pid key);
void *map_pid_put(map_pid *map, tr_pid key, void *value);
void *map_pid_remove(map_pid *map, tr_pid key);
size_t map_pid_count(const map_pid *map);
void *map_pid_next(const map_pid *map, size_t *cursor, tr_pid *key_out);

#endif
