/*
 * cmd_down.c - down: let all nodes of the folder leave and end, the latest first.
 */
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "node/base/clock.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/cli/app.h"
#include "node/cli/commands.h"

/* How long one node may take before the next is asked as well. */
enum { TURN_MS = 500 };

static const struct output_column columns[] = {
    {"NAME", "name", OUTPUT_VALUE}, {"STATE", "state", OUTPUT_STATE}, {0}};

static uint64_t left_ms(uint64_t deadline_ns) {
    uint64_t now_ns = clock_monotonic_ns();
    return now_ns >= deadline_ns ? 0 : (deadline_ns - now_ns) / 1000000 + 1;
}

/* Waits for the end of a process; true when it has ended. */
static bool wait_end(int fd, uint64_t wait_ms) {
    struct pollfd end = {.fd = fd, .events = POLLIN};
    return poll(&end, 1, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms) > 0;
}

/* Asks one after the other, so that each leaves a cluster that is still there. A node that takes
 * long does not keep the others. */
static size_t stop_all(struct app *app, const struct local_nodes *local, int *fds,
                       uint64_t deadline_ns) {
    size_t running = local_nodes_running(local), ended = 0;
    for (size_t i = local->count; i > 0; i--) {
        if (!local->items[i - 1].running) continue;
        fds[i - 1] = process_open(&local->items[i - 1].process);
        if (fds[i - 1] >= 0) process_signal(fds[i - 1], SIGTERM);
        uint64_t turn_ms = left_ms(deadline_ns) < TURN_MS ? left_ms(deadline_ns) : TURN_MS;
        if (fds[i - 1] < 0 || wait_end(fds[i - 1], turn_ms)) ended++;
        output_progress(&app->output, "nodes stopped %zu/%zu", ended, running);
    }
    size_t left = 0;
    for (size_t i = 0; i < local->count; i++)
        left += fds[i] >= 0 && !wait_end(fds[i], left_ms(deadline_ns));
    return left;
}

static tr_status explain_left(struct app *app, const struct local_nodes *local, const int *fds,
                              uint64_t timeout_ms) {
    const char *first = NULL;
    for (size_t i = 0; i < local->count; i++) {
        if (!local->items[i].running) continue;
        bool ended = fds[i] < 0 || wait_end(fds[i], 0);
        failure_step(&app->failure, ended, "%s %s", local->items[i].name,
                     ended ? "stopped" : "still runs");
        if (!ended && first == NULL) first = local->items[i].name;
    }
    failure_set(&app->failure, TR_ETIMEDOUT, NULL, "not all nodes stopped within %" PRIu64 " ms",
                timeout_ms);
    if (first != NULL)
        error_hint(&app->failure.error, "give more time with --timeout, or `troupe node kill %s`",
                   first);
    return TR_ETIMEDOUT;
}

static void print_stopped(struct app *app, const struct local_nodes *local) {
    json_t *nodes = json_array();
    for (size_t i = 0; i < local->count; i++)
        json_array_append_new(
            nodes, json_pack("{s:s, s:s}", "name", local->items[i].name, "state",
                             local->items[i].carded && !local->items[i].running ? "down" : "left"));
    json_t *data = json_pack("{s:s, s:s, s:O}", "cluster", app->folder.cluster, "dir",
                             app->folder.path, "nodes", nodes);
    output_data(&app->output, "Down", data, nodes, columns);
    json_decref(data);
    json_decref(nodes);
}

static tr_status run(struct app *app, const struct local_nodes *local, int *fds) {
    uint64_t timeout_ms = args_duration_ms(app->args, "timeout", APP_STOP_MS);
    uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * 1000000;
    size_t running = local_nodes_running(local);
    size_t left = stop_all(app, local, fds, deadline_ns);
    output_progress_end(&app->output);
    if (left > 0) return explain_left(app, local, fds, timeout_ms);
    print_stopped(app, local);
    if (running == 0)
        output_note(&app->output, "no node of cluster %s was running", app->folder.cluster);
    else
        output_note(&app->output,
                    "cluster %s is down: %zu nodes stopped; keys, logs and snapshots stay in %s",
                    app->folder.cluster, running, app->folder.path);
    output_next(&app->output, "troupe up");
    return TR_OK;
}

tr_status cmd_down(struct app *app) {
    struct local_nodes local;
    if (!app->folder.exists)
        return failure_set(&app->failure, TR_EUNREACHABLE, "name its folder with --dir",
                           "there is no cluster in %s", app->folder.path);
    folder_nodes(&app->folder, &local);
    int *fds = mem_alloc((local.count + 1) * sizeof *fds);
    for (size_t i = 0; i < local.count; i++) fds[i] = -1;
    tr_status status = run(app, &local, fds);
    for (size_t i = 0; i < local.count; i++)
        if (fds[i] >= 0) close(fds[i]);
    mem_free(fds);
    local_nodes_free(&local);
    return status;
}
