/*
 * trouped_main.c - the node daemon: opens one node, loads its behaviors, and runs it until told to
 * stop.
 *
 * Uses the public interface only, as any user's own main would. Signals are taken by one thread of
 * their own (sigwait), so that nothing runs inside a signal handler. Exit codes are in --help.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <troupe.h>
#include <unistd.h>

#include "node/cli/daemon_files.h"
#include "node/cli/daemon_settings.h"

enum {
    EXIT_DATA = 65,
    EXIT_ABSENT = 66,
    EXIT_INTERNAL = 70,
    EXIT_REFUSED = 77,
    EXIT_CONFIGURATION = 78,
    EXIT_INTERRUPTED = 130,
};

enum { WAIT_UP_MS = 60000 };

struct daemon {
    struct daemon_settings settings;
    tr_node *node;
    pthread_t signal_thread;
    sigset_t signals;
    bool ready_open;
};

static int complain(int code, const char *message, const char *hint) {
    fprintf(stderr, "trouped: error: %s\n", message);
    if (hint != NULL && *hint != '\0') fprintf(stderr, "  fix: %s\n", hint);
    return code;
}

static int complain_status(int code, tr_status status, const tr_error *error) {
    return complain(code, *error->message == '\0' ? tr_status_text(status) : error->message,
                    error->hint);
}

/* ---- signals --------------------------------------------------------------------------------- */

static void *take_signals(void *context) {
    struct daemon *daemon = context;
    bool stopping = false;
    for (;;) {
        int number = 0;
        if (sigwait(&daemon->signals, &number) != 0 || number == SIGUSR1) return NULL;
        if (number == SIGHUP) {
            tr_node_reload(daemon->node);
            continue;
        }
        if (stopping) _exit(EXIT_INTERRUPTED);
        stopping = true;
        tr_node_stop(daemon->node);
    }
}

/* Before any thread starts: all inherit the mask, so that only sigwait gets these. */
static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool start_signals(struct daemon *daemon) {
    return pthread_create(&daemon->signal_thread, NULL, take_signals, daemon) == 0;
}

/* Before the node is freed: the thread must not touch it any more. */
static void end_signals(struct daemon *daemon) {
    pthread_kill(daemon->signal_thread, SIGUSR1);
    pthread_join(daemon->signal_thread, NULL);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* A node holds a descriptor a connection, so it takes as many as it may. */
static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static tr_log_level log_level(const char *name) {
    if (name == NULL || strcmp(name, "info") == 0) return TR_INFO;
    if (strcmp(name, "warn") == 0) return TR_WARN;
    return strcmp(name, "error") == 0 ? TR_ERROR : TR_DEBUG;
}

static tr_status open_node(struct daemon *daemon, tr_error *error) {
    const struct daemon_settings *from = &daemon->settings;
    tr_node_options options = {
        .name = from->name,
        .cluster = from->cluster,
        .dir = from->dir,
        .keys_dir = from->keys,
        .snapshot_dir = from->snapshots,
        .listen = from->listen,
        .advertise = from->advertise,
        .control = from->control,
        .seeds = (const char *const *)from->seeds.items,
        .security = from->insecure ? TR_SECURITY_NONE : TR_SECURITY_CURVE,
        .workers = (unsigned)from->workers,
        .mailbox = {.low = (uint32_t)from->mailbox_low,
                    .high = (uint32_t)from->mailbox_high,
                    .hard = (uint32_t)from->mailbox_hard},
        .message_bytes_max = (uint32_t)from->message_bytes_max,
        .suspect_after_ms = from->suspect_after_ms,
        .down_after_ms = from->down_after_ms,
        .slow_handler_ms = from->slow_handler_ms,
        .log_path = from->log,
        .log_format = from->log_format,
        .log_level = log_level(from->log_level),
    };
    if (options.log_level == TR_DEBUG) options.flags |= TR_NODE_LOG_DEBUG;
    return tr_node_open(&options, &daemon->node, error);
}

static int open_code(tr_status status) {
    if (status == TR_EREFUSED) return EXIT_REFUSED;
    return status == TR_EINTERNAL ? EXIT_INTERNAL : EXIT_CONFIGURATION;
}

static int load_behaviors(struct daemon *daemon) {
    for (size_t i = 0; i < daemon->settings.loads.count; i++) {
        tr_error error = {0};
        tr_status status = tr_node_load(daemon->node, daemon->settings.loads.items[i], &error);
        if (status != TR_OK)
            return complain_status(status == TR_ENOENT ? EXIT_ABSENT : EXIT_DATA, status, &error);
    }
    return 0;
}

/* ---- running --------------------------------------------------------------------------------- */

static struct daemon_card card_of(const struct daemon *daemon) {
    return (struct daemon_card){
        .name = daemon->settings.name,
        .cluster = daemon->settings.cluster,
        .endpoint = tr_node_endpoint(daemon->node),
        .control = tr_node_control_endpoint(daemon->node),
        .insecure = daemon->settings.insecure,
    };
}

static int publish(struct daemon *daemon) {
    char reason[DAEMON_REASON_BYTES];
    struct daemon_card card = card_of(daemon);
    const char *pid_file = daemon->settings.pid_file;
    if (!daemon_card_write(daemon->settings.dir, &card, reason) ||
        (pid_file != NULL && !daemon_pid_write(pid_file, reason)))
        return complain(EXIT_CONFIGURATION, reason, NULL);
    if (daemon->ready_open) daemon_ready_bound((int)daemon->settings.ready_fd, &card);
    return 0;
}

static void unpublish(const struct daemon *daemon) {
    daemon_card_remove(daemon->settings.dir);
    if (daemon->settings.pid_file != NULL) unlink(daemon->settings.pid_file);
}

static void close_ready(struct daemon *daemon) {
    if (daemon->ready_open) close((int)daemon->settings.ready_fd);
    daemon->ready_open = false;
}

/* Waits for as long as it takes: seeds may come up later. */
static tr_status wait_up(struct daemon *daemon, tr_error *error) {
    tr_status status;
    do {
        status = tr_node_wait_up(daemon->node, WAIT_UP_MS, error);
    } while (status == TR_ETIMEDOUT);
    if (status == TR_OK && daemon->ready_open) daemon_ready_up((int)daemon->settings.ready_fd);
    close_ready(daemon);
    return status;
}

static int run_started(struct daemon *daemon) {
    tr_error error = {0};
    tr_status status = wait_up(daemon, &error);
    int code = 0;
    if (status == TR_EREFUSED)
        code = complain_status(EXIT_REFUSED, status, &error);
    else if (status != TR_OK && status != TR_ECLOSED)
        code = complain_status(EXIT_INTERNAL, status, &error);
    if (status != TR_OK) tr_node_stop(daemon->node);
    status = tr_node_run(daemon->node);
    if (code != 0 || status == TR_OK || status == TR_ECLOSED) return code;
    tr_error ended = {0};
    return complain_status(status == TR_EREFUSED ? EXIT_REFUSED : EXIT_INTERNAL, status, &ended);
}

static int start_and_run(struct daemon *daemon) {
    tr_error error = {0};
    tr_status status = tr_node_start(daemon->node, &error);
    if (status != TR_OK) return complain_status(open_code(status), status, &error);
    if (!start_signals(daemon)) {
        tr_node_stop(daemon->node);
        return complain(EXIT_INTERNAL, "no thread could be started", NULL);
    }
    int code = run_started(daemon);
    end_signals(daemon);
    return code;
}

static int open_and_run(struct daemon *daemon) {
    tr_error error = {0};
    tr_status status = open_node(daemon, &error);
    if (status != TR_OK) return complain_status(open_code(status), status, &error);
    int code = load_behaviors(daemon);
    if (code == 0) code = publish(daemon);
    if (code == 0) {
        code = start_and_run(daemon);
        unpublish(daemon);
    }
    tr_node_close(daemon->node);
    return code;
}

static bool take_ready_fd(struct daemon *daemon) {
    int fd = (int)daemon->settings.ready_fd;
    if (fd == 0) return true;
    daemon->ready_open = fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
    return daemon->ready_open;
}

static int run_in_folder(struct daemon *daemon) {
    char reason[DAEMON_REASON_BYTES];
    int lock = daemon_lock(daemon->settings.dir, reason);
    if (lock < 0)
        return complain(EXIT_CONFIGURATION, reason,
                        "give another folder with --dir, or another --name");
    int code = open_and_run(daemon);
    close(lock);
    return code;
}

static int run(struct daemon *daemon) {
    if (!take_ready_fd(daemon))
        return complain(EXIT_CONFIGURATION, "ready-fd: no open descriptor has that number", NULL);
    block_signals(&daemon->signals);
    raise_descriptors();
    return run_in_folder(daemon);
}

int main(int argc, char **argv) {
    struct daemon daemon = {0};
    char reason[DAEMON_ERROR_BYTES];
    argp_program_version = "trouped " TR_VERSION;
    int code = daemon_settings_load(argc, argv, &daemon.settings, reason);
    code = code != 0 ? complain(code, reason, NULL) : run(&daemon);
    daemon_settings_fini(&daemon.settings);
    return code;
}
