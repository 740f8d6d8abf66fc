/*
 * cmd_node.c - node stop, node kill, node start.
 */
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/interrupt.h"
#include "node/cli/launch.h"
#include "node/cli/nodes.h"
#include "node/cli/suggest.h"

enum { KILL_MS = 10000, GRACE_MS = 3000 };

static const struct output_column columns[] = {{"NAME", "name", OUTPUT_VALUE},
                                               {"STATE", "state", OUTPUT_STATE},
                                               {"PID", "pid", OUTPUT_VALUE},
                                               {0}};

static tr_status no_such_node(struct app *app, const struct local_nodes *local, const char *name) {
    const char **names = mem_zalloc(local->count + 1, sizeof *names);
    for (size_t i = 0; i < local->count; i++) names[i] = local->items[i].name;
    const char *nearest = suggest_nearest(name, names, local->count);
    failure_set(&app->failure, TR_ENOENT, "`troupe node list` lists them",
                "there is no node %s in %s", name, app->folder.path);
    if (nearest != NULL) error_hint(&app->failure.error, "did you mean `%s`?", nearest);
    mem_free(names);
    return TR_ENOENT;
}

static void print_node(struct app *app, const char *name, const char *state, json_int_t pid) {
    json_t *data = json_pack("{s:s, s:s, s:I}", "name", name, "state", state, "pid", pid);
    output_data(&app->output, "Node", data, data, columns);
    json_decref(data);
}

/* ---- stop and kill --------------------------------------------------------------------------- */

/* Sends the signal to exactly that process and waits for its end. */
static tr_status end_process(struct app *app, const struct local_node *node, int signal_number,
                             uint64_t timeout_ms) {
    struct pollfd end = {.fd = process_open(&node->process), .events = POLLIN};
    if (end.fd < 0) return TR_OK;
    bool sent = process_signal(end.fd, signal_number);
    bool ended = poll(&end, 1, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms) > 0;
    close(end.fd);
    if (ended) return TR_OK;
    if (!sent)
        return failure_set(&app->failure, TR_EREFUSED, "run it as the user who launched the node",
                           "process %ld of node %s may not be signalled", (long)node->process.pid,
                           node->name);
    failure_set(&app->failure, TR_ETIMEDOUT, NULL, "node %s still runs after %" PRIu64 " ms",
                node->name, timeout_ms);
    error_hint(&app->failure.error, "give more time with --timeout, or `troupe node kill %s`",
               node->name);
    return TR_ETIMEDOUT;
}

/* A node that was not launched here is asked through its control endpoint. */
static tr_status stop_remote(struct app *app, const struct local_nodes *local, const char *name) {
    struct remote *remote = NULL;
    json_t *data = NULL;
    if (args_text(app->args, "endpoint") == NULL && local_nodes_running(local) == 0)
        return no_such_node(app, local, name);
    tr_status status = remote_open(app, &remote);
    if (status != TR_OK) return status;
    status = remote_check_node(remote, name);
    struct remote_call call = {.node = name, .op = "node_stop"};
    if (status == TR_OK) status = remote_call(remote, &call, &data);
    if (status == TR_OK) {
        print_node(app, name, "left", 0);
        output_note(&app->output, "node %s leaves its cluster and stops", name);
    }
    json_decref(data);
    remote_close(remote);
    return status;
}

static tr_status stop_local(struct app *app, const struct local_node *node) {
    if (!node->running) {
        failure_set(&app->failure, TR_EUNREACHABLE, NULL, "node %s does not run", node->name);
        error_hint(&app->failure.error, "start it: `troupe node start %s`", node->name);
        return TR_EUNREACHABLE;
    }
    uint64_t timeout_ms = args_duration_ms(app->args, "timeout", APP_STOP_MS);
    tr_status status = end_process(app, node, SIGTERM, timeout_ms);
    if (status != TR_OK) return status;
    print_node(app, node->name, "left", node->process.pid);
    output_note(&app->output, "node %s has left the cluster and stopped", node->name);
    output_next(&app->output, "troupe node start %s", node->name);
    return TR_OK;
}

tr_status cmd_node_stop(struct app *app) {
    struct local_nodes local;
    const char *name = args_word(app->args, 0);
    folder_nodes(&app->folder, &local);
    const struct local_node *node = local_nodes_find(&local, name);
    tr_status status = node == NULL ? stop_remote(app, &local, name) : stop_local(app, node);
    local_nodes_free(&local);
    return status;
}

static tr_status kill_local(struct app *app, const struct local_node *node) {
    if (!node->running) {
        failure_set(&app->failure, TR_EUNREACHABLE, NULL, "node %s does not run", node->name);
        error_hint(&app->failure.error, "start it: `troupe node start %s`", node->name);
        return TR_EUNREACHABLE;
    }
    tr_status status = end_process(app, node, SIGKILL, KILL_MS);
    if (status != TR_OK) return status;
    print_node(app, node->name, "down", node->process.pid);
    output_note(&app->output, "node %s (process %ld) was killed; the others will notice",
                node->name, (long)node->process.pid);
    output_next(&app->output, "troupe node list --watch, then troupe node start %s", node->name);
    return TR_OK;
}

tr_status cmd_node_kill(struct app *app) {
    struct local_nodes local;
    const char *name = args_word(app->args, 0);
    folder_nodes(&app->folder, &local);
    const struct local_node *node = local_nodes_find(&local, name);
    tr_status status = node == NULL ? no_such_node(app, &local, name) : kill_local(app, node);
    local_nodes_free(&local);
    return status;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* All nodes of the folder that run, as seeds; ended by NULL. */
static char **seeds_of(const struct local_nodes *local) {
    char **seeds = mem_zalloc(local->count + 1, sizeof *seeds);
    size_t count = 0;
    for (size_t i = 0; i < local->count; i++)
        if (local->items[i].running)
            seeds[count++] = mem_format("%s@%s", local->items[i].name, local->items[i].endpoint);
    return seeds;
}

static tr_status launch_and_wait(struct app *app, const struct launch_options *options) {
    struct launch *launch = NULL;
    uint64_t timeout_ms = args_duration_ms(app->args, "timeout", APP_LAUNCH_MS);
    failure_step(&app->failure, true, "cluster folder");
    int interrupt_fd = interrupt_begin();
    tr_status status = launch_start(options, &launch, &app->failure);
    if (status == TR_OK) {
        status =
            launch_wait(&launch, 1, LAUNCH_UP, timeout_ms, interrupt_fd, NULL, NULL, &app->failure);
        if (status == TR_OK)
            launch_release(launch);
        else
            launch_abandon(&launch, 1, GRACE_MS);
    }
    interrupt_end(interrupt_fd);
    return status;
}

static tr_status start_local(struct app *app, const struct local_nodes *local,
                             const struct local_node *node) {
    if (node->running)
        return failure_set(&app->failure, TR_EEXIST, "`troupe node list` shows it",
                           "node %s runs already (process %ld)", node->name,
                           (long)node->process.pid);
    if (!node->configured)
        return failure_set(&app->failure, TR_ENOENT, "launch it as it was launched before",
                           "node %s was not launched by `troupe up`", node->name);
    char **seeds = seeds_of(local), *program = launch_program();
    struct launch_options options = {.program = program,
                                     .folder = node->path,
                                     .name = node->name,
                                     .seeds = (const char *const *)seeds};
    tr_status status = launch_and_wait(app, &options);
    for (size_t i = 0; seeds[i] != NULL; i++) mem_free(seeds[i]);
    mem_free(seeds);
    mem_free(program);
    return status;
}

static json_int_t pid_of(const struct app *app, const char *name) {
    struct local_nodes local;
    folder_nodes(&app->folder, &local);
    const struct local_node *node = local_nodes_find(&local, name);
    json_int_t pid = node == NULL ? 0 : node->process.pid;
    local_nodes_free(&local);
    return pid;
}

tr_status cmd_node_start(struct app *app) {
    struct local_nodes local;
    const char *name = args_word(app->args, 0);
    folder_nodes(&app->folder, &local);
    const struct local_node *node = local_nodes_find(&local, name);
    tr_status status =
        node == NULL ? no_such_node(app, &local, name) : start_local(app, &local, node);
    if (status == TR_OK) {
        print_node(app, name, "up", pid_of(app, name));
        output_note(&app->output, "node %s is up", name);
        output_next(&app->output, "troupe node show %s", name);
    }
    local_nodes_free(&local);
    return status;
}
