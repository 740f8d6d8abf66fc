/*
 * map.c - a dense array of entries in the order of put, and an index into it.
 *
 * The index is open addressing with linear probing at a load of at most a half; removal shifts
 * back what follows, so it has no tombstones. In the array a removed entry leaves a hole, which
 * the next rebuild closes: a rebuild happens at a put only, and costs O(1) per operation since
 * the last one. Thus positions stay as they are while an iteration removes.
 */
#include "node/base/map.h"

#include <stdbool.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

enum { CAPACITY_MIN = 8, CAPACITY_MAX = 1 << 30 };

enum key_kind { KEY_U64, KEY_TEXT, KEY_PID };

union map_key {
    uint64_t number;
    const char *text;
    tr_pid pid;
};

struct map_entry {
    union map_key key;
    void *value; /* NULL: removed */
    uint32_t hash;
};

/* Folds the 128-bit product of its arguments: a good mixer as long as neither is 0. */
static uint64_t fold(uint64_t a, uint64_t b) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mix(uint64_t hash, uint64_t word) {
    return fold(hash ^ word ^ UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xd6e8feb86659fd93) ^ hash);
}

static uint64_t hash_text(uint64_t hash, const char *text) {
    size_t bytes = strlen(text);
    hash = mix(hash, bytes);
    while (bytes > 0) {
        uint64_t word = 0;
        size_t part = bytes < sizeof word ? bytes : sizeof word;
        memcpy(&word, text, part);
        hash = mix(hash, word);
        text += part;
        bytes -= part;
    }
    return hash;
}

static inline uint32_t hash_key(const struct map_core *map, enum key_kind kind,
                                const union map_key *key) {
    uint64_t hash = map->seed;
    if (kind == KEY_U64) {
        hash = mix(hash, key->number);
    } else if (kind == KEY_TEXT) {
        hash = hash_text(hash, key->text);
    } else {
        hash = mix(hash, key->pid.space);
        hash = mix(hash, (uint64_t)key->pid.slot << 32 | key->pid.generation);
    }
    hash = mix(hash, 0);
    return (uint32_t)(hash ^ hash >> 32);
}

static inline bool key_equal(enum key_kind kind, const union map_key *a, const union map_key *b) {
    if (kind == KEY_U64) return a->number == b->number;
    if (kind == KEY_TEXT) return strcmp(a->text, b->text) == 0;
    return a->pid.space == b->pid.space && a->pid.slot == b->pid.slot &&
           a->pid.generation == b->pid.generation;
}

static uint32_t index_mask(const struct map_core *map) {
    return 2 * map->capacity - 1;
}

/* Sets `*place_out` to the place of the key in the index; false when it is not there. */
static inline bool seek(const struct map_core *map, enum key_kind kind, const union map_key *key,
                        uint32_t *place_out) {
    if (map->count == 0) return false;
    uint32_t mask = index_mask(map);
    uint32_t hash = hash_key(map, kind, key);
    for (uint32_t place = hash & mask; map->index[place] != 0; place = (place + 1) & mask) {
        const struct map_entry *entry = &map->entries[map->index[place] - 1];
        if (entry->hash == hash && key_equal(kind, &entry->key, key)) {
            *place_out = place;
            return true;
        }
    }
    return false;
}

static struct map_entry *entry_at(const struct map_core *map, uint32_t place) {
    return &map->entries[map->index[place] - 1];
}

static void index_entry(struct map_core *map, uint32_t number) {
    uint32_t mask = index_mask(map);
    uint32_t place = map->entries[number].hash & mask;
    while (map->index[place] != 0) place = (place + 1) & mask;
    map->index[place] = number + 1;
}

/* A quarter of the room stays free, so that the next rebuild is as many puts away. */
static uint32_t capacity_for(uint32_t count) {
    uint32_t capacity = CAPACITY_MIN;
    while (capacity / 4 * 3 < count) capacity *= 2;
    check(capacity <= CAPACITY_MAX);
    return capacity;
}

/* Moves the entries, without the holes, into arrays of another capacity. */
static void rebuild(struct map_core *map, uint32_t capacity) {
    struct map_entry *old = map->entries;
    uint32_t old_used = map->used;
    mem_free(map->index);
    map->entries = mem_alloc(capacity * sizeof(struct map_entry));
    map->index = mem_zalloc(2 * (size_t)capacity, sizeof(uint32_t));
    map->capacity = capacity;
    map->used = 0;
    for (uint32_t i = 0; i < old_used; i++) {
        if (old[i].value == NULL) continue;
        map->entries[map->used] = old[i];
        index_entry(map, map->used++);
    }
    mem_free(old);
}

/* Makes room for one more entry, and gives room back after a peak. */
static void make_room(struct map_core *map) {
    /* Where memory lies is random in each run: it seeds the hashes, which no order depends on. */
    if (map->seed == 0) map->seed = mix((uintptr_t)map, (uintptr_t)mem_free) | 1;

    bool full = map->used == map->capacity;
    bool sparse = map->capacity > 64 && map->count < map->capacity / 8;
    if (full || sparse) rebuild(map, capacity_for(map->count + 1));
}

static void core_init(struct map_core *map) {
    *map = (struct map_core){0};
}

static void core_fini(struct map_core *map) {
    mem_free(map->entries);
    mem_free(map->index);
    core_init(map);
}

static inline void *core_find(const struct map_core *map, enum key_kind kind, union map_key key) {
    uint32_t place;
    return seek(map, kind, &key, &place) ? entry_at(map, place)->value : NULL;
}

static inline void *core_put(struct map_core *map, enum key_kind kind, union map_key key,
                             void *value) {
    check(value != NULL);
    uint32_t place;
    if (seek(map, kind, &key, &place)) {
        struct map_entry *entry = entry_at(map, place);
        void *previous = entry->value;
        entry->value = value;
        return previous;
    }
    make_room(map);
    if (kind == KEY_TEXT) key.text = mem_strdup(key.text);
    map->entries[map->used] =
        (struct map_entry){.key = key, .value = value, .hash = hash_key(map, kind, &key)};
    index_entry(map, map->used);
    map->used++;
    map->count++;
    return NULL;
}

/* Empties a place of the index and moves those behind it that are not in their first place. */
static void index_erase(struct map_core *map, uint32_t hole) {
    uint32_t mask = index_mask(map);
    for (uint32_t place = (hole + 1) & mask; map->index[place] != 0; place = (place + 1) & mask) {
        uint32_t home = entry_at(map, place)->hash & mask;
        if (((place - home) & mask) < ((place - hole) & mask)) continue;
        map->index[hole] = map->index[place];
        hole = place;
    }
    map->index[hole] = 0;
}

static inline void *core_remove(struct map_core *map, enum key_kind kind, union map_key key) {
    uint32_t place;
    if (!seek(map, kind, &key, &place)) return NULL;
    struct map_entry *entry = entry_at(map, place);
    void *value = entry->value;
    index_erase(map, place);
    if (kind == KEY_TEXT) mem_free((char *)entry->key.text);
    entry->value = NULL;
    map->count--;
    if (map->count > 0) return value;

    /* Empty: nothing to keep in order any more. The seed stays. */
    map->used = 0;
    if (map->capacity > CAPACITY_MIN) {
        uint64_t seed = map->seed;
        core_fini(map);
        map->seed = seed;
    }
    return value;
}

static struct map_entry *core_next(const struct map_core *map, size_t *cursor) {
    while (*cursor < map->used) {
        struct map_entry *entry = &map->entries[(*cursor)++];
        if (entry->value != NULL) return entry;
    }
    return NULL;
}

void map_u64_init(map_u64 *map) {
    core_init(&map->core);
}

void map_u64_fini(map_u64 *map) {
    core_fini(&map->core);
}

void *map_u64_find(const map_u64 *map, uint64_t key) {
    return core_find(&map->core, KEY_U64, (union map_key){.number = key});
}

void *map_u64_put(map_u64 *map, uint64_t key, void *value) {
    return core_put(&map->core, KEY_U64, (union map_key){.number = key}, value);
}

void *map_u64_remove(map_u64 *map, uint64_t key) {
    return core_remove(&map->core, KEY_U64, (union map_key){.number = key});
}

size_t map_u64_count(const map_u64 *map) {
    return map->core.count;
}

void *map_u64_next(const map_u64 *map, size_t *cursor, uint64_t *key_out) {
    const struct map_entry *entry = core_next(&map->core, cursor);
    if (entry == NULL) return NULL;
    if (key_out != NULL) *key_out = entry->key.number;
    return entry->value;
}

void map_text_init(map_text *map) {
    core_init(&map->core);
}

void map_text_fini(map_text *map) {
    size_t cursor = 0;
    for (;;) {
        struct map_entry *entry = core_next(&map->core, &cursor);
        if (entry == NULL) break;
        mem_free((char *)entry->key.text);
    }
    core_fini(&map->core);
}

void *map_text_find(const map_text *map, const char *key) {
    return core_find(&map->core, KEY_TEXT, (union map_key){.text = key});
}

void *map_text_put(map_text *map, const char *key, void *value) {
    return core_put(&map->core, KEY_TEXT, (union map_key){.text = key}, value);
}

void *map_text_remove(map_text *map, const char *key) {
    return core_remove(&map->core, KEY_TEXT, (union map_key){.text = key});
}

size_t map_text_count(const map_text *map) {
    return map->core.count;
}

void *map_text_next(const map_text *map, size_t *cursor, const char **key_out) {
    const struct map_entry *entry = core_next(&map->core, cursor);
    if (entry == NULL) return NULL;
    if (key_out != NULL) *key_out = entry->key.text;
    return entry->value;
}

void map_pid_init(map_pid *map) {
    core_init(&map->core);
}

void map_pid_fini(map_pid *map) {
    core_fini(&map->core);
}

void *map_pid_find(const map_pid *map, tr_pid key) {
    return core_find(&map->core, KEY_PID, (union map_key){.pid = key});
}

void *map_pid_put(map_pid *map, tr_pid key, void *value) {
    return core_put(&map->core, KEY_PID, (union map_key){.pid = key}, value);
}

void *map_pid_remove(map_pid *map, tr_pid key) {
    return core_remove(&map->core, KEY_PID, (union map_key){.pid = key});
}

size_t map_pid_count(const map_pid *map) {
    return map->core.count;
}

void *map_pid_next(const map_pid *map, size_t *cursor, tr_pid *key_out) {
    const struct map_entry *entry = core_next(&map->core, cursor);
    if (entry == NULL) return NULL;
    if (key_out != NULL) *key_out = entry->key.pid;
    return entry->value;
}
