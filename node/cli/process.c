/*
 * process.c - pid, start time and boot, from /proc; pidfds.
 */
#include "node/cli/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads a small file of /proc as text, without its last newline; false when it cannot be read. */
static bool read_text(const char *path, char *out, size_t out_bytes) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t bytes = read(fd, out, out_bytes - 1);
    close(fd);
    if (bytes <= 0) return false;
    if (out[bytes - 1] == '\n') bytes--;
    out[bytes] = '\0';
    return true;
}

bool process_of(pid_t pid, struct process *process_out) {
    char path[64], stat[1024];
    struct process found = {.pid = pid};
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (pid <= 0 || !read_text(path, stat, sizeof stat)) return false;
    if (!read_text("/proc/sys/kernel/random/boot_id", found.boot, sizeof found.boot)) return false;
    /* The second field is the command in parentheses and may hold anything, spaces and ')' too;
     * the state is the third field, the start time the 22nd. */
    char *at = strrchr(stat, ')');
    if (at == NULL || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X') return false;
    at += 2;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (at == NULL) return false;
        at++;
    }
    found.start = strtoull(at, NULL, 10);
    *process_out = found;
    return true;
}

static bool same(const struct process *a, const struct process *b) {
    return a->pid == b->pid && a->start == b->start && strcmp(a->boot, b->boot) == 0;
}

int process_open(const struct process *wanted) {
    struct process found;
    if (wanted->pid <= 0) return -1;
    int fd = (int)syscall(SYS_pidfd_open, wanted->pid, 0);
    if (fd < 0) return -1;
    /* Checked after opening: the pidfd stays with the process it was opened for. */
    if (process_of(wanted->pid, &found) && same(&found, wanted)) return fd;
    close(fd);
    return -1;
}

bool process_signal(int pidfd, int signal_number) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) == 0;
}
