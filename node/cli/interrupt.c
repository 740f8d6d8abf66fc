/*
 * interrupt.c - a handler that exits, and a signalfd.
 */
#include "node/cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "node/cli/failure.h"

static void fill(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
}

static void on_signal(int number) {
    static const char words[] = "\nerror: interrupted\n";
    (void)number;
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0) _exit(EXIT_INTERRUPTED);
    _exit(EXIT_INTERRUPTED);
}

void interrupt_exit(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int interrupt_begin(void) {
    sigset_t signals;
    fill(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

void interrupt_end(int fd) {
    sigset_t signals;
    struct signalfd_siginfo taken;
    /* What was taken note of must not end the program now. */
    while (fd >= 0 && read(fd, &taken, sizeof taken) > 0) {
    }
    if (fd >= 0) close(fd);
    fill(&signals);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}
