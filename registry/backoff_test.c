#include "registry/backoff.h"

#include <criterion/criterion.h>

TestSuite(backoff, .timeout = 30);

Test(backoff, pauses_double_up_to_the_maximum_and_vary) {
    random_state random;
    struct backoff backoff;
    random_seed(&random, 1);
    backoff_init(&backoff, 1000);
    cr_assert(!backoff_due(&backoff, 999, &random));
    uint64_t now_ns = 1000;
    uint64_t pause_ns = BACKOFF_FIRST_NS;
    bool varies = false;
    for (int i = 0; i < 12; i++) {
        cr_assert(backoff_due(&backoff, now_ns, &random));
        cr_assert(!backoff_due(&backoff, now_ns, &random));
        uint64_t wait_ns = backoff.due_ns - now_ns;
        cr_assert(wait_ns >= pause_ns / 2 && wait_ns <= pause_ns);
        varies = varies || (wait_ns != pause_ns && wait_ns != pause_ns / 2);
        now_ns = backoff.due_ns;
        pause_ns = 2 * pause_ns < BACKOFF_MAX_NS ? 2 * pause_ns : BACKOFF_MAX_NS;
    }
    cr_assert(varies && pause_ns == BACKOFF_MAX_NS);
}
