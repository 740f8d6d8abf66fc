#define _GNU_SOURCE /* pipe2 */
#include "node/bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/error.h"

enum {
    UP_MS = 30000,  /* a node's time to join */
    END_MS = 10000, /* to stop */
    NEWS_BYTES = 512
};

static const char up[] = "up\n";

/* ---- the parent's side ----------------------------------------------------------------------- */

struct pipes {
    int lifeline[2], news[2]; /* read end, write end */
};

static void close_both(const int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

static bool open_pipes(struct pipes *pipes) {
    if (pipe2(pipes->lifeline, O_CLOEXEC) != 0) return false;
    if (pipe2(pipes->news, O_CLOEXEC) == 0) return true;
    close_both(pipes->lifeline);
    return false;
}

/* Between fork and exec in a program with threads: nothing but system calls. */
static _Noreturn void become_child(const struct pipes *pipes, char *const *argv, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && dup2(pipes->lifeline[0], STDIN_FILENO) >= 0 &&
        dup2(pipes->news[1], STDOUT_FILENO) >= 0)
        execv("/proc/self/exe", argv);
    _exit(127);
}

/* Reads until the line is whole, the other end is closed (false), or time is up (false). */
static bool read_line(int file, char *line, size_t line_bytes, uint64_t timeout_ms) {
    uint64_t until_ns = workload_now_ns() + timeout_ms * 1000000;
    size_t bytes = 0;
    line[0] = '\0';
    while (bytes + 1 < line_bytes && strchr(line, '\n') == NULL) {
        uint64_t now_ns = workload_now_ns();
        int left_ms = now_ns >= until_ns ? 0 : (int)((until_ns - now_ns) / 1000000 + 1);
        struct pollfd ready = {.fd = file, .events = POLLIN};
        int found = poll(&ready, 1, left_ms);
        if (found < 0 && errno == EINTR) continue;
        if (found <= 0) return false;
        ssize_t got = read(file, line + bytes, line_bytes - 1 - bytes);
        if (got <= 0) return false;
        bytes += (size_t)got;
        line[bytes] = '\0';
    }
    return true;
}

tr_status child_start(struct workload_run *run, const struct child_options *options,
                      struct child *child_out) {
    struct pipes pipes;
    if (!open_pipes(&pipes))
        return error_set(&run->error, TR_EIO, NULL, "no pipe: %s", strerror(errno));
    const char *argv[] = {"troupe",
                          CHILD_ARGUMENT,
                          options->role,
                          options->name,
                          options->dir,
                          options->seed,
                          options->security == TR_SECURITY_NONE ? "none" : "curve",
                          options->keys_dir == NULL ? "" : options->keys_dir,
                          NULL};
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) become_child(&pipes, (char *const *)argv, parent);
    close(pipes.lifeline[0]);
    close(pipes.news[1]);
    if (pid < 0) {
        close(pipes.lifeline[1]);
        close(pipes.news[0]);
        return error_set(&run->error, TR_EIO, NULL, "no process: %s", strerror(errno));
    }
    struct child made = {pid, pipes.lifeline[1], pipes.news[0]};
    char line[NEWS_BYTES];
    if (read_line(made.news, line, sizeof line, UP_MS) && strcmp(line, up) == 0) {
        *child_out = made;
        return TR_OK;
    }
    child_stop(&made);
    return error_set(&run->error, TR_EFAILED, NULL, "node %s is not up: %.300s", options->name,
                     line[0] == '\0' ? "it said nothing" : line);
}

void child_stop(struct child *child) {
    char line[NEWS_BYTES];
    close(child->lifeline);
    uint64_t until_ns = workload_now_ns() + END_MS * 1000000ull;
    while (read_line(child->news, line, sizeof line, END_MS) && workload_now_ns() < until_ns) {
    }
    /* Harmless to one that has ended: it is a zombie until it is waited for. */
    if (workload_now_ns() >= until_ns) kill(child->pid, SIGKILL);
    close(child->news);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    *child = (struct child){0};
}

/* ---- the child's side ------------------------------------------------------------------------ */

static const struct child_role *role_find(const char *name) {
    static const struct child_role *const tables[] = {child_roles_snapshot, child_roles_remote};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct child_role *role = tables[i]; role->name != NULL; role++)
            if (strcmp(role->name, name) == 0) return role;
    return NULL;
}

static tr_status start(tr_node *node, const struct child_role *role, tr_error *error) {
    tr_status status = TR_OK;
    for (const tr_behavior *const *each = role->behaviors; *each != NULL && status == TR_OK; each++)
        status = tr_node_offer(node, *each, error);
    if (status == TR_OK) status = tr_node_start(node, error);
    return status == TR_OK ? tr_node_wait_up(node, UP_MS, error) : status;
}

static void say(const char *text) {
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        return; /* the parent is gone: so is this, soon */
}

/* Until the parent closes its end or ends. */
static void stay(void) {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR) errno = 0;
}

int child_main(int argc, char **argv) {
    if (argc != 8) return 64;
    const struct child_role *role = role_find(argv[2]);
    if (role == NULL) return 64;
    const char *const seeds[] = {argv[5], NULL};
    tr_node_options options = {
        .name = argv[3],
        .dir = argv[4],
        .seeds = seeds,
        .security = strcmp(argv[6], "none") == 0 ? TR_SECURITY_NONE : TR_SECURITY_CURVE,
        .keys_dir = argv[7],
        .log_level = TR_ERROR};
    tr_node *node;
    tr_error error = {0};
    tr_status status = tr_node_open(&options, &node, &error);
    if (status == TR_OK) {
        status = start(node, role, &error);
        if (status == TR_OK) {
            say(up);
            stay();
        }
        tr_node_close(node);
    }
    if (status == TR_OK) return 0;
    say(error.message);
    say("\n");
    return 1;
}
