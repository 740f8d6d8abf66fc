/*
 * trial.c - fork, exec, and waiting for a run's report, its end, its time, or an interrupt.
 */
#define _GNU_SOURCE /* pipe2 */
#include "node/bench/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/clock.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/cli/duration.h"

enum { READ_BYTES = 4096, REPORT_BYTES_MAX = 65536, TAIL_BYTES = 200, CANNOT_EXECUTE = 127 };

struct trial {
    pid_t pid;
    int pidfd;
    int report_fd; /* never blocks */
    struct buffer report;
};

/* ---- starting -------------------------------------------------------------------------------- */

/* In the child, after fork: only calls that are safe there. */
__attribute__((noreturn)) static void become_trial(char *const *argv, int output_fd, int report_fd,
                                                   pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(CANNOT_EXECUTE); /* it died before the line above */
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd >= 0) dup2(null_fd, STDIN_FILENO);
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    fcntl(report_fd, F_SETFD, 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    execv("/proc/self/exe", argv);
    _exit(CANNOT_EXECUTE);
}

static pid_t fork_trial(const struct trial_options *options, int output_fd, int report_fd) {
    char *word = mem_strdup(TRIAL_WORD), *program = mem_strdup("troupe");
    char *workload = mem_strdup(options->workload), *dir = mem_strdup(options->dir);
    char *fd = mem_format("%d", report_fd);
    char *const argv[] = {program, word, workload, dir, fd, NULL};
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) become_trial(argv, output_fd, report_fd, parent);
    /* Both sides do it, so that it is done whoever comes first. */
    if (pid > 0) setpgid(pid, pid);
    for (size_t i = 0; argv[i] != NULL; i++) mem_free(argv[i]);
    return pid;
}

static tr_status start(const struct trial_options *options, const char *output, struct trial *trial,
                       tr_error *error) {
    int ends[2] = {-1, -1};
    int output_fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ready = output_fd >= 0 && pipe2(ends, O_CLOEXEC) == 0;
    *trial = (struct trial){.pid = -1, .pidfd = -1, .report_fd = ends[0]};
    if (ready) trial->pid = fork_trial(options, output_fd, ends[1]);
    if (trial->pid > 0) trial->pidfd = (int)syscall(SYS_pidfd_open, trial->pid, 0);
    int code = errno;
    if (output_fd >= 0) close(output_fd);
    if (ready) close(ends[1]);
    if (trial->pidfd >= 0) {
        fcntl(trial->report_fd, F_SETFL, O_NONBLOCK);
        return TR_OK;
    }
    return error_set(error, TR_EIO, NULL, "workload `%s` cannot be started in %s: %s",
                     options->workload, options->dir, strerror(code));
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* Takes what has been reported; false at the end of it. */
static bool take_report(struct trial *trial) {
    for (;;) {
        uint8_t *room = buffer_reserve(&trial->report, READ_BYTES);
        ssize_t bytes = read(trial->report_fd, room, READ_BYTES);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) return bytes < 0 && errno == EAGAIN;
        if (trial->report.bytes < REPORT_BYTES_MAX) trial->report.bytes += (size_t)bytes;
    }
}

/* Until the process has ended. */
static tr_status await(struct trial *trial, const struct trial_options *options, tr_error *error) {
    char limit[DURATION_TEXT_BYTES];
    uint64_t began_ns = clock_monotonic_ns();
    struct pollfd fds[] = {{.fd = trial->pidfd, .events = POLLIN},
                           {.fd = options->interrupt_fd, .events = POLLIN},
                           {.fd = trial->report_fd, .events = POLLIN}};
    for (;;) {
        uint64_t gone_ms = (clock_monotonic_ns() - began_ns) / 1000000;
        if (gone_ms >= options->limit_ms)
            return error_set(error, TR_ETIMEDOUT, "give it more time: --timeout 10m",
                             "workload `%s` has not ended in %s", options->workload,
                             duration_text(options->limit_ms, limit));
        uint64_t left_ms = options->limit_ms - gone_ms;
        if (poll(fds, 3, left_ms < 60000 ? (int)left_ms : 60000) < 0 && errno != EINTR)
            return error_set(error, TR_EIO, NULL, "poll: %s", strerror(errno));
        if (fds[1].revents != 0) return error_set(error, TR_EINTR, NULL, "interrupted");
        if (fds[2].revents != 0 && !take_report(trial)) fds[2].fd = -1;
        if (fds[0].revents != 0) {
            (void)take_report(trial);
            return TR_OK;
        }
    }
}

/* Ends the run and all that it started, and returns its wait status. */
static int finish(struct trial *trial) {
    int ended = 0;
    if (trial->pid > 0) {
        /* Until it is waited for, nothing else can have its number. */
        kill(-trial->pid, SIGKILL);
        kill(trial->pid, SIGKILL);
        while (waitpid(trial->pid, &ended, 0) < 0 && errno == EINTR) {
        }
    }
    if (trial->pidfd >= 0) close(trial->pidfd);
    if (trial->report_fd >= 0) close(trial->report_fd);
    return ended;
}

/* ---- what it came to ------------------------------------------------------------------------- */

/* The last line that the process printed becomes the hint. */
static void hint_output(const char *path, tr_error *error) {
    char tail[TAIL_BYTES + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    off_t end = lseek(fd, 0, SEEK_END);
    ssize_t bytes = pread(fd, tail, TAIL_BYTES, end > TAIL_BYTES ? end - TAIL_BYTES : 0);
    close(fd);
    while (bytes > 0 && tail[bytes - 1] == '\n') bytes--;
    if (bytes <= 0) return;
    tail[bytes] = '\0';
    const char *newline = strrchr(tail, '\n');
    error_hint(error, "its last words were: %s", newline == NULL ? tail : newline + 1);
}

static tr_status judge(const struct trial_options *options, struct trial *trial, int ended,
                       struct result *result_out, tr_error *error) {
    struct result result;
    if (WIFSIGNALED(ended))
        return error_set(error, TR_EFAILED, NULL, "workload `%s` was ended by signal %d (%s)",
                         options->workload, WTERMSIG(ended), strsignal(WTERMSIG(ended)));
    if (WEXITSTATUS(ended) != 0 || !result_read(buffer_text(&trial->report), &result))
        return error_set(error, TR_EFAILED, NULL,
                         "workload `%s` ended without a report (exit code %d)", options->workload,
                         WEXITSTATUS(ended));
    if (result.error.status != TR_OK)
        return error_set(error, result.error.status, result.error.hint, "workload `%s`: %s",
                         options->workload, result.error.message);
    *result_out = result;
    return TR_OK;
}

tr_status trial_run(const struct trial_options *options, struct result *result_out,
                    tr_error *error) {
    struct trial trial;
    char *output = mem_format("%s.output", options->dir);
    tr_status status = start(options, output, &trial, error);
    if (status == TR_OK) status = await(&trial, options, error);
    bool awaited = status == TR_OK;
    int ended = finish(&trial);
    if (awaited) status = judge(options, &trial, ended, result_out, error);
    if (status != TR_OK && status != TR_EINTR && *error->hint == '\0') hint_output(output, error);
    buffer_fini(&trial.report);
    mem_free(output);
    return status;
}
