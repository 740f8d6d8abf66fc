#include "node/directory.h"

#include <stdatomic.h>
#include <string.h>

#include "node/base/container.h"
#include "node/base/memory.h"

struct version {
    struct version *older; /* of an older colour; at most one */
    tr_pid pid;
    uint64_t colour;
    struct reclaim_item reclaim;
};

struct entry {
    struct entry *next;
    uint64_t hash;
    _Atomic(struct version *) newest;
    char name[];
};

struct table {
    size_t mask;
    struct reclaim_item reclaim;
    _Atomic(struct entry *) chains[];
};

struct directory {
    _Atomic(struct table *) table;
    size_t count;
};

static uint64_t hash_of(const char *name) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *name != '\0'; name++) hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash ^ (hash >> 29);
}

static struct table *table_new(size_t chains) {
    struct table *table = mem_zalloc(1, sizeof *table + chains * sizeof table->chains[0]);
    table->mask = chains - 1;
    return table;
}

struct directory *directory_new(void) {
    struct directory *directory = mem_zalloc(1, sizeof *directory);
    atomic_init(&directory->table, table_new(64));
    return directory;
}

static void version_release(struct reclaim_item *item) {
    struct version *version = container_of(item, struct version, reclaim);
    mem_free(version);
}

static void table_release(struct reclaim_item *item) {
    struct table *table = container_of(item, struct table, reclaim);
    for (size_t i = 0; i <= table->mask; i++) {
        struct entry *entry = atomic_load(&table->chains[i]);
        while (entry != NULL) {
            struct entry *next = entry->next;
            mem_free(entry);
            entry = next;
        }
    }
    mem_free(table);
}

void directory_free(struct directory *directory) {
    if (directory == NULL) return;
    struct table *table = atomic_load(&directory->table);
    for (size_t i = 0; i <= table->mask; i++) {
        for (struct entry *entry = atomic_load(&table->chains[i]); entry != NULL;
             entry = entry->next) {
            struct version *newest = atomic_load(&entry->newest);
            mem_free(newest->older);
            mem_free(newest);
        }
    }
    table_release(&table->reclaim);
    mem_free(directory);
}

static struct entry *find(const struct table *table, const char *name, uint64_t hash) {
    /* Acquire: the entry's bytes, published with a release. */
    struct entry *entry =
        atomic_load_explicit(&table->chains[hash & table->mask], memory_order_acquire);
    while (entry != NULL && (entry->hash != hash || strcmp(entry->name, name) != 0))
        entry = entry->next;
    return entry;
}

static void insert(struct table *table, const char *name, uint64_t hash, struct version *version) {
    size_t bytes = strlen(name) + 1;
    struct entry *entry = mem_zalloc(1, sizeof *entry + bytes);
    memcpy(entry->name, name, bytes);
    entry->hash = hash;
    atomic_init(&entry->newest, version);
    _Atomic(struct entry *) *chain = &table->chains[hash & table->mask];
    entry->next = atomic_load_explicit(chain, memory_order_relaxed);
    atomic_store_explicit(chain, entry, memory_order_release);
}

static bool is_gone(const struct version *version) {
    return tr_pid_is_none(version->pid) &&
           (version->older == NULL || tr_pid_is_none(version->older->pid));
}

/* A larger table without the names that resolve to nobody in any colour. */
static void grow(struct directory *directory, struct reclaim_reader *reader) {
    struct table *old = atomic_load(&directory->table);
    size_t live = 0;
    for (size_t i = 0; i <= old->mask; i++)
        for (struct entry *entry = atomic_load(&old->chains[i]); entry != NULL; entry = entry->next)
            live += !is_gone(atomic_load(&entry->newest));
    size_t chains = 64;
    while (chains < 2 * live) chains *= 2;
    struct table *table = table_new(chains);
    for (size_t i = 0; i <= old->mask; i++) {
        for (struct entry *entry = atomic_load(&old->chains[i]); entry != NULL;
             entry = entry->next) {
            struct version *version = atomic_load(&entry->newest);
            if (!is_gone(version)) {
                insert(table, entry->name, entry->hash, version);
                continue;
            }
            if (version->older != NULL)
                reclaim_retire(reader, &version->older->reclaim, version_release);
            reclaim_retire(reader, &version->reclaim, version_release);
        }
    }
    directory->count = live;
    atomic_store_explicit(&directory->table, table, memory_order_release);
    reclaim_retire(reader, &old->reclaim, table_release);
}

void directory_put(struct directory *directory, struct reclaim_reader *reader, const char *name,
                   tr_pid pid, uint64_t colour) {
    struct table *table = atomic_load(&directory->table);
    if (directory->count > table->mask) {
        grow(directory, reader);
        table = atomic_load(&directory->table);
    }
    struct version *made = mem_zalloc(1, sizeof *made);
    made->pid = pid;
    made->colour = colour;
    uint64_t hash = hash_of(name);
    struct entry *entry = find(table, name, hash);
    if (entry == NULL) {
        insert(table, name, hash, made);
        directory->count++;
        return;
    }
    struct version *newest = atomic_load(&entry->newest);
    struct version *dropped = newest->older;
    if (newest->colour == colour) { /* decided anew in one colour: the older value stays */
        made->older = newest->older;
        dropped = newest;
    } else {
        made->older = newest; /* its own older one is kept for nobody: one snapshot at a time */
    }
    atomic_store_explicit(&entry->newest, made, memory_order_release);
    if (dropped != NULL) reclaim_retire(reader, &dropped->reclaim, version_release);
}

bool directory_find(const struct directory *directory, const char *name, uint64_t colour,
                    tr_pid *pid_out) {
    const struct table *table = atomic_load_explicit(&directory->table, memory_order_acquire);
    const struct entry *entry = find(table, name, hash_of(name));
    if (entry == NULL) return false;
    const struct version *version = atomic_load_explicit(&entry->newest, memory_order_acquire);
    if (version->colour > colour) version = version->older;
    if (version == NULL || tr_pid_is_none(version->pid)) return false;
    *pid_out = version->pid;
    return true;
}
