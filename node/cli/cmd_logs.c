/*
 * cmd_logs.c - logs: lines of all nodes in the order of time, and new ones as they come.
 *
 * Nodes of this machine are read from their files, also when they no longer run; others are asked.
 * Following waits for the files to change (inotify); only nodes elsewhere have to be asked again
 * and again.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "node/base/hex.h"
#include "node/base/memory.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/log_source.h"
#include "node/cli/rows.h"

enum { LINES_DEFAULT = 200, LINE_BYTES_USUAL = 512, ASK_AGAIN_MS = 1000 };

struct logs {
    struct app *app;
    struct remote *remote; /* NULL: nobody is asked */
    struct log_source **sources;
    size_t source_count;
    struct rows rows;
    int watch_fd; /* inotify; -1: not following */
};

/* ---- where from ------------------------------------------------------------------------------ */

static uint64_t tail_bytes(const struct args *args) {
    if (args_text(args, "trace") != NULL && !args_has(args, "lines")) return 0;
    uint64_t lines = args_count(args, "lines", LINES_DEFAULT);
    return lines > UINT32_MAX ? 0 : (lines + 1) * LINE_BYTES_USUAL;
}

static void add_source(struct logs *logs, struct log_source *source) {
    logs->sources = mem_realloc_array(logs->sources, logs->source_count + 1, sizeof *logs->sources);
    logs->sources[logs->source_count++] = source;
}

static bool is_wanted(const struct logs *logs, const char *node) {
    const char *only = args_text(logs->app->args, "node");
    return only == NULL || strcmp(only, node) == 0;
}

/* Adds the nodes of the folder that have a log file; a following reader learns of changes in
 * their folders. */
static void add_files(struct logs *logs, struct local_nodes *local) {
    const struct args *args = logs->app->args;
    for (size_t i = 0; i < local->count; i++) {
        struct local_node *node = &local->items[i];
        char *path = mem_format("%s/log", node->path);
        if (is_wanted(logs, node->name) && access(path, R_OK) == 0) {
            add_source(logs, log_source_file(node->name, path, args_text(args, "trace"),
                                             tail_bytes(args)));
            if (logs->watch_fd >= 0)
                inotify_add_watch(logs->watch_fd, node->path, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
            node->name[0] = '\0'; /* found: need not be asked */
        }
        mem_free(path);
    }
}

/* True when a member's lines are in a file of this machine. */
static bool has_file(const struct logs *logs, const struct local_nodes *before,
                     const struct local_nodes *after, const char *name) {
    (void)logs;
    for (size_t i = 0; i < before->count; i++)
        if (strcmp(before->items[i].name, name) == 0) return after->items[i].name[0] == '\0';
    return false;
}

/* Adds the members whose lines are not in a file here. That no node runs is fine when there are
 * files. */
static tr_status add_members(struct logs *logs, const struct local_nodes *before,
                             const struct local_nodes *after) {
    struct app *app = logs->app;
    bool given = args_text(app->args, "endpoint") != NULL;
    if (!given && local_nodes_running(before) == 0 && logs->source_count > 0) return TR_OK;
    tr_status status = remote_open(app, &logs->remote);
    if (status != TR_OK) {
        if (logs->source_count == 0) return status;
        output_note(&app->output, "warning: %s", app->failure.error.message);
        app->failure = (struct failure){0};
        return TR_OK;
    }
    const char *only = args_text(app->args, "node");
    if (only != NULL && logs->source_count == 0) {
        status = remote_check_node(logs->remote, only);
        if (status != TR_OK) return status;
    }
    for (size_t i = 0; i < remote_member_count(logs->remote); i++) {
        const char *name = remote_member_name(logs->remote, i);
        if (is_wanted(logs, name) && !has_file(logs, before, after, name))
            add_source(logs, log_source_node(name, logs->remote, args_text(app->args, "trace"),
                                             tail_bytes(app->args)));
    }
    return TR_OK;
}

static tr_status find_sources(struct logs *logs) {
    struct local_nodes before = {NULL, 0}, after = {NULL, 0};
    if (args_text(logs->app->args, "endpoint") == NULL) {
        folder_nodes(&logs->app->folder, &before);
        folder_nodes(&logs->app->folder, &after);
        add_files(logs, &after);
    }
    tr_status status = add_members(logs, &before, &after);
    local_nodes_free(&before);
    local_nodes_free(&after);
    return status;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void keep_line(void *context, const json_t *line, uint64_t time_ms) {
    struct logs *logs = context;
    rows_add(&logs->rows, line, time_ms);
}

static const char *text_of(json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void print_extra(json_t *line, const char *key) {
    const char *text = text_of(line, key);
    if (*text != '\0') printf(" %s=%s", key, text);
}

/* "23:59:59.123 n1 info  message actor=n1/17.3 trace=..." */
static void print_line(json_t *line) {
    const char *raw = json_string_value(json_object_get(line, "line"));
    if (raw != NULL) {
        printf("%s %s\n", text_of(line, "node"), raw);
        return;
    }
    printf("%s %s %-5s %s", text_of(line, "time"), text_of(line, "node"), text_of(line, "level"),
           text_of(line, "msg"));
    print_extra(line, "component");
    print_extra(line, "actor");
    print_extra(line, "trace");
    putchar('\n');
}

static void print_rows(struct logs *logs) {
    for (size_t i = 0; i < logs->rows.count; i++) {
        json_t *line = rows_get(&logs->rows, i);
        if (!output_json(&logs->app->output, "Log", line)) print_line(line);
        json_decref(line);
    }
    (void)output_flush();
}

static void read_all(struct logs *logs) {
    for (size_t i = 0; i < logs->source_count; i++) {
        logs->app->failure = (struct failure){0};
        if (log_source_read(logs->sources[i], keep_line, logs, &logs->app->failure) != TR_OK)
            output_note(&logs->app->output, "warning: %s", logs->app->failure.error.message);
    }
    logs->app->failure = (struct failure){0};
    rows_sort(&logs->rows, ROWS_SMALLEST_FIRST);
}

/* ---- following ------------------------------------------------------------------------------- */

/* Waits until a file has changed, or until it is time to ask nodes elsewhere. */
static void wait_for_change(struct logs *logs) {
    char events[4096];
    int wait_ms = -1;
    for (size_t i = 0; i < logs->source_count; i++)
        if (log_source_is_remote(logs->sources[i])) wait_ms = ASK_AGAIN_MS;
    struct pollfd change = {.fd = logs->watch_fd, .events = POLLIN};
    if (poll(&change, 1, wait_ms) > 0) (void)!read(logs->watch_fd, events, sizeof events);
}

/* Ends with the program, by a signal or when nobody reads stdout any more. */
static tr_status follow(struct logs *logs) {
    while (output_flush()) {
        wait_for_change(logs);
        read_all(logs);
        print_rows(logs);
        rows_keep_first(&logs->rows, 0);
    }
    return TR_OK;
}

static tr_status run(struct logs *logs) {
    tr_status status = find_sources(logs);
    if (status != TR_OK) return status;
    bool is_following = logs->watch_fd >= 0;
    const struct args *args = logs->app->args;
    read_all(logs);
    if (tail_bytes(args) > 0) rows_keep_last(&logs->rows, args_count(args, "lines", LINES_DEFAULT));
    if (is_following || !logs->app->output.json)
        print_rows(logs);
    else
        rows_print(&logs->rows, &logs->app->output, "LogList", NULL);
    if (!is_following)
        output_note(&logs->app->output, "%zu lines of %zu nodes", logs->rows.count,
                    logs->source_count);
    rows_keep_first(&logs->rows, 0);
    return is_following ? follow(logs) : TR_OK;
}

tr_status cmd_logs(struct app *app) {
    struct logs logs = {.app = app, .watch_fd = -1};
    const char *trace = args_text(app->args, "trace");
    uint8_t id[16];
    if (trace != NULL && !hex_decode(trace, id, sizeof id))
        return failure_set(&app->failure, TR_EINVAL, NULL,
                           "--trace: `%s` is not 32 hexadecimal digits", trace);
    if (args_has(app->args, "follow")) logs.watch_fd = inotify_init1(IN_CLOEXEC);
    tr_status status = run(&logs);
    for (size_t i = 0; i < logs.source_count; i++) log_source_free(logs.sources[i]);
    mem_free(logs.sources);
    rows_fini(&logs.rows);
    remote_close(logs.remote);
    if (logs.watch_fd >= 0) close(logs.watch_fd);
    return status;
}
