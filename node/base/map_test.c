#include "node/base/map.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "node/base/random.h"

TestSuite(map, .timeout = 30);

/* Values are pointers that are never followed. */
static void *value_of(uintptr_t number) {
    return (void *)(number + 1);
}

Test(map, an_empty_one_finds_nothing) {
    map_u64 map = {0};
    size_t cursor = 0;
    cr_assert_null(map_u64_find(&map, 1));
    cr_assert_null(map_u64_remove(&map, 1));
    cr_assert_null(map_u64_next(&map, &cursor, NULL));
    cr_assert_eq(map_u64_count(&map), 0u);
    map_u64_fini(&map);
}

Test(map, put_replaces_and_tells_what_was_there) {
    map_u64 map;
    map_u64_init(&map);
    cr_assert_null(map_u64_put(&map, 0, value_of(1)));
    cr_assert_eq(map_u64_put(&map, 0, value_of(2)), value_of(1));
    cr_assert_eq(map_u64_find(&map, 0), value_of(2));
    cr_assert_eq(map_u64_count(&map), 1u);
    cr_assert_eq(map_u64_remove(&map, 0), value_of(2));
    cr_assert_null(map_u64_find(&map, 0));
    map_u64_fini(&map);
}

/* Against an array, through growth, holes, shrinking and being emptied several times. */
Test(map, agrees_with_an_array_under_random_changes) {
    enum { KEYS = 700 };
    map_u64 map = {0};
    uintptr_t expected[KEYS] = {0};
    size_t count = 0;
    random_state random;
    random_seed(&random, 3);
    for (uintptr_t step = 1; step < 200000; step++) {
        uint64_t key = random_below(&random, KEYS);
        bool filling = step / 10000 % 2 == 0;
        if (random_below(&random, 4) < (filling ? 3u : 1u)) {
            void *before = map_u64_put(&map, key << 40, value_of(step));
            cr_assert_eq(before, expected[key] != 0 ? value_of(expected[key]) : NULL);
            count += expected[key] == 0;
            expected[key] = step;
        } else {
            void *before = map_u64_remove(&map, key << 40);
            cr_assert_eq(before, expected[key] != 0 ? value_of(expected[key]) : NULL);
            count -= expected[key] != 0;
            expected[key] = 0;
        }
        cr_assert_eq(map_u64_count(&map), count);
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        void *value = expected[key] != 0 ? value_of(expected[key]) : NULL;
        cr_assert_eq(map_u64_find(&map, key << 40), value);
    }
    map_u64_fini(&map);
}

/* The simulator replays only if no order depends on addresses or on hashes (I1). */
Test(map, iterates_in_the_order_of_first_put) {
    map_u64 map = {0};
    for (uint64_t i = 0; i < 1000; i++) map_u64_put(&map, (i * 7919) % 1000, value_of(i));
    map_u64_put(&map, 0, value_of(5000));
    size_t cursor = 0;
    uint64_t key;
    for (uint64_t i = 0; i < 1000; i++) {
        cr_assert_not_null(map_u64_next(&map, &cursor, &key));
        cr_assert_eq(key, (i * 7919) % 1000);
    }
    cr_assert_null(map_u64_next(&map, &cursor, &key));
    map_u64_fini(&map);
}

Test(map, order_survives_removal_and_growth) {
    map_u64 map = {0};
    for (uint64_t i = 0; i < 100; i++) map_u64_put(&map, i, value_of(i));
    for (uint64_t i = 0; i < 100; i += 2) map_u64_remove(&map, i);
    for (uint64_t i = 100; i < 500; i++) map_u64_put(&map, i, value_of(i));
    map_u64_put(&map, 4, value_of(4));
    size_t cursor = 0;
    uint64_t key;
    for (uint64_t expected = 1; expected < 500; expected += expected < 99 ? 2 : 1) {
        cr_assert_not_null(map_u64_next(&map, &cursor, &key));
        cr_assert_eq(key, expected);
    }
    cr_assert_not_null(map_u64_next(&map, &cursor, &key));
    cr_assert_eq(key, 4u, "a key put again after its removal stands last");
    map_u64_fini(&map);
}

Test(map, any_key_may_be_removed_during_an_iteration) {
    map_u64 map = {0};
    for (uint64_t i = 0; i < 1000; i++) map_u64_put(&map, i, value_of(i));
    size_t cursor = 0;
    uint64_t key;
    uint64_t visited = 0;
    while (map_u64_next(&map, &cursor, &key) != NULL) {
        cr_assert_eq(key % 2, 0u, "odd keys were removed before their turn");
        cr_assert_not_null(map_u64_remove(&map, key));
        cr_assert_not_null(map_u64_remove(&map, key + 1));
        visited++;
    }
    cr_assert_eq(visited, 500u);
    cr_assert_eq(map_u64_count(&map), 0u);
    map_u64_fini(&map);
}

Test(map, gives_memory_back_after_a_peak) {
    map_u64 map = {0};
    for (uint64_t i = 0; i < 100000; i++) map_u64_put(&map, i, value_of(i));
    uint32_t peak = map.core.capacity;
    for (uint64_t i = 0; i < 99990; i++) map_u64_remove(&map, i);
    map_u64_put(&map, 1, value_of(1));
    cr_assert_lt(map.core.capacity, peak / 100);
    cr_assert_eq(map_u64_count(&map), 11u);
    map_u64_fini(&map);
}

/* A queue-like use must not rebuild at every put, nor grow for ever. */
Test(map, a_window_of_keys_moving_on_stays_small) {
    map_u64 map = {0};
    for (uint64_t i = 0; i < 100000; i++) {
        map_u64_put(&map, i, value_of(i));
        if (i >= 50) cr_assert_eq(map_u64_remove(&map, i - 50), value_of(i - 50));
    }
    cr_assert_leq(map.core.capacity, 256u);
    map_u64_fini(&map);
}

/* At whatever size the number of keys stays: a rebuild must pay for itself over many puts. */
Test(map, after_a_rebuild_a_quarter_is_free) {
    for (uint64_t keys = 1; keys < 70; keys++) {
        map_u64 map = {0};
        for (uint64_t i = 0; i < 1000; i++) {
            uint32_t used_before = map.core.used;
            uint32_t capacity_before = map.core.capacity;
            map_u64_put(&map, i, value_of(i));
            if (map.core.used <= used_before || map.core.capacity != capacity_before) {
                cr_assert_geq(map.core.capacity - map.core.used, map.core.capacity / 4);
            }
            if (i >= keys) map_u64_remove(&map, i - keys);
        }
        map_u64_fini(&map);
    }
}

Test(map, text_keys_are_copied) {
    map_text map;
    char key[32];
    map_text_init(&map);
    for (uintptr_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "account-%zu", (size_t)i);
        map_text_put(&map, key, value_of(i));
    }
    memset(key, 0, sizeof key);
    cr_assert_eq(map_text_find(&map, "account-999"), value_of(999));
    cr_assert_eq(map_text_remove(&map, "account-0"), value_of(0));
    cr_assert_null(map_text_find(&map, "account-0"));
    cr_assert_null(map_text_find(&map, "account-"));
    cr_assert_null(map_text_find(&map, ""));

    size_t cursor = 0;
    const char *name;
    cr_assert_eq(map_text_next(&map, &cursor, &name), value_of(1));
    cr_assert_str_eq(name, "account-1");
    cr_assert_eq(map_text_count(&map), 999u);
    map_text_fini(&map);
    cr_assert_eq(map_text_count(&map), 0u);
}

Test(map, text_keys_of_all_lengths_differ) {
    map_text map = {0};
    char key[64] = "";
    for (uintptr_t i = 0; i < 60; i++) {
        cr_assert_null(map_text_put(&map, key, value_of(i)));
        key[i] = 'a';
    }
    cr_assert_eq(map_text_count(&map), 60u);
    memset(key, 0, sizeof key);
    for (uintptr_t i = 0; i < 60; i++) {
        cr_assert_eq(map_text_find(&map, key), value_of(i));
        key[i] = 'a';
    }
    map_text_fini(&map);
}

/* Neither part of a pid alone makes two of them equal. */
Test(map, pid_keys_differ_in_each_part) {
    map_pid map;
    uintptr_t count = 0;
    map_pid_init(&map);
    for (uint64_t space = 0; space < 10; space++) {
        for (uint32_t slot = 0; slot < 10; slot++) {
            for (uint32_t generation = 0; generation < 10; generation++) {
                tr_pid pid = {.space = space << 60, .slot = slot, .generation = generation};
                cr_assert_null(map_pid_put(&map, pid, value_of(count++)));
            }
        }
    }
    tr_pid pid = {.space = UINT64_C(3) << 60, .slot = 4, .generation = 5};
    tr_pid key;
    size_t cursor = 0;
    cr_assert_eq(map_pid_find(&map, pid), value_of(345));
    cr_assert_eq(map_pid_next(&map, &cursor, &key), value_of(0));
    cr_assert_eq(key.space, 0u);
    cr_assert_eq(map_pid_remove(&map, pid), value_of(345));
    cr_assert_null(map_pid_find(&map, pid));
    cr_assert_eq(map_pid_count(&map), 999u);
    map_pid_fini(&map);
}

/* With so many keys some hashes are equal, and only the keys themselves tell them apart. */
Test(map, pid_keys_with_equal_hashes_stay_apart) {
    enum { KEYS = 300000 };
    for (unsigned part = 0; part < 3; part++) {
        map_pid map = {0};
        for (uint32_t i = 0; i < KEYS; i++) {
            tr_pid pid = {.space = part == 0 ? i : 1,
                          .slot = part == 1 ? i : 1,
                          .generation = part == 2 ? i : 1};
            map_pid_put(&map, pid, value_of(i));
        }
        cr_assert_eq(map_pid_count(&map), (size_t)KEYS);
        map_pid_fini(&map);
    }
}

Test(map, a_value_is_never_null, .signal = SIGABRT) {
    map_u64 map = {0};
    map_u64_put(&map, 1, NULL);
}
