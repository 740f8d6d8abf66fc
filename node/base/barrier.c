#define _GNU_SOURCE /* syscall */
#include "node/base/barrier.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node/base/check.h"

bool barrier_is_asymmetric;

static void register_process(void) {
    barrier_is_asymmetric =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void barrier_init(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_process);
}

void barrier_heavy(void) {
    atomic_thread_fence(memory_order_seq_cst);
    if (!barrier_is_asymmetric) return;
    check(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
    atomic_thread_fence(memory_order_seq_cst);
}
