/* machine.c - one machine: its disk, the lives of its node, and the steps of the node's threads. */
#include <stdio.h>
#include <string.h>

#include "cluster-tests/load.h"
#include "cluster-tests/network.h"
#include "cluster-tests/oracle.h"
#include "node/base/memory.h"
#include "node/services.h"
#include "node/worker.h"

/* ---- what the node gets from the world ------------------------------------------------------- */

static uint64_t now_ns(void *context) {
    const struct machine *machine = context;
    return machine->sim->now_ns;
}

static uint64_t wall_ns(void *context) {
    const struct machine *machine = context;
    return machine->sim->now_ns + machine->wall_offset_ns;
}

static void random_bytes(void *context, void *out, size_t bytes) {
    struct machine *machine = context;
    random_fill(&machine->random, out, bytes);
}

static void observe(void *context, const struct observation *what) {
    struct machine *machine = context;
    oracle_observe(machine->sim->oracle, machine, what);
    sim_interleave(machine->sim, what->kind == OBSERVE_EPOCH || what->kind == OBSERVE_RECORD_ACTOR);
}

/* What a node says of itself that it must never have to say. */
static void on_log_line(void *context, const char *line, size_t bytes) {
    struct machine *machine = context;
    struct sim *sim = machine->sim;
    if (sim->verbose) fwrite(line, 1, bytes, stderr);
    char text[300];
    snprintf(text, sizeof text, "%.*s", (int)bytes, line);
    text[strcspn(text, "\n")] = '\0';
    if (strstr(text, "sent nonsense") != NULL)
        sim_fail(sim, "a peer does not understand another: %s", text);
    if (sim->profile.fault_gap_ns == 0 && strstr(text, "a newer colour is about") != NULL)
        sim_fail(sim, "I6: a colour came before its start, without a fault: %s", text);
}

static void open_logger(struct machine *machine) {
    log_options options = {.node = machine->name,
                           .wall_ns = wall_ns,
                           .clock_context = machine,
                           .level_min = machine->sim->verbose ? TR_DEBUG : TR_INFO,
                           .sink = on_log_line,
                           .sink_context = machine};
    if (log_open(&options, &machine->logger, NULL) != TR_OK) machine->logger = NULL;
}

void machine_init(struct machine *machine, struct sim *sim, unsigned index) {
    machine->sim = sim;
    machine->index = index;
    snprintf(machine->name, sizeof machine->name, "n%u", index + 1);
    snprintf(machine->endpoint, sizeof machine->endpoint, "tcp://10.0.0.%u:7000", index + 1);
    machine->disk = storage_memory_new();
    machine->wall_offset_ns = 1700000000 * SECOND + sim_below(sim, 10 * SECOND);
    machine->workers = 1 + (unsigned)sim_below(sim, WORKERS_MAX);
    machine->boot_ns = UINT64_MAX;
    random_seed(&machine->random, random_u64(&sim->random));
    machine->observer = (struct observer){machine, observe};
    open_logger(machine);
}

void machine_fini(struct machine *machine) {
    if (machine->node != NULL) machine_crash(machine, STORAGE_CRASH_KEEPS);
    storage_memory_free(machine->disk);
    log_close(machine->logger);
}

/* ---- lives ----------------------------------------------------------------------------------- */

/* The first machine founds the cluster, as long as there is none. */
static bool founds(const struct machine *machine) {
    const struct sim *sim = machine->sim;
    for (unsigned i = 0; i < sim->machine_count; i++)
        if (i != machine->index && sim->machines[i].hosts) return false;
    return machine->index == 0;
}

static void set_seeds(const struct machine *machine, char (*texts)[64], const char **seeds) {
    const struct sim *sim = machine->sim;
    size_t count = 0;
    for (unsigned i = 0; i < sim->machine_count; i++) {
        if (i == machine->index || founds(machine)) continue;
        snprintf(texts[count], sizeof texts[count], "%s", sim->machines[i].endpoint);
        seeds[count] = texts[count];
        count++;
    }
    seeds[count] = NULL;
}

void machine_boot(struct machine *machine) {
    struct sim *sim = machine->sim;
    machine->boot_ns = UINT64_MAX;
    machine->environment = (struct environment){.context = machine,
                                                .now_ns = now_ns,
                                                .wall_ns = wall_ns,
                                                .random_bytes = random_bytes,
                                                .observer = &machine->observer,
                                                .logger = machine->logger};
    char texts[MACHINES_MAX][64];
    const char *seeds[MACHINES_MAX + 1];
    set_seeds(machine, texts, seeds);
    tr_node_options options = {.name = machine->name,
                               .dir = "data",
                               .seeds = seeds,
                               .security = TR_SECURITY_NONE,
                               .workers = machine->workers,
                               .suspect_after_ms = 600,
                               .down_after_ms = 2000};
    struct node_world world = {.environment = &machine->environment,
                               .files = storage_memory_files(machine->disk),
                               .open_driver = network_open_driver,
                               .context = machine};
    tr_error error = {0};
    machine->lives++;
    if (node_new(&options, &world, machine->logger, &machine->node, &error) != TR_OK)
        sim_fail(sim, "%s does not start: %s", machine->name, error.message);
    for (const tr_behavior *const *each = load_behaviors; *each != NULL; each++)
        if (tr_node_offer(machine->node, *each, &error) != TR_OK)
            sim_fail(sim, "%s: %s", machine->name, error.message);
    sim_trace(sim, "%s boots", machine->name);
    node_begin(machine->node);
    machine->core_woken = true;
}

bool machine_is_up(const struct machine *machine) {
    return machine->node != NULL && machine->hosts && !machine->leaving;
}

static void forget_life(struct machine *machine) {
    struct sim *sim = machine->sim;
    oracle_life_ends(sim->oracle, machine);
    if (machine->hosts) {
        for (unsigned i = 0; i < machine->workers; i++)
            reclaim_offline(&machine->node->runtime->workers[i]->producer.reader);
    }
    machine->environment.observer = NULL;
    tr_node_close(machine->node);
    network_drop_machine(sim->network, machine->index);
    machine->node = NULL;
    machine->port = NULL;
    machine->hosts = machine->leaving = machine->core_woken = false;
}

void machine_crash(struct machine *machine, storage_crash crash) {
    sim_trace(machine->sim, "%s crashes", machine->name);
    forget_life(machine);
    storage_memory_crash(machine->disk, crash);
}

/* ---- hosting --------------------------------------------------------------------------------- */

/* The outside's first wish: a root, spawned through the port. */
static void spawn_root(struct machine *machine) {
    struct sim *sim = machine->sim;
    struct runtime *runtime = machine->node->runtime;
    uint64_t left_ns = sim->load_until_ns > sim->now_ns ? sim->load_until_ns - sim->now_ns : 0;
    struct root root = {.deadline_ns = wall_ns(machine) + left_ns,
                        .index = machine->index,
                        .nodes = sim->machine_count,
                        .accounts = 4,
                        .pause_us = 4000 + (uint32_t)sim_below(sim, 20000)};
    struct spawn_request request;
    struct buffer state;
    buffer_init(&state);
    tr_pid service;
    const record_type *type;
    tr_trace trace = {{0}, 0};
    tr_error error = {0};
    tr_spawn_options options = {.state = &root};
    tr_status status = services_request(runtime, "root", &root_record, &options, &request, &state,
                                        &service, &error);
    if (status == TR_OK)
        status = record_table_intern(runtime->records, &spawn_request_record, &type, &error);
    if (status == TR_OK)
        status = port_post(machine->port, service, MESSAGE_USER, MESSAGE_ASK, type, &request,
                           &trace, NULL);
    if (status != TR_OK) sim_fail(sim, "%s: no root: %s", machine->name, error.message);
    buffer_fini(&state);
}

static void begin_to_host(struct machine *machine) {
    struct sim *sim = machine->sim;
    struct runtime *runtime = machine->node->runtime;
    for (unsigned i = 0; i < machine->workers; i++)
        reclaim_online(&runtime->workers[i]->producer.reader);
    machine->hosts = true;
    machine->port_unit.busy = true;
    if (tr_port_open(machine->node, &machine->port) != TR_OK)
        sim_fail(sim, "%s opens no port", machine->name);
    if (sim->load_until_ns > sim->now_ns) spawn_root(machine);
    machine->port_unit.busy = false;
    machine->port_due_ns = sim->now_ns + sim_below(sim, 10 * MILLISECOND);
}

/* ---- steps ----------------------------------------------------------------------------------- */

void machine_step_core(struct machine *machine) {
    tr_node *node = machine->node;
    machine->core.busy = true;
    machine->core_woken = false;
    machine->core_due_ns = node_step(node);
    if (node->space_taken && !machine->hosts) begin_to_host(machine);
    machine->core.busy = false;
}

void machine_step_worker(struct machine *machine, unsigned index) {
    machine->worker[index].busy = true;
    worker_step(machine->node->runtime->workers[index], true);
    machine->worker[index].busy = false;
}

void machine_step_storage(struct machine *machine) {
    struct sim *sim = machine->sim;
    machine->storage.busy = true;
    storage_step(machine->node->storage);
    machine->storage.busy = false;
    if (machine->disk_slow)
        machine->storage.stalled_ns = sim->now_ns + sim_below(sim, 60 * MILLISECOND);
}

/* The outside acts: takes what has come, orders a transfer or asks an account by name. */
void machine_step_port(struct machine *machine) {
    struct sim *sim = machine->sim;
    struct runtime *runtime = machine->node->runtime;
    machine->port_unit.busy = true;
    tr_message *mail;
    while ((mail = port_take(machine->port)) != NULL) tr_message_free(mail);
    if (sim->now_ns < sim->load_until_ns) {
        char from[32], to[32];
        tr_pid source, target;
        snprintf(from, sizeof from, "account-%u-%u", (unsigned)sim_below(sim, sim->machine_count),
                 (unsigned)sim_below(sim, 4));
        snprintf(to, sizeof to, "account-%u-%u", (unsigned)sim_below(sim, sim->machine_count),
                 (unsigned)sim_below(sim, 4));
        bool found = port_whereis(machine->port, from, &source) == TR_OK &&
                     port_whereis(machine->port, to, &target) == TR_OK;
        bool asks = sim_one_in(sim, 3);
        const record_type *type;
        if (found &&
            record_table_intern(runtime->records, asks ? &get_record : &transfer_record, &type,
                                NULL) == TR_OK &&
            port_admits(machine->port, source, false)) {
            struct transfer transfer = {.to = target};
            struct get get = {0};
            tr_trace trace = {{0}, 0};
            port_post(machine->port, source, MESSAGE_USER, asks ? MESSAGE_ASK : 0, type,
                      asks ? (const void *)&get : &transfer, &trace, NULL);
        }
    }
    machine->port_due_ns = sim->now_ns + sim_between(sim, MILLISECOND, 15 * MILLISECOND);
    machine->port_unit.busy = false;
}

uint64_t machine_next_ns(const struct machine *machine) {
    if (machine->node == NULL) return machine->boot_ns;
    uint64_t next = machine->core_woken ? 0 : machine->core_due_ns;
    if (next < machine->core.stalled_ns) next = machine->core.stalled_ns;
    if (!machine->hosts) return next;
    if (machine->port_due_ns < next) next = machine->port_due_ns;
    uint64_t timers = workers_next_ns(machine->node->runtime);
    if (timers < next) next = timers;
    return next;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

struct wish {
    struct machine *machine;
    struct sim *sim;
};

static void on_snapshot(void *context, tr_status status, const snapshot_result *result,
                        const tr_error *error) {
    struct wish *wish = context;
    struct sim *sim = wish->sim;
    struct machine *machine = wish->machine;
    sim->snapshots_open--;
    if (status == TR_OK) {
        sim->report->committed++;
        sim_trace(sim, "%s: %s is committed: %" PRIu64 " actors, %" PRIu64 " in flight",
                  machine->name, result->cut.id, result->actors, result->in_flight);
        oracle_check_cut(sim->oracle, machine, result->cut.id);
    } else {
        sim->report->aborted++;
        sim_trace(sim, "%s: snapshot aborted: %s: %s", machine->name, tr_status_name(status),
                  error->message);
        if (status == TR_ECHECK || strstr(error->message, "counts differ") != NULL)
            sim_fail(sim, "I8: %s aborted a snapshot: %s", machine->name, error->message);
        bool crossed = strstr(error->message, "overtaken") != NULL || status == TR_ETIMEDOUT ||
                       status == TR_EBUSY;
        if (sim->profile.fault_gap_ns == 0 && !crossed && !sim->ending)
            sim_fail(sim, "%s aborted a snapshot without a fault: %s", machine->name,
                     error->message);
    }
    mem_free(wish);
}

void machine_snapshot(struct machine *machine, uint64_t timeout_ms) {
    struct wish *wish = mem_zalloc(1, sizeof *wish);
    *wish = (struct wish){machine, machine->sim};
    machine->sim->snapshots_open++;
    machine->core.busy = true;
    cutter_request(machine->node, timeout_ms, on_snapshot, wish);
    machine->core.busy = false;
    machine->core_woken = true;
}
