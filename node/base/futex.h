/*
 * futex.h - sleeping until a word changes, and waking who sleeps so (futex(2)). Any thread; waking
 * is fit for a signal handler.
 */
#ifndef TROUPE_BASE_FUTEX_H
#define TROUPE_BASE_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleeps while the word has that value, for `limit_ns` at most (UINT64_MAX: no limit); may return
 * early for no reason. */
static inline void futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t limit_ns) {
    struct timespec limit = {(time_t)(limit_ns / 1000000000), (long)(limit_ns % 1000000000)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, limit_ns == UINT64_MAX ? NULL : &limit,
            NULL, 0);
}

static inline void futex_wake(_Atomic uint32_t *word, uint32_t count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

#endif
