#include "node/slots.h"

#include <string.h>

#include "node/base/check.h"

void slots_init(struct slots *table) {
    memset(table, 0, sizeof *table);
    table->segments = mem_zalloc(SLOTS_SEGMENTS, sizeof *table->segments);
    pthread_mutex_init(&table->mutex, NULL);
}

void slots_fini(struct slots *table) {
    for (uint32_t i = 0; (uint64_t)i * SLOTS_SEGMENT < slots_used(table); i++)
        mem_free(atomic_load(&table->segments[i]));
    mem_free(table->segments);
    mem_free(table->free);
    pthread_mutex_destroy(&table->mutex);
}

static struct slot *slot_of(const struct slots *table, uint32_t slot) {
    struct slot *segment =
        atomic_load_explicit(&table->segments[slot / SLOTS_SEGMENT], memory_order_acquire);
    return &segment[slot % SLOTS_SEGMENT];
}

static uint32_t take_new(struct slots *table) {
    uint32_t slot = atomic_load_explicit(&table->used, memory_order_relaxed);
    check(slot !=
          UINT32_MAX); /* four thousand million live or retired slots: out of memory long before */
    if (slot % SLOTS_SEGMENT == 0) {
        struct slot *segment = mem_zalloc(SLOTS_SEGMENT, sizeof *segment);
        for (uint32_t i = 0; i < SLOTS_SEGMENT; i++) segment[i].generation = 1;
        atomic_store_explicit(&table->segments[slot / SLOTS_SEGMENT], segment,
                              memory_order_release);
    }
    atomic_store_explicit(&table->used, slot + 1, memory_order_seq_cst);
    return slot;
}

static void cache_fill(struct slots *table, struct slot_cache *cache) {
    pthread_mutex_lock(&table->mutex);
    while (cache->count < SLOTS_CACHE)
        cache->slots[cache->count++] =
            table->free_count > 0 ? table->free[--table->free_count] : take_new(table);
    pthread_mutex_unlock(&table->mutex);
    /* Low numbers first, as people read them. */
    for (uint32_t i = 0; i < cache->count / 2; i++) {
        uint32_t other = cache->slots[i];
        cache->slots[i] = cache->slots[cache->count - 1 - i];
        cache->slots[cache->count - 1 - i] = other;
    }
}

static void cache_spill(struct slots *table, struct slot_cache *cache) {
    pthread_mutex_lock(&table->mutex);
    if (table->free_capacity < table->free_count + SLOTS_CACHE) {
        table->free_capacity = 2 * (table->free_count + SLOTS_CACHE);
        table->free = mem_realloc_array(table->free, table->free_capacity, sizeof *table->free);
    }
    for (int i = 0; i < SLOTS_CACHE; i++)
        table->free[table->free_count++] = cache->slots[--cache->count];
    pthread_mutex_unlock(&table->mutex);
}

struct slot_head slots_take(struct slots *table, struct slot_cache *cache) {
    if (cache->count == 0) cache_fill(table, cache);
    uint32_t slot = cache->slots[--cache->count];
    return (struct slot_head){slot, slot_of(table, slot)->generation, SLOT_ACTOR};
}

void slots_put(struct slots *table, struct slot_head *head) {
    /* Release: a finder sees the whole actor. */
    atomic_store_explicit(&slot_of(table, head->slot)->head, head, memory_order_release);
}

/* Moves on to the next generation and gives the slot back. */
static void give_back(struct slots *table, uint32_t number, struct slot_cache *cache) {
    if (++slot_of(table, number)->generation == 0)
        return; /* used up: the slot retires, a pid is never reused */
    if (cache->count == 2 * SLOTS_CACHE) cache_spill(table, cache);
    cache->slots[cache->count++] = number;
}

void slots_remove(struct slots *table, struct slot_head *head, struct slot_cache *cache) {
    struct slot *slot = slot_of(table, head->slot);
    slot->generation = head->generation;
    atomic_store_explicit(&slot->head, NULL, memory_order_release);
    give_back(table, head->slot, cache);
}

void slots_skip(struct slots *table, uint32_t slot, struct slot_cache *cache) {
    give_back(table, slot, cache);
}

struct slot *slots_entry(const struct slots *table, uint32_t slot) {
    return slot < slots_used(table) ? slot_of(table, slot) : NULL;
}
