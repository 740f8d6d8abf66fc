/*
 * condition.h - condition variables that wait by the monotonic clock.
 *
 * For plain threads that block with a deadline (ports, tr_node_wait_up); workers, the core and
 * the simulator never do. Any thread.
 */
#ifndef TROUPE_BASE_CONDITION_H
#define TROUPE_BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Makes a condition for condition_wait; destroy it with pthread_cond_destroy. */
void condition_init(pthread_cond_t *condition);

/* The moment `timeout_ms` from now, for condition_wait. */
struct timespec condition_deadline(uint64_t timeout_ms);

/* Waits under `mutex`; false once the deadline has passed. May return true for no reason. */
bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                    const struct timespec *deadline);

#endif
