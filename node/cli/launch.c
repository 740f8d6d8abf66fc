/*
 * launch.c - fork, exec, and the pipe on which a daemon tells how far it has come.
 */
#include "node/cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/check.h"
#include "node/base/clock.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/cli/process.h"

extern char **environ;

enum { LAUNCHES_MAX = 256, READY_BYTES_MAX = 16384, OUTPUT_TAIL_BYTES = 8192, SEEDS_MAX = 256 };

struct launch {
    char *name;
    char *output; /* path of what it prints */
    char *endpoint;
    off_t output_start; /* where this life's output begins */
    pid_t pid;
    int ready_fd; /* -1: closed */
    struct buffer text;
    bool bound, up, ended;
    int exit_code;
};

char *launch_program(void) {
    const char *chosen = getenv("TROUPED");
    if (chosen != NULL && *chosen != '\0') return mem_strdup(chosen);
    char self[PATH_MAX];
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof self - 1);
    if (bytes <= 0) return mem_strdup("trouped");
    self[bytes] = '\0';
    return mem_format("%s/trouped", dirname(self));
}

/* ---- starting -------------------------------------------------------------------------------- */

/* In the child, after fork: only calls that are safe there. */
__attribute__((noreturn)) static void become_daemon(const char *program, char *const *argv,
                                                    char *const *environment, int output_fd,
                                                    int ready_fd) {
    sigset_t none;
    sigemptyset(&none);
    setsid();
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd >= 0) dup2(null_fd, STDIN_FILENO);
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    fcntl(ready_fd, F_SETFD, 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    execve(program, argv, environment);
    static const char words[] = "trouped: error: the program cannot be run\n";
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0) _exit(EXIT_INTERNAL);
    _exit(EXIT_INTERNAL);
}

/* The environment without the daemon's own settings: this node's come from its file. The
 * caller's. */
static char **environment_for_daemon(void) {
    size_t count = 0, kept = 0;
    while (environ[count] != NULL) count++;
    char **environment = mem_zalloc(count + 1, sizeof *environment);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "TROUPED_", 8) != 0) environment[kept++] = environ[i];
    return environment;
}

static pid_t fork_daemon(const struct launch_options *options, int output_fd, int ready_fd) {
    char *config = mem_format("%s/trouped.ini", options->folder);
    char *ready = mem_format("%d", ready_fd);
    const char *argv[8 + 2 * SEEDS_MAX] = {options->program, "--config", config, "--ready-fd",
                                           ready};
    size_t count = 5;
    for (size_t i = 0; options->seeds != NULL && options->seeds[i] != NULL && i < SEEDS_MAX; i++) {
        argv[count++] = "--seed";
        argv[count++] = options->seeds[i];
    }
    char **environment = environment_for_daemon();
    pid_t pid = fork();
    if (pid == 0)
        become_daemon(options->program, (char *const *)argv, environment, output_fd, ready_fd);
    mem_free(environment);
    mem_free(config);
    mem_free(ready);
    return pid;
}

static int open_pipe(int *read_out) {
    int ends[2];
    if (pipe(ends) != 0) return -1;
    /* The read end never blocks; neither end reaches any other child. */
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *read_out = ends[0];
    return ends[1];
}

tr_status launch_start(const struct launch_options *options, struct launch **launch_out,
                       struct failure *failure) {
    if (access(options->program, X_OK) != 0)
        return failure_set(failure, TR_ENOENT, "build it, or name it in $TROUPED",
                           "cannot run %s: %s", options->program, strerror(errno));
    char *output = mem_format("%s/output", options->folder);
    int output_fd = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640), ready_fd = -1;
    int write_fd = output_fd < 0 ? -1 : open_pipe(&ready_fd);
    off_t start = output_fd < 0 ? 0 : lseek(output_fd, 0, SEEK_END);
    pid_t pid = write_fd < 0 ? -1 : fork_daemon(options, output_fd, write_fd);
    int error = errno;
    if (output_fd >= 0) close(output_fd);
    if (write_fd >= 0) close(write_fd);
    if (pid < 0) {
        if (ready_fd >= 0) close(ready_fd);
        failure_set(failure, TR_EIO, NULL, "node %s cannot be started (%s): %s", options->name,
                    output, strerror(error));
        mem_free(output);
        return TR_EIO;
    }
    struct launch *launch = mem_zalloc(1, sizeof *launch);
    *launch = (struct launch){.name = mem_strdup(options->name),
                              .output = output,
                              .output_start = start,
                              .pid = pid,
                              .ready_fd = ready_fd,
                              .exit_code = -1};
    *launch_out = launch;
    return TR_OK;
}

/* ---- listening ------------------------------------------------------------------------------- */

static void take_line(struct launch *launch, const char *line, size_t bytes) {
    if (bytes == 2 && memcmp(line, "up", 2) == 0) {
        launch->up = true;
        return;
    }
    json_t *told = json_loadb(line, bytes, 0, NULL);
    const char *endpoint = json_string_value(json_object_get(told, "endpoint"));
    if (endpoint != NULL && !launch->bound) {
        launch->endpoint = mem_strdup(endpoint);
        launch->bound = true;
    }
    json_decref(told);
}

static void take_lines(struct launch *launch) {
    for (;;) {
        if (launch->text.bytes == 0) return;
        char *end = memchr(launch->text.data, '\n', launch->text.bytes);
        if (end == NULL) return;
        size_t bytes = (size_t)(end - (char *)launch->text.data);
        take_line(launch, (const char *)launch->text.data, bytes);
        buffer_consume(&launch->text, bytes + 1);
    }
}

/* The end of the pipe: after "up" the daemon has closed it; before, the daemon has ended or is
 * about to. */
static void take_end(struct launch *launch) {
    int status;
    close(launch->ready_fd);
    launch->ready_fd = -1;
    if (launch->up) return;
    while (waitpid(launch->pid, &status, 0) < 0)
        if (errno != EINTR) return;
    launch->ended = true;
    launch->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void take_ready(struct launch *launch) {
    uint8_t *room = buffer_reserve(&launch->text, 4096);
    ssize_t bytes = read(launch->ready_fd, room, 4096);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (bytes > 0) {
        launch->text.bytes += (size_t)bytes;
        take_lines(launch);
    }
    if (bytes <= 0 || launch->text.bytes > READY_BYTES_MAX) take_end(launch);
}

/* ---- what went wrong ------------------------------------------------------------------------- */

static tr_status status_of_exit(int code) {
    switch (code) {
        case EXIT_USAGE_ERROR:
            return TR_EINVAL;
        case EXIT_DATA:
            return TR_EDATA;
        case EXIT_ABSENT:
            return TR_ENOENT;
        case EXIT_UNREACHABLE:
            return TR_EUNREACHABLE;
        case EXIT_REFUSED:
            return TR_EREFUSED;
        case EXIT_CONFIGURATION:
            return TR_ECONFIG;
        default:
            return TR_EINTERNAL;
    }
}

/* The last of what this life of the daemon printed, as a text; the caller's. */
static char *output_tail(const struct launch *launch) {
    char *tail = mem_zalloc(1, OUTPUT_TAIL_BYTES + 1);
    int fd = open(launch->output, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tail;
    off_t end = lseek(fd, 0, SEEK_END), from = end - OUTPUT_TAIL_BYTES;
    if (from < launch->output_start) from = launch->output_start;
    ssize_t bytes = pread(fd, tail, OUTPUT_TAIL_BYTES, from);
    tail[bytes < 0 ? 0 : bytes] = '\0';
    close(fd);
    return tail;
}

static char *last_of(char *text, const char *words) {
    char *found = NULL;
    for (char *at = text; (at = strstr(at, words)) != NULL; at++) found = at;
    return found;
}

/* Cuts the text at the end of its line. */
static char *one_line(char *text) {
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static tr_status explain_end(const struct launch *launch, struct failure *failure) {
    static const char said_error[] = "trouped: error: ", said_fix[] = "\n  fix: ";
    tr_status status = status_of_exit(launch->exit_code);
    char *tail = output_tail(launch), *message = last_of(tail, said_error);
    failure_step(failure, false, "node %s: exit code %d", launch->name, launch->exit_code);
    if (message != NULL) {
        message += sizeof said_error - 1;
        char *hint = strstr(message, said_fix);
        if (hint != NULL) hint = one_line(hint + sizeof said_fix - 1);
        failure_set(failure, status, hint, "node %s: %s", launch->name, one_line(message));
    } else {
        char *last = tail;
        for (size_t bytes = strlen(tail); bytes > 0 && tail[bytes - 1] == '\n';)
            tail[--bytes] = '\0';
        if (strrchr(tail, '\n') != NULL) last = strrchr(tail, '\n') + 1;
        failure_set(failure, status, NULL, "node %s ended with exit code %d%s%s", launch->name,
                    launch->exit_code, *last == '\0' ? "" : ": ", last);
        error_hint(&failure->error, "see %s, and `log` beside it", launch->output);
    }
    mem_free(tail);
    return status;
}

static bool reached(const struct launch *launch, enum launch_goal goal) {
    return goal == LAUNCH_BOUND ? launch->bound : launch->up;
}

static tr_status explain_timeout(struct launch *const *launches, size_t count,
                                 enum launch_goal goal, struct failure *failure) {
    struct buffer names = {0};
    const char *folder = "";
    for (size_t i = 0; i < count; i++) {
        if (reached(launches[i], goal)) {
            failure_step(failure, true, "node %s", launches[i]->name);
            continue;
        }
        failure_step(failure, false, "node %s: %s", launches[i]->name,
                     launches[i]->bound ? "bound, but not joined" : "not bound");
        buffer_append_format(&names, "%s%s", names.bytes == 0 ? "" : ", ", launches[i]->name);
        if (*folder == '\0') folder = launches[i]->output;
    }
    failure_set(failure, TR_ETIMEDOUT, NULL, "not in time: %s", buffer_text(&names));
    error_hint(&failure->error, "give more time with --timeout, or see %s and `log` beside it",
               folder);
    buffer_fini(&names);
    return TR_ETIMEDOUT;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* One round of poll. TR_OK: something came, or the time is over. */
static tr_status listen_once(struct launch *const *launches, size_t count, int signal_fd,
                             uint64_t wait_ms) {
    struct pollfd fds[LAUNCHES_MAX + 1];
    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = launches[i]->ready_fd, .events = POLLIN};
    fds[count] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
    int ready = poll(fds, count + 1, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms);
    if (ready <= 0) return TR_OK;
    if (fds[count].revents != 0) return TR_EINTR;
    for (size_t i = 0; i < count; i++)
        if (fds[i].revents != 0) take_ready(launches[i]);
    return TR_OK;
}

tr_status launch_wait(struct launch *const *launches, size_t count, enum launch_goal goal,
                      uint64_t timeout_ms, int signal_fd, launch_progress *progress, void *context,
                      struct failure *failure) {
    check(count <= LAUNCHES_MAX);
    uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * 1000000;
    for (;;) {
        size_t there = 0;
        for (size_t i = 0; i < count; i++) {
            if (launches[i]->ended) return explain_end(launches[i], failure);
            there += reached(launches[i], goal);
        }
        if (progress != NULL) progress(context, there, count);
        if (there == count) return TR_OK;
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns) return explain_timeout(launches, count, goal, failure);
        if (listen_once(launches, count, signal_fd, (deadline_ns - now_ns) / 1000000 + 1) != TR_OK)
            return failure_set(failure, TR_EINTR, NULL, "interrupted");
    }
}

const char *launch_endpoint(const struct launch *launch) {
    return launch->endpoint;
}

const char *launch_name(const struct launch *launch) {
    return launch->name;
}

int launch_exit_code(const struct launch *launch) {
    return launch->exit_code;
}

void launch_release(struct launch *launch) {
    if (launch == NULL) return;
    if (launch->ready_fd >= 0) close(launch->ready_fd);
    buffer_fini(&launch->text);
    mem_free(launch->endpoint);
    mem_free(launch->output);
    mem_free(launch->name);
    mem_free(launch);
}

/* The daemon is our child and not reaped yet, so its pid is still its own. */
static void reap(const struct launch *launch, uint64_t grace_ms) {
    struct process process;
    struct pollfd end = {.fd = -1, .events = POLLIN};
    if (process_of(launch->pid, &process)) end.fd = process_open(&process);
    if (end.fd >= 0 && poll(&end, 1, (int)grace_ms) == 0) kill(launch->pid, SIGKILL);
    if (end.fd >= 0) close(end.fd);
    while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

void launch_abandon(struct launch **launches, size_t count, uint64_t grace_ms) {
    for (size_t i = 0; i < count; i++)
        if (!launches[i]->ended) kill(launches[i]->pid, SIGTERM);
    for (size_t i = 0; i < count; i++) {
        if (!launches[i]->ended) reap(launches[i], grace_ms);
        launch_release(launches[i]);
    }
}
