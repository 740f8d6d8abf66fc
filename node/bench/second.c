#define _GNU_SOURCE /* pipe and socket flags, posix_spawn */
#include "node/bench/second.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/error.h"

enum { PATH_ROOM = 512, LINE_ROOM = 64 };

uint64_t workload_peak_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

struct hello {
    char unused;
};
TR_RECORD(hello);

static tr_status guest_on_hello(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    return TR_OK;
}

/* Proves that spawning over there works. */
static const tr_behavior guest = {
    .name = "guest", .version = 1, .handlers = TR_HANDLERS({&hello_record, guest_on_hello})};

/* ---- both processes -------------------------------------------------------------------------- */

static tr_status open_node(const char *dir, const char *name, tr_security security,
                           const char *seed, tr_node **node_out, tr_error *error) {
    char own[PATH_ROOM], keys[PATH_ROOM];
    snprintf(own, sizeof own, "%s/%s", dir, name);
    snprintf(keys, sizeof keys, "%s/keys", dir);
    const char *seeds[] = {seed, NULL};
    tr_node_options options = {.name = name,
                               .dir = own,
                               .keys_dir = keys,
                               .seeds = seed == NULL ? NULL : seeds,
                               .security = security,
                               .log_level = TR_ERROR};
    return tr_node_open(&options, node_out, error);
}

static tr_status start_node(tr_node *node, const tr_behavior *const *behaviors, tr_error *error) {
    tr_status status = TR_OK;
    for (; status == TR_OK && *behaviors != NULL; behaviors++)
        status = tr_node_offer(node, *behaviors, error);
    if (status == TR_OK) status = tr_node_start(node, error);
    return status == TR_OK ? tr_node_wait_up(node, WORKLOAD_WAIT_MS, error) : status;
}

/* ---- the child ------------------------------------------------------------------------------- */

/* Dies with its parent, which may have died already. */
static bool bind_to_parent(const char *parent) {
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == (pid_t)atol(parent);
}

int workload_child_main(int argc, char **argv) {
    if (argc != 6 || !bind_to_parent(argv[2])) return 2;
    tr_node *node = NULL;
    tr_error error = {0};
    tr_security security = (tr_security)atoi(argv[4]);
    tr_status status = open_node(argv[3], "b2", security, argv[5], &node, &error);
    if (status == TR_OK) status = tr_node_offer(node, &guest, &error);
    if (status == TR_OK) status = start_node(node, workload_child_behaviors, &error);
    if (status != TR_OK) {
        fprintf(stderr, "bench: the second node: %s\n", error.message);
        tr_node_close(node);
        return 1;
    }
    printf("up\n");
    fflush(stdout);
    while (getchar() != EOF) continue; /* the parent ends it by closing its end */
    printf("%" PRIu64 "\n", workload_peak_bytes());
    fflush(stdout);
    tr_node_close(node);
    return 0;
}

/* ---- the parent ------------------------------------------------------------------------------ */

static tr_status system_failure(tr_error *error, const char *what) {
    return error_set(error, TR_EIO, NULL, "%s: %s", what, strerror(errno));
}

/* Opens and closes the second node once, so that both nodes' keys are there before either reads the
 * folder. */
static tr_status make_keys(const char *dir, tr_security security, tr_error *error) {
    if (security != TR_SECURITY_CURVE) return TR_OK;
    tr_node *node = NULL;
    tr_status status = open_node(dir, "b2", security, NULL, &node, error);
    if (status == TR_OK) tr_node_close(node);
    return status;
}

static tr_status spawn_child(const char *dir, tr_security security, const char *endpoint,
                             struct workload_pair *pair, tr_error *error) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return system_failure(error, "no channel to a second process");
    char parent[24], kind[12], seed[PATH_ROOM];
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    snprintf(kind, sizeof kind, "%d", (int)security);
    snprintf(seed, sizeof seed, "b1@%s", endpoint);
    char *arguments[] = {
        (char *)"troupe", (char *)WORKLOAD_CHILD, parent, (char *)dir, kind, seed, NULL};
    extern char **environ;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    errno = posix_spawn(&pair->child, "/proc/self/exe", &actions, NULL, arguments, environ);
    bool started = errno == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    pair->channel = ends[0];
    return started ? TR_OK : system_failure(error, "cannot start a second process");
}

/* Reads one line of the child's; false when it ended before. */
static bool read_line(int channel, char line[LINE_ROOM]) {
    size_t bytes = 0;
    while (bytes < LINE_ROOM - 1) {
        ssize_t got = read(channel, line + bytes, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        if (line[bytes] == '\n') break;
        bytes++;
    }
    line[bytes] = '\0';
    return true;
}

static tr_status await_child(const struct workload_pair *pair, tr_error *error) {
    char line[LINE_ROOM];
    if (read_line(pair->channel, line) && strcmp(line, "up") == 0) return TR_OK;
    return error_set(error, TR_EUNREACHABLE, "run it with nothing else on the machine",
                     "the second node did not come up");
}

/* This node learns last that the other is up: its first guest is born then. */
static tr_status await_member(tr_port *port, tr_error *error) {
    tr_pid pid;
    tr_message *none;
    tr_status status = TR_ENOENT;
    for (int i = 0; status == TR_ENOENT && i < WORKLOAD_WAIT_MS; i++) {
        status = tr_port_spawn(port, guest.name, NULL, TR_SPAWN(.node = "b2"), WORKLOAD_WAIT_MS,
                               &pid, error);
        if (status == TR_ENOENT) (void)tr_port_receive(port, &hello_record, 1, &none);
    }
    return status == TR_OK ? tr_port_stop(port, pid) : status;
}

tr_status workload_pair_start(struct workload_run *run, tr_security security,
                              const tr_behavior *const *behaviors, struct workload_pair *pair_out) {
    struct workload_pair made = {.child = 0, .channel = -1};
    char dir[PATH_ROOM];
    snprintf(dir, sizeof dir, "%s/%s", run->dir, security == TR_SECURITY_CURVE ? "curve" : "plain");
    tr_error *error = &run->error;
    tr_status status = make_keys(dir, security, error);
    if (status == TR_OK) status = open_node(dir, "b1", security, NULL, &made.node, error);
    if (status == TR_OK) status = start_node(made.node, behaviors, error);
    if (status == TR_OK)
        status = spawn_child(dir, security, tr_node_endpoint(made.node), &made, error);
    if (status == TR_OK) status = await_child(&made, error);
    if (status == TR_OK) status = tr_port_open(made.node, &made.port);
    if (status == TR_OK) status = await_member(made.port, error);
    if (status != TR_OK) {
        workload_pair_stop(&made, NULL);
        return status;
    }
    *pair_out = made;
    return TR_OK;
}

void workload_pair_stop(struct workload_pair *pair, uint64_t *peak_out) {
    uint64_t peak = 0;
    char line[LINE_ROOM];
    if (pair->channel >= 0) {
        shutdown(pair->channel, SHUT_WR);
        if (read_line(pair->channel, line)) peak = strtoull(line, NULL, 10);
    }
    if (pair->child > 0) {
        int code;
        while (waitpid(pair->child, &code, 0) < 0 && errno == EINTR) continue;
    }
    if (pair->channel >= 0) close(pair->channel);
    tr_port_close(pair->port);
    if (pair->node != NULL) tr_node_close(pair->node);
    if (peak_out != NULL) *peak_out = peak;
}
