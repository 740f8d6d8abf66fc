#include "node/base/condition.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "node/base/clock.h"

TestSuite(condition, .timeout = 30);

Test(condition, wait_ends_at_the_deadline_by_the_monotonic_clock) {
    pthread_cond_t changed;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    condition_init(&changed);
    uint64_t before = clock_monotonic_ns();
    struct timespec deadline = condition_deadline(20);
    pthread_mutex_lock(&mutex);
    while (condition_wait(&changed, &mutex, &deadline)) {
    }
    pthread_mutex_unlock(&mutex);
    cr_assert(clock_monotonic_ns() - before >= 20000000u);
    pthread_cond_destroy(&changed);
}

Test(condition, deadline_of_the_largest_timeout_does_not_wrap) {
    struct timespec now = condition_deadline(0);
    struct timespec far = condition_deadline(UINT64_MAX);
    cr_assert(far.tv_sec > now.tv_sec + 3600);
}
