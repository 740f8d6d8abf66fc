/* node_open.c - tr_node_open: a node in the real world, with its clock, files, log and ZeroMQ. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/node.h"
#include "transport/zmq_driver.h"

/* What open_driver needs besides the events; lives during node_new. */
struct real_world {
    const tr_node_options *options;
    const struct environment *environment;
    key_pair keys;
    char *keys_dir;
};

/* The key that a control program on this machine uses unless told otherwise. */
static tr_status make_control_key(struct real_world *world, tr_error *error) {
    const struct environment *environment = world->environment;
    key_pair control;
    tr_status status =
        keys_load_or_make(world->keys_dir, "operate.local", environment->random_bytes,
                          environment->context, &control, error);
    keys_wipe(&control);
    return status;
}

static tr_status open_zmq(void *context, const struct driver_events *events,
                          struct driver *driver_out, tr_error *error) {
    struct real_world *world = context;
    const tr_node_options *options = world->options;
    const char *name = options->name == NULL ? "n1" : options->name;
    if (options->security == TR_SECURITY_CURVE) {
        tr_status status = keys_load(world->keys_dir, name, &world->keys, error);
        if (status == TR_OK) status = make_control_key(world, error);
        if (status != TR_OK) return status;
    }
    uint32_t body_max = options->message_bytes_max == 0 ? 1 << 20 : options->message_bytes_max;
    struct zmq_driver_options zmq = {
        .listen = options->listen != NULL ? options->listen : "tcp://127.0.0.1:0",
        .control = options->control != NULL ? options->control : "tcp://127.0.0.1:0",
        .security = options->security,
        .keys = &world->keys,
        .keys_dir = world->keys_dir,
        .frame_bytes_max = body_max + 65536,
        .events = *events,
        .environment = world->environment};
    return zmq_driver_open(&zmq, driver_out, error);
}

static tr_status open_log(const tr_node_options *options, struct logger **logger_out,
                          tr_error *error) {
    const char *format = options->log_format == NULL ? "auto" : options->log_format;
    bool terminal = options->log_path == NULL && isatty(STDERR_FILENO);
    bool logfmt = strcmp(format, "logfmt") == 0 || (strcmp(format, "auto") == 0 && terminal);
    if (!logfmt && strcmp(format, "json") != 0 && strcmp(format, "auto") != 0)
        return error_set(error, TR_ECONFIG, "logfmt, json or auto", "\"%s\" is no log format",
                         format);
    tr_log_level level = options->log_level == TR_DEBUG ? TR_INFO : options->log_level;
    if ((options->flags & TR_NODE_LOG_DEBUG) != 0) level = TR_DEBUG;
    log_options log = {.node = options->name == NULL ? "n1" : options->name,
                       .format = logfmt ? LOG_LOGFMT : LOG_JSON,
                       .level_min = level,
                       .path = options->log_path};
    return log_open(&log, logger_out, error);
}

tr_status tr_node_open(const tr_node_options *options, tr_node **node_out, tr_error *error) {
    tr_error ignored;
    if (error == NULL) error = &ignored;
    struct logger *logger;
    tr_status status = open_log(options, &logger, error);
    if (status != TR_OK) return status;
    struct environment *environment = mem_zalloc(1, sizeof *environment);
    environment_real(environment, logger);
    struct real_world real = {.options = options, .environment = environment};
    if (options->keys_dir != NULL)
        real.keys_dir = mem_strdup(options->keys_dir);
    else if (options->dir != NULL)
        real.keys_dir = storage_join(options->dir, "keys");
    struct node_world world = {.environment = environment,
                               .files = storage_system(),
                               .open_driver = open_zmq,
                               .context = &real,
                               .threads = true};
    tr_node *node;
    status = node_new(options, &world, logger, &node, error);
    keys_wipe(&real.keys);
    mem_free(real.keys_dir);
    if (status != TR_OK) {
        log_close(logger);
        mem_free(environment);
        return status;
    }
    *error = (tr_error){.status = TR_OK}; /* what was tried on the way is nobody's concern */
    node->own_environment = environment;
    node->owns_logger = true;
    *node_out = node;
    return TR_OK;
}
