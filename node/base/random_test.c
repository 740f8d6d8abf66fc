#include "node/base/random.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(random, .timeout = 30);

/* A seed that fails today must give the same run tomorrow, and after every rewrite of this file:
 * the values are those of the authors' reference code for splitmix64-seeded xoshiro256**. */
Test(random, a_seed_gives_the_published_sequence) {
    random_state state = {{1, 2, 3, 4}};
    cr_assert_eq(random_u64(&state), UINT64_C(11520));
    cr_assert_eq(random_u64(&state), UINT64_C(0));
    cr_assert_eq(random_u64(&state), UINT64_C(1509978240));
    cr_assert_eq(random_u64(&state), UINT64_C(1215971899390074240));

    random_seed(&state, 0);
    cr_assert_eq(state.words[0], UINT64_C(0xe220a8397b1dcdaf));
    cr_assert_eq(state.words[1], UINT64_C(0x6e789e6aa1b965f4));
}

Test(random, different_seeds_give_different_sequences) {
    random_state a;
    random_state b;
    random_seed(&a, 1);
    random_seed(&b, 2);
    cr_assert_neq(random_u64(&a), random_u64(&b));
}

Test(random, below_stays_below_and_is_even) {
    enum { BOUND = 7, DRAWS = 70000 };
    unsigned drawn[BOUND] = {0};
    random_state state;
    random_seed(&state, 4);
    for (unsigned i = 0; i < DRAWS; i++) drawn[random_below(&state, BOUND)]++;
    for (unsigned i = 0; i < BOUND; i++) {
        cr_assert_gt(drawn[i], 9600u);
        cr_assert_lt(drawn[i], 10400u);
    }
    cr_assert_eq(random_below(&state, 1), 0u);
    cr_assert_lt(random_below(&state, UINT64_MAX), UINT64_MAX);
}

/* Plain remainders would give the lowest third half of all draws. */
Test(random, below_is_even_for_a_bound_that_does_not_divide_the_range) {
    random_state state;
    unsigned low = 0;
    random_seed(&state, 7);
    for (unsigned i = 0; i < 30000; i++) {
        low += random_below(&state, UINT64_C(3) << 62) < UINT64_C(1) << 62;
    }
    cr_assert_gt(low, 9500u);
    cr_assert_lt(low, 10500u);
}

Test(random, below_nothing_aborts, .signal = SIGABRT) {
    random_state state;
    random_seed(&state, 1);
    random_below(&state, 0);
}

Test(random, unit_covers_zero_to_one) {
    random_state state;
    double smallest = 1;
    double largest = 0;
    random_seed(&state, 5);
    for (unsigned i = 0; i < 10000; i++) {
        double number = random_unit(&state);
        cr_assert(number >= 0 && number < 1);
        if (number < smallest) smallest = number;
        if (number > largest) largest = number;
    }
    cr_assert(smallest < 0.01 && largest > 0.99);
}

Test(random, fill_is_the_sequence_byte_by_byte) {
    random_state a;
    random_state b;
    uint8_t bytes[11];
    random_seed(&a, 6);
    random_seed(&b, 6);
    random_fill(&a, bytes, sizeof bytes);
    uint64_t first = random_u64(&b);
    uint64_t second = random_u64(&b);
    for (unsigned i = 0; i < 8; i++) cr_assert_eq(bytes[i], (uint8_t)(first >> 8 * i));
    for (unsigned i = 0; i < 3; i++) cr_assert_eq(bytes[8 + i], (uint8_t)(second >> 8 * i));
}

Test(random, the_system_gives_new_bytes_each_time) {
    uint8_t a[1000] = {0};
    uint8_t b[1000] = {0};
    random_system(a, sizeof a);
    random_system(b, sizeof b);
    cr_assert_neq(memcmp(a, b, sizeof a), 0);
    cr_assert_neq(memcmp(a + 968, (uint8_t[32]){0}, 32), 0, "filled to the end");
}
