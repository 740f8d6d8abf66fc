/* simulator.c - one run: the scheduler, and the phases from the first boot to the last check. */
#include "cluster-tests/simulator.h"

#include <stdio.h>
#include <string.h>

#include "cluster-tests/network.h"
#include "cluster-tests/oracle.h"
#include "node/base/memory.h"
#include "node/lease.h"
#include "node/worker.h"

enum { CHOICES_MAX = MACHINES_MAX * (4 + WORKERS_MAX), QUIET_ROUNDS = 5 };

/* ---- dice and words -------------------------------------------------------------------------- */

uint64_t sim_below(struct sim *sim, uint64_t bound) {
    return random_below(&sim->random, bound);
}

bool sim_one_in(struct sim *sim, uint64_t count) {
    return count != 0 && sim_below(sim, count) == 0;
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high) {
    return low + sim_below(sim, high - low + 1);
}

void sim_fail(struct sim *sim, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->report->violation, sizeof sim->report->violation, format, arguments);
    va_end(arguments);
    sim->report->virtual_ns = sim->now_ns;
    sim_trace(sim, "VIOLATION %s", sim->report->violation);
    sim->failed(sim->report);
    abort();
}

void sim_trace(const struct sim *sim, const char *format, ...) {
    if (!sim->verbose) return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%12.6f ms %*s", (double)sim->now_ns / 1e6, (int)sim->depth * 2, "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* ---- the scheduler --------------------------------------------------------------------------- */

enum choice_kind { CHOICE_CORE, CHOICE_WORKER, CHOICE_STORAGE, CHOICE_PORT, CHOICE_DELIVERY };

struct choice {
    enum choice_kind kind;
    unsigned machine, index;
};

static bool may_run(const struct sim *sim, const struct unit *unit) {
    return !unit->busy && unit->stalled_ns <= sim->now_ns;
}

static unsigned collect(struct sim *sim, struct choice *choices) {
    unsigned count = 0;
    for (unsigned i = 0; i < sim->machine_count; i++) {
        struct machine *machine = &sim->machines[i];
        if (machine->node == NULL) continue;
        if (may_run(sim, &machine->core)) {
            if (machine->core_woken || machine->core_due_ns <= sim->now_ns)
                choices[count++] = (struct choice){CHOICE_CORE, i, 0};
            unsigned ready = network_ready(sim->network, i);
            if (ready > 0) choices[count++] = (struct choice){CHOICE_DELIVERY, i, ready};
        }
        if (may_run(sim, &machine->storage) && storage_busy(machine->node->storage))
            choices[count++] = (struct choice){CHOICE_STORAGE, i, 0};
        if (!machine->hosts) continue;
        for (unsigned w = 0; w < machine->workers; w++)
            if (may_run(sim, &machine->worker[w]) &&
                worker_has_work(machine->node->runtime->workers[w], true))
                choices[count++] = (struct choice){CHOICE_WORKER, i, w};
        if (may_run(sim, &machine->port_unit) && !machine->core.busy &&
            machine->port_due_ns <= sim->now_ns)
            choices[count++] = (struct choice){CHOICE_PORT, i, 0};
    }
    return count;
}

/* Now and then a thread does not get its turn for a while. */
static void perhaps_stall(struct sim *sim, struct machine *machine) {
    if (!sim_one_in(sim, sim->profile.stall_one_in)) return;
    unsigned place = (unsigned)sim_below(sim, machine->workers + 1);
    struct unit *unit = place == 0 ? &machine->core : &machine->worker[place - 1];
    unit->stalled_ns = sim->now_ns + sim_below(sim, sim->profile.stall_max_ns);
}

static void run_choice(struct sim *sim, const struct choice *chosen) {
    struct machine *machine = &sim->machines[chosen->machine];
    switch (chosen->kind) {
        case CHOICE_CORE:
            machine_step_core(machine);
            break;
        case CHOICE_WORKER:
            machine_step_worker(machine, chosen->index);
            break;
        case CHOICE_STORAGE:
            machine_step_storage(machine);
            break;
        case CHOICE_PORT:
            machine_step_port(machine);
            break;
        case CHOICE_DELIVERY:
            machine->core.busy = true;
            network_deliver(sim->network, chosen->machine, (unsigned)sim_below(sim, chosen->index));
            machine->core.busy = false;
            machine->core_woken = true;
            break;
    }
}

bool sim_step(struct sim *sim) {
    struct choice choices[CHOICES_MAX];
    unsigned count = collect(sim, choices);
    if (count == 0) return false;
    struct choice chosen = choices[sim_below(sim, count)];
    sim->now_ns += 1000 + sim_below(sim, 20000); /* work takes time */
    sim->report->steps++;
    perhaps_stall(sim, &sim->machines[chosen.machine]);
    run_choice(sim, &chosen);
    return true;
}

void sim_interleave(struct sim *sim, bool often) {
    if (sim->ending || sim->depth >= sim->profile.nest_depth || sim->profile.nest_one_in == 0)
        return;
    if (!sim_one_in(sim, often ? 2 : sim->profile.nest_one_in)) return;
    sim->depth++;
    unsigned steps = 1 + (unsigned)sim_below(sim, often ? 12 : 3);
    for (unsigned i = 0; i < steps && sim_step(sim); i++) sim->report->nested_steps++;
    sim->depth--;
}

/* Nothing can run: time goes on to what comes first. */
static void skip_time(struct sim *sim) {
    uint64_t next = network_next_ns(sim->network);
    for (unsigned i = 0; i < sim->machine_count; i++) {
        struct machine *machine = &sim->machines[i];
        uint64_t own = machine_next_ns(machine);
        if (own < next) next = own;
        const struct unit *units[] = {&machine->core, &machine->storage, &machine->worker[0],
                                      &machine->worker[1], &machine->worker[2]};
        for (size_t u = 0; u < sizeof units / sizeof units[0]; u++)
            if (units[u]->stalled_ns > sim->now_ns && units[u]->stalled_ns < next)
                next = units[u]->stalled_ns;
    }
    if (sim->heal_ns < next) next = sim->heal_ns;
    if (sim->faults_on && sim->fault_due_ns < next) next = sim->fault_due_ns;
    if (sim->snapshot_due_ns < next) next = sim->snapshot_due_ns;
    if (next > sim->now_ns + 100 * MILLISECOND) next = sim->now_ns + 100 * MILLISECOND;
    sim->now_ns = next > sim->now_ns ? next : sim->now_ns + 1000;
}

static void want_snapshot(struct sim *sim) {
    if (sim->now_ns < sim->snapshot_due_ns) return;
    sim->snapshot_due_ns = sim->now_ns + 1 + sim_below(sim, 2 * sim->profile.snapshot_gap_ns);
    struct machine *machine = &sim->machines[sim_below(sim, sim->machine_count)];
    if (machine_is_up(machine) && sim->snapshots_open < 6)
        machine_snapshot(machine, 300 + sim_below(sim, 2000));
}

bool sim_run_until(struct sim *sim, uint64_t until_ns, bool (*done)(struct sim *sim)) {
    for (;;) {
        if (done != NULL && done(sim)) return true;
        if (sim->now_ns >= until_ns) return false;
        faults_step(sim);
        want_snapshot(sim);
        for (int i = 0; i < 16; i++)
            if (!sim_step(sim)) {
                skip_time(sim);
                break;
            }
    }
}

/* ---- phases ---------------------------------------------------------------------------------- */

static bool is_whole(struct sim *sim) {
    for (unsigned i = 0; i < sim->machine_count; i++) {
        struct machine *machine = &sim->machines[i];
        if (!machine_is_up(machine) || !members_ready(machine->node->members)) return false;
        if (members_view(machine->node->members, NULL, 0) != sim->machine_count) return false;
    }
    return true;
}

static const char *describe(struct sim *sim, char *text, size_t room) {
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < sim->machine_count && used < room; i++) {
        struct machine *machine = &sim->machines[i];
        size_t seen = machine->node == NULL ? 0 : members_view(machine->node->members, NULL, 0);
        used += (size_t)snprintf(text + used, room - used, " %s stage %d sees %zu;", machine->name,
                                 machine->node == NULL ? -1 : (int)machine->node->stage, seen);
    }
    return text;
}

static void require_whole(struct sim *sim, uint64_t within_ns, const char *when) {
    char text[300];
    if (!sim_run_until(sim, sim->now_ns + within_ns, is_whole))
        sim_fail(sim, "liveness: the cluster is not whole %s:%s", when,
                 describe(sim, text, sizeof text));
}

static bool no_snapshot(struct sim *sim) {
    return sim->snapshots_open == 0;
}

/* A snapshot of the whole and undisturbed cluster must commit. */
static void require_snapshot(struct sim *sim, const char *when) {
    sim->snapshot_due_ns = UINT64_MAX;
    if (!sim_run_until(sim, sim->now_ns + 40 * SECOND, no_snapshot))
        sim_fail(sim, "liveness: snapshots do not end %s", when);
    uint32_t committed = sim->report->committed;
    machine_snapshot(&sim->machines[sim_below(sim, sim->machine_count)], 20000);
    if (!sim_run_until(sim, sim->now_ns + 30 * SECOND, no_snapshot) ||
        sim->report->committed == committed)
        sim_fail(sim, "liveness: no snapshot commits %s", when);
}

static bool is_quiet(struct sim *sim) {
    return oracle_is_quiet(sim->oracle);
}

/* Nobody may be left muted, held back or with mail when nothing is on its way. */
static void check_actors(struct sim *sim, struct machine *machine) {
    struct runtime *runtime = machine->node->runtime;
    for (uint32_t slot = 0; slot < slots_used(&runtime->slots); slot++) {
        struct slot_head *head = slots_at(&runtime->slots, slot);
        if (head == NULL || head->kind != SLOT_ACTOR) continue;
        const tr_actor *actor = (const tr_actor *)(const void *)head;
        if (atomic_load(&actor->mutes) > 0 || mailbox_count(&actor->box) > 0 ||
            atomic_load(&actor->overloaded))
            sim_fail(
                sim, "liveness: when all is quiet, %s %s/%u has mutes %u, mail %u, overloaded %d",
                actor->behavior->offered->name, machine->name, slot, atomic_load(&actor->mutes),
                mailbox_count(&actor->box), (int)atomic_load(&actor->overloaded));
    }
}

/* Every slot that is leased is lent in a session that is up. */
static void check_leases(struct sim *sim, struct machine *machine) {
    struct runtime *runtime = machine->node->runtime;
    uint64_t leased = 0, lent = 0;
    for (uint32_t slot = 0; slot < slots_used(&runtime->slots); slot++)
        leased += atomic_load(&slots_entry(&runtime->slots, slot)->lessee) != 0;
    for (size_t i = 0; i < machine->node->peer_count; i++)
        lent += lease_outstanding(peer_at(machine->node, i));
    if (leased != lent)
        sim_fail(sim,
                 "leases: when all is quiet, %" PRIu64 " slots of %s are leased, %" PRIu64 " lent",
                 leased, machine->name, lent);
}

/* Until nothing has been on its way for a second: a timer may bring on more, and what that sends
 * may wait for a birth that never comes. */
static void await_quiet(struct sim *sim) {
    for (int round = 0; round < QUIET_ROUNDS; round++) {
        if (!sim_run_until(sim, sim->now_ns + 40 * SECOND, is_quiet)) return;
        sim_run_until(sim, sim->now_ns + SECOND, NULL);
        if (is_quiet(sim)) return;
    }
}

static void run_phases(struct sim *sim) {
    machine_boot(&sim->machines[0]);
    for (unsigned i = 1; i < sim->machine_count; i++)
        sim->machines[i].boot_ns = sim_below(sim, 300 * MILLISECOND);
    sim->heal_ns = UINT64_MAX;
    sim->snapshot_due_ns = UINT64_MAX;
    sim->load_until_ns = UINT64_MAX / 4; /* until it is known */
    bool early = sim->profile.fault_gap_ns != 0 && sim_one_in(sim, 3);
    sim->load_until_ns = 600 * MILLISECOND + sim->profile.load_ns;
    sim->faults_on = early;
    if (!early) require_whole(sim, 30 * SECOND, "at the start");
    sim->faults_on = sim->profile.fault_gap_ns != 0;
    sim->snapshot_due_ns = sim->now_ns;
    if (sim->load_until_ns < sim->now_ns + SECOND) sim->load_until_ns = sim->now_ns + SECOND;
    sim_run_until(sim, sim->load_until_ns, NULL);

    sim_trace(sim, "faults end");
    faults_end(sim);
    require_whole(sim, 60 * SECOND, "after the faults");
    require_snapshot(sim, "after the faults");
    await_quiet(sim);
    oracle_check_end(sim->oracle);
    for (unsigned i = 0; i < sim->machine_count; i++) {
        check_actors(sim, &sim->machines[i]);
        check_leases(sim, &sim->machines[i]);
    }
    oracle_check_disks(sim->oracle);
}

void simulator_run(const struct simulator_options *options, struct simulator_report *report,
                   void (*failed)(struct simulator_report *report)) {
    memset(report, 0, sizeof *report);
    report->seed = options->seed;
    struct sim *sim = mem_zalloc(1, sizeof *sim);
    sim->seed = options->seed;
    sim->verbose = options->verbose;
    sim->report = report;
    sim->failed = failed;
    random_seed(&sim->random, options->seed);
    faults_draw_profile(sim);
    sim->machine_count = report->machines = 3 + (unsigned)sim_below(sim, MACHINES_MAX - 2);
    sim->network = network_new(sim);
    sim->oracle = oracle_new(sim);
    for (unsigned i = 0; i < sim->machine_count; i++) machine_init(&sim->machines[i], sim, i);
    run_phases(sim);
    sim->ending = true;
    report->virtual_ns = sim->now_ns;
    for (unsigned i = 0; i < sim->machine_count; i++) machine_fini(&sim->machines[i]);
    oracle_free(sim->oracle);
    network_free(sim->network);
    mem_free(sim);
}
