/*
 * behaviors.h - the behaviors a node offers, with their records resolved.
 *
 * Filled before the node's threads start and only read afterwards, so look-ups take no lock. A
 * behavior whose state or handlers name a record that cannot travel is refused with a reason.
 */
#ifndef TROUPE_BEHAVIORS_H
#define TROUPE_BEHAVIORS_H

#include <troupe.h>

#include "node/base/map.h"
#include "node/record_table.h"

struct behavior_entry {
    const record_type *type;
    tr_handle handle;
};

struct behavior {
    const tr_behavior *offered;
    const record_type *state; /* NULL: stateless */
    struct behavior_entry *entries;
    uint32_t entry_count;
    bool system; /* of the node itself: not offered to others, not listed */
};

struct behaviors {
    record_table *records;
    map_text by_name;
    map_u64 by_pointer;
};

void behaviors_init(struct behaviors *table, record_table *records);
void behaviors_fini(struct behaviors *table);

/* Offers a behavior. Errors: TR_EINVAL (no name, a bad record, two handlers for one record),
 * TR_EEXIST. */
tr_status behaviors_offer(struct behaviors *table, const tr_behavior *offered, bool system,
                          tr_error *error);

/* Found by name, or by the user's own struct; NULL when it was not offered. */
const struct behavior *behaviors_find(const struct behaviors *table, const char *name);
const struct behavior *behaviors_of(const struct behaviors *table, const tr_behavior *offered);

/* The entry for exactly this type, or NULL. */
static inline const struct behavior_entry *behavior_entry_exact(const struct behavior *behavior,
                                                                const record_type *type) {
    const struct behavior_entry *end = behavior->entries + behavior->entry_count;
    for (const struct behavior_entry *entry = behavior->entries; entry < end; entry++)
        if (entry->type == type) return entry;
    return NULL;
}

/* The entry for exactly this type, or for another version of the record of that name; NULL when
 * there is none. */
const struct behavior_entry *behavior_entry_for(const struct behavior *behavior,
                                                const record_type *type);
/* True when there is an entry for the record of that name. */
bool behavior_handles(const struct behavior *behavior, const char *record);

#endif
