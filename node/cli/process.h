/*
 * process.h - telling a process from a later one that got the same number.
 *
 * A process is known by its pid, its start time (clock ticks since boot) and the boot it ran in.
 * Signals go through a pidfd whose identity was checked after it was opened, so that a recycled pid
 * is never signalled. Knows nothing but libc and Linux; shared with the daemon. Any thread may
 * call.
 */
#ifndef TROUPE_CLI_PROCESS_H
#define TROUPE_CLI_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_BOOT_BYTES = 40 };

struct process {
    pid_t pid;
    uint64_t start;                /* clock ticks since boot */
    char boot[PROCESS_BOOT_BYTES]; /* /proc/sys/kernel/random/boot_id */
};

/* Reads the identity of a running process; false when there is none of that pid (a zombie counts
 * as none). */
bool process_of(pid_t pid, struct process *process_out);

/* Opens a pidfd for exactly that process, readable once it has ended; the caller closes it. -1
 * when it no longer runs. */
int process_open(const struct process *wanted);

/* Sends a signal through a pidfd; false when the process has ended or may not be signalled. */
bool process_signal(int pidfd, int signal_number);

#endif
