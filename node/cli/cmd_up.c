/*
 * cmd_up.c - up: make the cluster's folder, launch its nodes, wait until all have joined.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/keys.h"
#include "node/base/memory.h"
#include "node/base/random.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/duration.h"
#include "node/cli/interrupt.h"
#include "node/cli/launch.h"
#include "node/cli/node_config.h"
#include "node/cli/nodes.h"
#include "node/cli/port_pick.h"

enum { NODES_MAX = 64, NODES_DEFAULT = 3, ATTEMPTS = 5, GRACE_MS = 3000 };

/* One run of the command. */
struct up {
    struct app *app;
    const char **names; /* of the nodes to launch */
    size_t count;
    bool anew; /* write configurations; else launch those there are */
    char **loads;
    size_t load_count;
    const char **settings;
    size_t setting_count;
    char *program;
    uint16_t ports[2 * NODES_MAX]; /* picked in this attempt */
    struct launch *launches[NODES_MAX];
    size_t launched;
    int interrupt_fd;
};

/* ---- what is asked for ----------------------------------------------------------------------- */

static tr_status refuse_running(struct app *app, const struct local_nodes *local) {
    size_t running = local_nodes_running(local);
    bool all = running == local->count;
    return failure_set(&app->failure, TR_EEXIST,
                       all ? "stop it first: `troupe down`, or use another --dir or --name"
                           : "start the missing ones: `troupe node start NAME`, or stop all: "
                             "`troupe down`",
                       "cluster %s runs already in %s: %zu of %zu nodes", app->folder.cluster,
                       app->folder.path, running, local->count);
}

/* The files to load, as absolute paths, so that a launch from elsewhere finds them again. */
static tr_status take_loads(struct up *up) {
    const char *path;
    for (size_t cursor = 0; (path = args_next(up->app->args, "load", &cursor)) != NULL;) {
        char *absolute = realpath(path, NULL);
        if (absolute == NULL)
            return failure_set(&up->app->failure, TR_ENOENT, "build it first", "--load %s: %s",
                               path, strerror(errno));
        up->loads = mem_realloc_array(up->loads, up->load_count + 1, sizeof *up->loads);
        up->loads[up->load_count++] = absolute;
    }
    for (size_t cursor = 0; (path = args_next(up->app->args, "set", &cursor)) != NULL;) {
        up->settings = mem_realloc_array(up->settings, up->setting_count + 1, sizeof *up->settings);
        up->settings[up->setting_count++] = path;
    }
    return TR_OK;
}

static void add_name(struct up *up, const char *name) {
    up->names = mem_realloc_array(up->names, up->count + 1, sizeof *up->names);
    up->names[up->count++] = name;
}

static tr_status take_count(struct up *up, const struct local_nodes *local) {
    const char *word = args_word(up->app->args, 0);
    char *end = NULL;
    unsigned long count = NODES_DEFAULT;
    size_t configured = 0;
    for (size_t i = 0; i < local->count; i++) configured += local->items[i].configured;
    if (word != NULL) count = strtoul(word, &end, 10);
    if (word != NULL &&
        (*word < '0' || *word > '9' || *end != '\0' || count < 1 || count > NODES_MAX))
        return failure_set(&up->app->failure, TR_EINVAL, "for example `troupe up 3`",
                           "`%s` is no number of nodes from 1 to %d", word, NODES_MAX);
    const struct args *args = up->app->args;
    up->anew = word != NULL || configured == 0 || up->load_count > 0 || up->setting_count > 0 ||
               args_has(args, "workers") || args_has(args, "insecure");
    if (word == NULL && configured > 0) count = configured > NODES_MAX ? NODES_MAX : configured;
    for (unsigned long i = 0; up->anew && i < count; i++) add_name(up, mem_format("n%lu", i + 1));
    for (size_t i = 0; !up->anew && i < local->count && up->count < NODES_MAX; i++)
        if (local->items[i].configured) add_name(up, mem_strdup(local->items[i].name));
    return TR_OK;
}

/* ---- the folder ------------------------------------------------------------------------------ */

static void draw(void *context, void *out, size_t bytes) {
    (void)context;
    random_system(out, bytes);
}

/* All keys before any node runs, so that each finds the others' from the start. */
static tr_status make_keys(struct up *up) {
    const struct folder *folder = &up->app->folder;
    if (folder->insecure) return TR_OK;
    key_pair pair;
    tr_status status = keys_load_or_make(folder->keys, "operate.local", draw, NULL, &pair,
                                         &up->app->failure.error);
    for (size_t i = 0; i < up->count && status == TR_OK; i++)
        status = keys_load_or_make(folder->keys, up->names[i], draw, NULL, &pair,
                                   &up->app->failure.error);
    if (status == TR_OK) keys_wipe(&pair);
    return status;
}

static bool is_chosen(const struct up *up, const char *name) {
    for (size_t i = 0; i < up->count; i++)
        if (strcmp(up->names[i], name) == 0) return true;
    return false;
}

static tr_status make_folder(struct up *up, const struct local_nodes *local) {
    struct folder *folder = &up->app->folder;
    if (up->anew) folder->insecure = args_has(up->app->args, "insecure");
    tr_status status = folder_save(folder, &up->app->failure);
    if (status == TR_OK) status = make_keys(up);
    for (size_t i = 0; up->anew && status == TR_OK && i < local->count; i++)
        if (!is_chosen(up, local->items[i].name)) node_config_retire(&local->items[i]);
    return status;
}

static tr_status write_configurations(struct up *up, struct port_pick *ports) {
    tr_status status = TR_OK;
    for (size_t i = 0; i < up->count && status == TR_OK; i++) {
        struct node_config config = {
            .name = up->names[i],
            .workers = args_count(up->app->args, "workers", 0),
            .loads = (const char *const *)up->loads,
            .load_count = up->load_count,
            .settings = up->settings,
            .setting_count = up->setting_count,
        };
        config.port = up->ports[2 * i] = port_pick_take(ports);
        config.control_port = up->ports[2 * i + 1] = port_pick_take(ports);
        if (config.control_port == 0)
            return failure_set(&up->app->failure, TR_ECONFIG, NULL, "no free port on 127.0.0.1");
        status = node_config_write(&up->app->folder, &config, &up->app->failure);
    }
    return status;
}

/* ---- launching ------------------------------------------------------------------------------- */

static void show_progress(void *context, size_t reached, size_t count) {
    output_progress(context, "nodes up %zu/%zu", reached, count);
}

static tr_status launch_one(struct up *up, size_t index, const char *seed) {
    const char *const seeds[] = {seed, NULL};
    char *folder = folder_node_path(&up->app->folder, up->names[index]);
    struct launch_options options = {
        .program = up->program, .folder = folder, .name = up->names[index], .seeds = seeds};
    tr_status status = launch_start(&options, &up->launches[up->launched], &up->app->failure);
    if (status == TR_OK) up->launched++;
    mem_free(folder);
    return status;
}

/* The first founds the cluster; the others join through it once it is bound. */
static tr_status launch_all(struct up *up, uint64_t timeout_ms) {
    struct app *app = up->app;
    tr_status status = launch_one(up, 0, NULL);
    if (status == TR_OK)
        status = launch_wait(up->launches, 1, LAUNCH_BOUND, timeout_ms, up->interrupt_fd, NULL,
                             NULL, &app->failure);
    char *seed = status != TR_OK
                     ? NULL
                     : mem_format("%s@%s", up->names[0], launch_endpoint(up->launches[0]));
    for (size_t i = 1; i < up->count && status == TR_OK; i++) status = launch_one(up, i, seed);
    mem_free(seed);
    if (status == TR_OK)
        status = launch_wait(up->launches, up->launched, LAUNCH_UP, timeout_ms, up->interrupt_fd,
                             show_progress, &app->output, &app->failure);
    output_progress_end(&app->output);
    return status;
}

/* Whether a node gave up because another program took one of its ports meanwhile. */
static bool lost_a_port(const struct up *up) {
    for (size_t i = 0; i < up->launched; i++) {
        if (launch_exit_code(up->launches[i]) != EXIT_CONFIGURATION) continue;
        if (!port_is_free(up->ports[2 * i]) || !port_is_free(up->ports[2 * i + 1])) return true;
    }
    return false;
}

static tr_status launch_with_retries(struct up *up) {
    struct port_pick ports;
    uint64_t timeout_ms = args_duration_ms(up->app->args, "timeout", APP_LAUNCH_MS);
    tr_status status = TR_OK;
    port_pick_init(&ports, up->app->folder.path);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        up->app->failure = (struct failure){0};
        if (up->anew) status = write_configurations(up, &ports);
        if (status != TR_OK) return status;
        failure_step(&up->app->failure, true, "cluster folder");
        status = launch_all(up, timeout_ms);
        if (status == TR_OK) return TR_OK;
        bool again = up->anew && lost_a_port(up);
        launch_abandon(up->launches, up->launched, GRACE_MS);
        up->launched = 0;
        if (!again) return status;
    }
    return status;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void suggest(struct app *app, struct remote *remote) {
    json_t *data = NULL;
    struct remote_call call = {.op = "behaviors"};
    struct failure kept = app->failure;
    if (remote_call(remote, &call, &data) == TR_OK) {
        json_t *first = json_array_get(json_object_get(data, "behaviors"), 0);
        const char *name = json_string_value(json_object_get(first, "name"));
        if (name != NULL)
            output_next(&app->output, "troupe spawn %s --name NAME", name);
        else
            output_next(&app->output, "troupe down, then troupe up %zu --load FILE.so",
                        remote_member_count(remote));
    }
    app->failure = kept;
    json_decref(data);
}

static tr_status report(struct up *up) {
    struct app *app = up->app;
    struct remote *remote = NULL;
    tr_status status = remote_open(app, &remote);
    if (status != TR_OK) return status;
    json_t *nodes = nodes_describe(app, remote);
    json_t *data = json_pack("{s:s, s:s, s:O}", "cluster", app->folder.cluster, "dir",
                             app->folder.path, "nodes", nodes);
    output_data(&app->output, "Up", data, nodes, nodes_columns);
    output_note(&app->output, "cluster %s is up: %zu nodes, in %s", app->folder.cluster, up->count,
                app->folder.path);
    suggest(app, remote);
    json_decref(data);
    json_decref(nodes);
    remote_close(remote);
    return TR_OK;
}

static tr_status run(struct up *up, const struct local_nodes *local) {
    if (local_nodes_running(local) > 0) return refuse_running(up->app, local);
    tr_status status = take_loads(up);
    if (status == TR_OK) status = take_count(up, local);
    if (status == TR_OK) status = make_folder(up, local);
    if (status != TR_OK) return status;
    up->interrupt_fd = interrupt_begin();
    status = launch_with_retries(up);
    interrupt_end(up->interrupt_fd);
    for (size_t i = 0; i < up->launched; i++) launch_release(up->launches[i]);
    return status == TR_OK ? report(up) : status;
}

tr_status cmd_up(struct app *app) {
    struct up up = {.app = app, .program = launch_program(), .interrupt_fd = -1};
    struct local_nodes local;
    folder_nodes(&app->folder, &local);
    tr_status status = run(&up, &local);
    local_nodes_free(&local);
    for (size_t i = 0; i < up.load_count; i++) free(up.loads[i]);
    for (size_t i = 0; i < up.count; i++) mem_free((char *)up.names[i]);
    mem_free(up.names);
    mem_free(up.loads);
    mem_free(up.settings);
    mem_free(up.program);
    return status;
}
