#include "node/node.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/condition.h"
#include "node/base/elf.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/parking.h"
#include "node/recording.h"
#include "node/services.h"
#include "node/unborn.h"
#include "node/worker.h"

enum {
    MAILBOX_HIGH = 1000,
    MESSAGE_BYTES_MAX = 1 << 20,
    SLOW_HANDLER_MS = 1000,
    DRAIN_MS = 5000 /* actors have so long to end */
};

void node_log(tr_node *node, tr_log_level level, const char *component, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_context context = {.component = component};
    log_write_list(node->logger, level, &context, format, arguments);
    va_end(arguments);
}

/* ---- wishes from other threads --------------------------------------------------------------- */

void node_wake(tr_node *node) {
    driver_wake(&node->driver);
    core_recall(node);
}

void node_submit(tr_node *node, struct command *command) {
    command->next = atomic_load_explicit(&node->commands, memory_order_relaxed);
    /* Release: the core sees the command's bytes. */
    while (!atomic_compare_exchange_weak_explicit(&node->commands, &command->next, command,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    node_wake(node);
}

static void run_commands(tr_node *node) {
    struct command *newest = atomic_exchange_explicit(&node->commands, NULL, memory_order_acquire);
    struct command *oldest = NULL;
    while (newest != NULL) {
        struct command *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct command *command = oldest;
        oldest = command->next;
        command->run(node, command);
    }
}

void node_set_stage(tr_node *node, enum node_stage stage) {
    pthread_mutex_lock(&node->mutex);
    if (node->stage < stage) node->stage = stage;
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

/* ---- lives: what the folder remembers -------------------------------------------------------- */

static void read_life(tr_node *node, uint64_t *incarnation_out, uint32_t *lives_out) {
    struct buffer content;
    buffer_init(&content);
    char *path = storage_join(node->dir, "life");
    if (storage_read_file(&node->world.files, path, 256, &content, NULL) == TR_OK)
        sscanf(buffer_text(&content), "incarnation %" SCNu64 "\nlives %" SCNu32, incarnation_out,
               lives_out);
    mem_free(path);
    buffer_fini(&content);
}

enum { LIFE_BYTES = 96 };

static size_t life_text(const tr_node *node, uint32_t lives, char text[LIFE_BYTES]) {
    return (size_t)snprintf(text, LIFE_BYTES, "incarnation %" PRIu64 "\nlives %" PRIu32 "\n",
                            node->incarnation, lives);
}

/* A new life: a larger incarnation than any before, remembered before anybody hears of it. */
static tr_status begin_life(tr_node *node, tr_error *error) {
    uint64_t last = 0;
    read_life(node, &last, &node->lives);
    uint64_t clock = environment_wall_ns(node->world.environment) / 1000000;
    node->incarnation = clock > last ? clock : last + 1;
    char text[LIFE_BYTES];
    size_t length = life_text(node, node->lives + 1, text);
    tr_status status = storage_make_directories(&node->world.files, node->dir, error);
    if (status == TR_OK)
        status = storage_replace_file(&node->world.files, node->dir, "life", text, length, error);
    return status;
}

/* ---- assembly -------------------------------------------------------------------------------- */

/* The core holds no pointer of the actors' while it waits in the driver, whose events bring it
 * back. */
static void core_online(tr_node *node) {
    struct reclaim_reader *reader = &node->producer.reader;
    if (atomic_load_explicit(&reader->epoch, memory_order_relaxed) == 0) reclaim_online(reader);
}

static void on_frame(void *context, const char *user, const uint8_t *bytes, size_t size) {
    core_online(context);
    peer_frame(context, user, bytes, size);
}

static void on_ready(void *context, uint32_t peer) {
    tr_node *node = context;
    core_online(node);
    struct link *link =
        peer >= 1 && peer <= node->peer_count ? peer_at(node, peer - 1)->link : NULL;
    if (link != NULL) link_connected(link, environment_now_ns(node->world.environment));
}

static void on_control(void *context, const uint8_t *client, size_t client_bytes, const char *user,
                       const uint8_t *bytes, size_t size) {
    tr_node *node = context;
    core_online(node);
    control_request(node->control, client, client_bytes, user, bytes, size);
}

static char *text_or(const char *text, const char *otherwise) {
    return mem_strdup(text != NULL && text[0] != '\0' ? text : otherwise);
}

static char *below(const char *text, const char *dir, const char *name) {
    return text != NULL && text[0] != '\0' ? mem_strdup(text) : storage_join(dir, name);
}

static tr_status check_options(const tr_node_options *options, tr_error *error) {
    if (options->dir == NULL || options->dir[0] == '\0')
        return error_set(error, TR_ECONFIG, "set .dir to a folder of the node's own",
                         "the node has no folder");
    const char *name = options->name != NULL ? options->name : "n1";
    if (!member_name_valid(name))
        return error_set(error, TR_ECONFIG, "1 to 63 of A-Z a-z 0-9 _ and -",
                         "\"%s\" is no node name", name);
    const char *cluster = options->cluster != NULL ? options->cluster : "troupe";
    if (!member_name_valid(cluster))
        return error_set(error, TR_ECONFIG, "1 to 63 of A-Z a-z 0-9 _ and -",
                         "\"%s\" is no cluster name", cluster);
    if (options->message_bytes_max != 0 &&
        (options->message_bytes_max < 4096 || options->message_bytes_max > 64u << 20))
        return error_set(error, TR_ECONFIG, "4096 to 67108864 bytes", "a message limit of %u bytes",
                         options->message_bytes_max);
    if (options->security != TR_SECURITY_CURVE && options->security != TR_SECURITY_NONE)
        return error_set(error, TR_ECONFIG, NULL, "there is no security %d",
                         (int)options->security);
    if ((options->flags & ~(uint32_t)TR_NODE_LOG_DEBUG) != 0)
        return error_set(error, TR_ECONFIG, NULL, "there are no node flags 0x%x",
                         (unsigned)options->flags);
    uint64_t suspect_ms = options->suspect_after_ms != 0 ? options->suspect_after_ms : 3000;
    uint64_t down_ms = options->down_after_ms != 0 ? options->down_after_ms : 10000;
    if (suspect_ms >= down_ms)
        return error_set(error, TR_ECONFIG, "a member is suspected first",
                         "suspect_after_ms %" PRIu64 " is not below down_after_ms %" PRIu64,
                         suspect_ms, down_ms);
    if (options->advertise != NULL && strlen(options->advertise) >= 256)
        return error_set(error, TR_ECONFIG, NULL,
                         "the advertised endpoint is longer than 255 bytes");
    if (options->workers > 1024)
        return error_set(error, TR_ECONFIG, "one a core is the default", "%u workers are too many",
                         options->workers);
    return TR_OK;
}

static void copy_options(tr_node *node, const tr_node_options *options) {
    node->name = text_or(options->name, "n1");
    node->cluster = text_or(options->cluster, "troupe");
    node->dir = mem_strdup(options->dir);
    node->keys_dir = below(options->keys_dir, options->dir, "keys");
    node->snapshot_dir = below(options->snapshot_dir, options->dir, "snapshots");
    node->log_path = options->log_path == NULL ? NULL : mem_strdup(options->log_path);
    node->security = options->security;
    node->message_bytes_max =
        options->message_bytes_max == 0 ? MESSAGE_BYTES_MAX : options->message_bytes_max;
}

static unsigned default_workers(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (unsigned)cores;
}

static tr_status open_runtime(tr_node *node, const tr_node_options *options, tr_error *error) {
    struct runtime_options runtime = {
        .environment = node->world.environment,
        .node_name = node->name,
        .incarnation = node->incarnation,
        .workers = options->workers == 0 ? default_workers() : options->workers,
        .limits = {MAILBOX_HIGH / 2, MAILBOX_HIGH, 16 * MAILBOX_HIGH},
        .message_bytes_max = node->message_bytes_max,
        .slow_handler_ns =
            (options->slow_handler_ms == 0 ? SLOW_HANDLER_MS : options->slow_handler_ms) * 1000000,
    };
    node->runtime = runtime_new(&runtime);
    producer_init(&node->producer, node->runtime, NULL);
    reclaim_online(&node->producer.reader);
    tr_status status =
        services_limits(node->runtime, &options->mailbox, &node->runtime->limits, error);
    return status == TR_OK ? services_offer(node->runtime, error) : status;
}

static void storage_notice(void *context) {
    node_wake(context);
}

static tr_status open_driver(tr_node *node, const tr_node_options *options, tr_error *error) {
    struct driver_events events = {
        .context = node, .frame = on_frame, .control = on_control, .ready = on_ready};
    tr_status status = node->world.open_driver(node->world.context, &events, &node->driver, error);
    if (status != TR_OK) return status;
    node->advertise = text_or(options->advertise, driver_endpoint(&node->driver));
    node->advertise_control = mem_strdup(driver_control_endpoint(&node->driver));
    return TR_OK;
}

static tr_status open_parts(tr_node *node, const tr_node_options *options, tr_error *error) {
    tr_status status = begin_life(node, error);
    if (status == TR_OK && node->security == TR_SECURITY_CURVE)
        status =
            keys_load_or_make(node->keys_dir, node->name, node->world.environment->random_bytes,
                              node->world.environment->context, &node->keys, error);
    else if (status == TR_OK)
        keys_make(&node->keys, node->world.environment->random_bytes,
                  node->world.environment->context);
    if (status == TR_OK) status = open_runtime(node, options, error);
    if (status == TR_OK) status = open_driver(node, options, error);
    if (status != TR_OK) return status;
    node->storage = storage_open(&node->world.files, storage_notice, node);
    status = cutter_open(node, error);
    if (status == TR_OK) status = cluster_open(node, options, error);
    if (status == TR_OK) node->control = control_open(node);
    return status;
}

static void node_free(tr_node *node) {
    if (node->runtime != NULL) core_online(node);
    if (node->storage != NULL) {
        run_commands(node); /* who came too late is told so */
        cutter_close(node);
        storage_close(node->storage);
    }
    if (node->control != NULL) control_close(node->control);
    if (node->runtime != NULL) {
        run_commands(node);
        reclaim_offline(&node->producer.reader);
        producer_fini(&node->producer);
        peers_free(node);
        runtime_free(node->runtime);
    }
    if (node->snapshot != NULL) snapshot_free(node->snapshot);
    if (node->members != NULL) members_free(node->members);
    if (node->driver.ops != NULL) driver_close(&node->driver);
    routes_free(atomic_load(&node->routes));
    keys_wipe(&node->keys);
    char *texts[] = {node->name,         node->cluster,  node->dir,       node->keys_dir,
                     node->snapshot_dir, node->log_path, node->advertise, node->advertise_control};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) mem_free(texts[i]);
    pthread_cond_destroy(&node->changed);
    pthread_mutex_destroy(&node->mutex);
    core_fini(&node->core);
    mem_free(node);
}

tr_status node_new(const tr_node_options *options, const struct node_world *world,
                   struct logger *logger, tr_node **node_out, tr_error *error) {
    tr_status status = check_options(options, error);
    if (status != TR_OK) return status;
    tr_node *node = mem_zalloc(1, sizeof *node);
    node->world = *world;
    node->logger = logger;
    pthread_mutex_init(&node->mutex, NULL);
    condition_init(&node->changed);
    core_init(&node->core);
    copy_options(node, options);
    node->opened_ns = environment_now_ns(world->environment);
    status = open_parts(node, options, error);
    if (status != TR_OK) {
        node_free(node);
        return status;
    }
    *node_out = node;
    return TR_OK;
}

/* ---- life ------------------------------------------------------------------------------------ */

void node_begin(tr_node *node) {
    node_set_stage(node, NODE_JOINING);
    node->started = true;
}

void node_host(tr_node *node) {
    const struct member *self = members_self(node->members);
    if (self->ordinal !=
        node->lives) { /* the cluster remembers more lives of this node than its folder does */
        char text[LIFE_BYTES];
        size_t length = life_text(node, self->ordinal + 1, text);
        storage_submit_replace(node->storage, node->dir, "life", text, length, NULL, NULL);
    }
    node->runtime->space = self->space;
    node->space_taken = true;
    cluster_publish(node);
    services_start(node->runtime);
    if (node->world.threads && parking_start(node->runtime) != TR_OK)
        node_log(node, TR_ERROR, "node", "no worker threads can be had");
    node_set_stage(node, NODE_UP);
}

/* Asks every actor of users to end, behind the mail it has. */
static void ask_all_to_end(tr_node *node) {
    struct runtime *runtime = node->runtime;
    for (uint32_t slot = 0; slot < slots_used(&runtime->slots); slot++) {
        struct slot_head *head = slots_at(&runtime->slots, slot);
        if (head == NULL || head->kind != SLOT_ACTOR) continue;
        tr_actor *actor = (tr_actor *)(void *)head;
        if (actor->behavior->system) continue;
        tr_message *item = message_new(0);
        item->kind = MESSAGE_STOP;
        item->to = actor_pid(actor);
        post_system(&node->producer, NULL, &item);
    }
}

static uint64_t user_actors(tr_node *node) {
    struct counter_sums sums = runtime_counters(node->runtime);
    uint64_t live = sums.spawned - sums.ended;
    return live > 2 ? live - 2 : 0; /* the two services stay */
}

static void leave(tr_node *node, uint64_t now_ns) {
    node_set_stage(node, NODE_LEAVING);
    snapshot_stop(node->snapshot, now_ns);
    members_leave(node->members, now_ns);
    node->members_due_ns = 0;
}

/* The way from up to stopped; returns when to look again. */
static uint64_t step_shutdown(tr_node *node, uint64_t now_ns) {
    if (!atomic_load(&node->stop_wanted)) return UINT64_MAX;
    if (node->stage < NODE_DRAINING) {
        node_log(node, TR_INFO, "node", "stopping: actors finish their mail");
        bool hosts = node->stage == NODE_UP;
        node_set_stage(node, NODE_DRAINING);
        node->drain_until_ns = now_ns + (hosts ? DRAIN_MS * 1000000ull : 0);
        atomic_store(&node->runtime->draining, true);
        if (hosts) ask_all_to_end(node);
    }
    if (node->stage != NODE_DRAINING) return UINT64_MAX;
    if (user_actors(node) == 0 || now_ns >= node->drain_until_ns) {
        leave(node, now_ns);
        return now_ns;
    }
    return node->drain_until_ns; /* each end of an actor wakes the core */
}

static void reload(tr_node *node) {
    if (!atomic_exchange(&node->reload_wanted, false)) return;
    tr_error error = {0};
    tr_status status = driver_reload_keys(&node->driver, &error);
    node_log(node, status == TR_OK ? TR_INFO : TR_ERROR, "node", "keys are read again: %s",
             status == TR_OK ? "ok" : error.message);
}

static uint64_t earliest(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t node_step(tr_node *node) {
    uint64_t now_ns = environment_now_ns(node->world.environment);
    core_online(node);
    reclaim_quiesce(&node->producer.reader);
    reload(node);
    run_commands(node);
    storage_poll_completions(node->storage);
    peers_flush_dirty(node, now_ns);
    uint64_t due = step_shutdown(node, now_ns);
    if (node->started && now_ns >= node->members_due_ns)
        node->members_due_ns = members_tick(node->members, now_ns);
    due = earliest(due, cutter_step(node, now_ns));
    due = earliest(due, control_step(node->control, now_ns));
    due = earliest(due, peers_pump(node, now_ns));
    due = earliest(due, unborn_expire(&node->producer, now_ns));
    return node->started ? earliest(due, node->members_due_ns) : due;
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *storage_thread(void *argument) {
    tr_node *node = argument;
    while (storage_wait(node->storage)) storage_step(node->storage);
    return NULL;
}

tr_status tr_node_start(tr_node *node, tr_error *error) {
    if (node->started) return TR_OK;
    node_begin(node);
    if (pthread_create(&node->storage_thread, NULL, storage_thread, node) != 0)
        return error_set(error, TR_EIO, "raise the limit of threads", "no thread can be had");
    tr_status status = core_start(node, error);
    if (status != TR_OK) {
        storage_stop(node->storage);
        pthread_join(node->storage_thread, NULL);
        return status;
    }
    node->threads_run = true;
    return TR_OK;
}

tr_status tr_node_wait_up(tr_node *node, uint64_t timeout_ms, tr_error *error) {
    struct timespec deadline = condition_deadline(timeout_ms);
    pthread_mutex_lock(&node->mutex);
    while (node->stage < NODE_UP && node->refusal.status == TR_OK &&
           condition_wait(&node->changed, &node->mutex, &deadline)) {
    }
    enum node_stage stage = node->stage;
    tr_error refusal = node->refusal;
    pthread_mutex_unlock(&node->mutex);
    if (stage == NODE_UP) return TR_OK;
    if (stage > NODE_UP)
        return error_set(error, TR_ECLOSED, NULL, "node %s is stopping", node->name);
    if (refusal.status != TR_OK) {
        if (error != NULL) *error = refusal;
        return refusal.status;
    }
    return error_set(error, TR_ETIMEDOUT,
                     "look into its log; are the seeds running and their keys known?",
                     "node %s has not joined within %" PRIu64 " ms", node->name, timeout_ms);
}

tr_status tr_node_run(tr_node *node) {
    tr_status status = tr_node_start(node, NULL);
    if (status != TR_OK) return status;
    pthread_mutex_lock(&node->mutex);
    while (node->stage != NODE_STOPPED) pthread_cond_wait(&node->changed, &node->mutex);
    pthread_mutex_unlock(&node->mutex);
    return TR_OK;
}

void tr_node_stop(tr_node *node) {
    atomic_store(&node->stop_wanted,
                 true); /* lock-free, and the wake is an eventfd: fit for a signal handler */
    node_wake(node);
}

void tr_node_reload(tr_node *node) {
    atomic_store(&node->reload_wanted, true);
    node_wake(node);
}

/* Ends what actors are left, so that their stop callbacks run. The core thread has stopped. */
static void end_actors(tr_node *node) {
    struct runtime *runtime = node->runtime;
    if (runtime->parking == NULL) return;
    for (uint32_t slot = 0; slot < slots_used(&runtime->slots); slot++) {
        struct slot_head *head = slots_at(&runtime->slots, slot);
        if (head != NULL && head->kind == SLOT_ACTOR)
            actor_signal((tr_actor *)(void *)head, SIGNAL_KILL);
    }
    parking_drain(runtime);
    parking_stop(runtime);
}

void tr_node_close(tr_node *node) {
    if (node == NULL) return;
    if (node->threads_run) {
        tr_node_stop(node);
        core_join(node);
        end_actors(node);
        storage_stop(node->storage);
        pthread_join(node->storage_thread, NULL);
    }
    struct logger *logger = node->owns_logger ? node->logger : NULL;
    struct environment *environment = node->own_environment;
    node_free(node);
    log_close(logger);
    mem_free(environment);
}

const char *tr_node_endpoint(const tr_node *node) {
    return node->advertise;
}

const char *tr_node_control_endpoint(const tr_node *node) {
    return node->advertise_control;
}

/* ---- behaviors ------------------------------------------------------------------------------- */

tr_status tr_node_offer(tr_node *node, const tr_behavior *behavior, tr_error *error) {
    if (node->started)
        return error_set(error, TR_EBUSY, "offer before tr_node_start", "node %s runs already",
                         node->name);
    return behaviors_offer(&node->runtime->behaviors, behavior, false, error);
}

tr_status tr_node_load(tr_node *node, const char *path, tr_error *error) {
    if (access(path, F_OK) != 0)
        return error_set(error, TR_ENOENT,
                         "build it with `cc -shared -fPIC -Inode/include FILE.c -o FILE.so`",
                         "no such file: %s", path);
    if (elf_is_cut(path))
        return error_set(error, TR_EDATA, "build or copy it again",
                         "cannot load %s: it is cut short", path);
    char *absolute = realpath(path, NULL); /* a name without '/' would be sought elsewhere */
    void *handle = dlopen(absolute != NULL ? absolute : path, RTLD_NOW | RTLD_LOCAL);
    free(absolute);
    if (handle == NULL) {
        const char *why = dlerror();
        return error_set(error, TR_EDATA, "is it a shared object, built for this machine?",
                         "cannot load %s: %s", path, why == NULL ? "unknown reason" : why);
    }
    const tr_behavior *const *table =
        (const tr_behavior *const *)dlsym(handle, "tr_exported_behaviors");
    const uint32_t *abi = dlsym(handle, "tr_exported_abi");
    if (table == NULL || abi == NULL)
        return error_set(error, TR_EDATA, "declare its behaviors with TR_EXPORT(...)",
                         "%s exports no behaviors", path);
    if (*abi != TR_ABI)
        return error_set(error, TR_EDATA, "build it again with this version's troupe.h",
                         "%s was built for interface %u; this node has %d", path, *abi, TR_ABI);
    for (; *table != NULL; table++) {
        tr_status status = tr_node_offer(node, *table, error);
        if (status != TR_OK) return status;
    }
    return TR_OK; /* never closed: its code runs as long as the process */
}

/* ---- ports and snapshots --------------------------------------------------------------------- */

tr_status tr_port_open(tr_node *node, tr_port **port_out) {
    pthread_mutex_lock(&node->mutex);
    enum node_stage stage = node->stage;
    pthread_mutex_unlock(&node->mutex);
    if (stage > NODE_UP) return TR_ECLOSED;
    return stage < NODE_UP ? TR_EUNREACHABLE : port_open(node->runtime, NULL, NULL, port_out);
}

/* A thread that waits for a snapshot. */
struct snapshot_wait {
    struct command command;
    tr_node *node;
    uint64_t timeout_ms;
    bool over;
    tr_status status;
    tr_snapshot_info info;
    tr_error error;
};

static void snapshot_over(void *context, tr_status status, const snapshot_result *result,
                          const tr_error *error) {
    struct snapshot_wait *wait = context;
    tr_node *node = wait->node;
    pthread_mutex_lock(&node->mutex);
    wait->status = status;
    if (status == TR_OK)
        snapshot_info(result, &wait->info);
    else if (error != NULL)
        wait->error = *error;
    wait->over = true;
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

static void snapshot_begin(tr_node *node, struct command *command) {
    struct snapshot_wait *wait = (struct snapshot_wait *)(void *)command;
    cutter_request(node, wait->timeout_ms, snapshot_over, wait);
}

tr_status tr_snapshot(tr_node *node, uint64_t timeout_ms, tr_snapshot_info *info_out,
                      tr_error *error) {
    struct snapshot_wait wait = {
        .command = {.run = snapshot_begin}, .node = node, .timeout_ms = timeout_ms};
    pthread_mutex_lock(&node->mutex);
    bool running = node->threads_run && node->stage < NODE_LEAVING;
    if (running)
        node_submit(
            node,
            &wait.command); /* under the lock: the core's last step comes after and finds it */
    pthread_mutex_unlock(&node->mutex);
    if (!running)
        return error_set(error, TR_ECLOSED, "start the node first", "node %s does not run",
                         node->name);
    pthread_mutex_lock(&node->mutex);
    while (!wait.over) pthread_cond_wait(&node->changed, &node->mutex);
    pthread_mutex_unlock(&node->mutex);
    if (wait.status == TR_OK && info_out != NULL) *info_out = wait.info;
    if (wait.status != TR_OK && error != NULL) {
        *error = wait.error;
        error->status = wait.status;
    }
    return wait.status;
}
