#include "node/mould.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/runtime.h"
#include "node/services.h"

/* One worker's own. */
struct known {
    map_u64 by_behavior; /* struct entry, for spawns without marks */
};

struct entry {
    const struct mould *mould;
    uint32_t number;
};

struct moulds {
    pthread_mutex_t mutex;
    map_text by_key; /* struct entry */
    struct entry **entries;
    uint32_t count;
    unsigned workers;
    struct known known[];
};

struct moulds *moulds_new(unsigned workers) {
    struct moulds *moulds = mem_alloc(sizeof *moulds + workers * sizeof moulds->known[0]);
    memset(moulds, 0, sizeof *moulds + workers * sizeof moulds->known[0]);
    pthread_mutex_init(&moulds->mutex, NULL);
    moulds->workers = workers;
    return moulds;
}

void moulds_free(struct moulds *moulds) {
    for (unsigned i = 0; i < moulds->workers; i++) map_u64_fini(&moulds->known[i].by_behavior);
    for (uint32_t i = 0; i < moulds->count; i++) {
        mem_free((struct mould *)(uintptr_t)moulds->entries[i]->mould);
        mem_free(moulds->entries[i]);
    }
    mem_free(moulds->entries);
    map_text_fini(&moulds->by_key);
    pthread_mutex_destroy(&moulds->mutex);
    mem_free(moulds);
}

/* Under the lock. */
static struct entry *make_entry(struct moulds *moulds, const char *key, const char *name,
                                const tr_mailbox_options *marks) {
    if (moulds->count == MOULDS_MAX) return NULL;
    struct mould *mould = mem_zalloc(1, sizeof *mould);
    snprintf(mould->name, sizeof mould->name, "%s", name);
    mould->marks = *marks;
    struct entry *made = mem_zalloc(1, sizeof *made);
    moulds->entries = mem_realloc_array(moulds->entries, moulds->count + 1, sizeof made);
    moulds->entries[moulds->count++] = made;
    *made = (struct entry){mould, moulds->count};
    map_text_put(&moulds->by_key, key, made);
    return made;
}

static struct entry *entry_of(struct moulds *moulds, const char *name,
                              const tr_mailbox_options *marks) {
    char key[MOULD_NAME_BYTES + 40];
    snprintf(key, sizeof key, "%" PRIu32 " %" PRIu32 " %" PRIu32 " %s", marks->low, marks->high,
             marks->hard, name);
    pthread_mutex_lock(&moulds->mutex);
    struct entry *entry = map_text_find(&moulds->by_key, key);
    if (entry == NULL) entry = make_entry(moulds, key, name, marks);
    pthread_mutex_unlock(&moulds->mutex);
    return entry;
}

uint32_t moulds_number(struct moulds *moulds, unsigned worker, const tr_behavior *behavior,
                       const char *name, const tr_mailbox_options *marks) {
    if (strlen(name) >= MOULD_NAME_BYTES) return 0;
    bool plain = behavior != NULL && marks->low == 0 && marks->high == 0 && marks->hard == 0;
    map_u64 *own = &moulds->known[worker].by_behavior;
    uint64_t address = (uint64_t)(uintptr_t)behavior;
    struct entry *entry = plain ? map_u64_find(own, address) : NULL;
    /* The same address may hold another behavior by now. */
    if (entry != NULL && strcmp(entry->mould->name, name) == 0) return entry->number;
    entry = entry_of(moulds, name, marks);
    if (entry == NULL) return 0;
    if (plain) map_u64_put(own, address, entry);
    return entry->number;
}

const struct mould *moulds_at(struct moulds *moulds, uint32_t number) {
    pthread_mutex_lock(&moulds->mutex);
    const struct mould *found =
        number >= 1 && number <= moulds->count ? moulds->entries[number - 1]->mould : NULL;
    pthread_mutex_unlock(&moulds->mutex);
    return found;
}

struct mould_heard *mould_hear(const struct runtime *runtime, const struct mould *mould) {
    struct mould_heard *made = mem_zalloc(1, sizeof *made);
    made->mould = *mould;
    made->behavior = behaviors_find(&runtime->behaviors, mould->name);
    if (made->behavior != NULL && made->behavior->system) made->behavior = NULL;
    made->has_limits = mould->marks.low != 0 || mould->marks.high != 0 || mould->marks.hard != 0;
    tr_error error = {0};
    made->status = services_limits(runtime, &mould->marks, &made->limits, &error);
    snprintf(made->reason, sizeof made->reason, "%.95s", error.message);
    return made;
}
