/*
 * record_table_stress.c - workers look types up while others add them; to be run under TSan.
 *
 * usage: record_table_stress [SEED]. One thread interns local records, one takes peers'
 * descriptors, and two look up, by C descriptor and by id, whatever is there so far.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/check.h"
#include "node/record_random.h"
#include "node/record_table.h"

enum { RECORDS = 2000, LOOKERS = 2 };

struct stress {
    record_table *table;
    const tr_record *records[RECORDS]; /* what is interned */
    const record_type *sent[RECORDS];  /* types of another table, whose descriptors arrive */
    _Atomic unsigned writers;          /* still at work */
};

static void *intern_all(void *context) {
    struct stress *stress = context;
    for (int i = 0; i < RECORDS; i++) {
        const record_type *type = NULL;
        check(record_table_intern(stress->table, stress->records[i], &type, NULL) == TR_OK);
        check(record_table_find(stress->table, stress->records[i]) == type);
    }
    atomic_fetch_sub(&stress->writers, 1);
    return NULL;
}

static void *receive_all(void *context) {
    struct stress *stress = context;
    for (int i = 0; i < RECORDS; i++) {
        const record_type *type = NULL;
        const record_type *sent = stress->sent[i];
        check(record_table_from_wire(stress->table, sent->descriptor, sent->descriptor_bytes, &type,
                                     NULL) == TR_OK);
        check(type->fingerprint == sent->fingerprint);
    }
    atomic_fetch_sub(&stress->writers, 1);
    return NULL;
}

/* Everything that is found must be whole. */
static void *look(void *context) {
    struct stress *stress = context;
    uint64_t found = 0;
    while (atomic_load(&stress->writers) > 0) {
        for (int i = 0; i < RECORDS; i += 7) {
            const record_type *type = record_table_find(stress->table, stress->records[i]);
            if (type == NULL) continue;
            check(strcmp(type->name, stress->records[i]->name) == 0);
            check(record_table_at(stress->table, type->id) == type);
            found++;
        }
        uint32_t count = record_table_count(stress->table);
        if (count > 0) check(record_table_at(stress->table, count)->id == count);
    }
    return (void *)(uintptr_t)found;
}

static void run(struct stress *stress) {
    pthread_t threads[2 + LOOKERS];
    uint64_t found = 0;
    check(pthread_create(&threads[0], NULL, intern_all, stress) == 0);
    check(pthread_create(&threads[1], NULL, receive_all, stress) == 0);
    for (int i = 0; i < LOOKERS; i++)
        check(pthread_create(&threads[2 + i], NULL, look, stress) == 0);
    for (int i = 0; i < 2 + LOOKERS; i++) {
        void *result = NULL;
        check(pthread_join(threads[i], &result) == 0);
        found += (uintptr_t)result;
    }
    printf("%u types, found %llu times\n", (unsigned)record_table_count(stress->table),
           (unsigned long long)found);
}

int main(int argc, char **argv) {
    static struct stress stress = {.writers = 2};
    struct arena arena = {0};
    random_seed(&arena.random, argc > 1 ? strtoull(argv[1], NULL, 0) : 1);
    record_table *peer = record_table_new(NULL);
    stress.table = record_table_new(&(record_table_options){.dynamic_types_max = 10 * RECORDS});
    for (int i = 0; i < RECORDS; i++) {
        stress.records[i] = random_record(&arena, 1);
        check(record_table_intern(peer, random_record(&arena, 1), &stress.sent[i], NULL) == TR_OK);
    }
    run(&stress);
    record_table_free(stress.table);
    record_table_free(peer);
    arena_free(&arena);
    return 0;
}
