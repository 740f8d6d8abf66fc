/* faults.c - what goes wrong, and when: drawn from the seed, one fault at a time, and all ended at
 * the end. */
#include <errno.h>

#include "cluster-tests/network.h"

void faults_draw_profile(struct sim *sim) {
    struct profile *profile = &sim->profile;
    static const unsigned nests[] = {0, 4, 10, 30};
    profile->nest_one_in = nests[sim_below(sim, 4)];
    profile->nest_depth = 1 + (unsigned)sim_below(sim, 3);
    profile->delay_min_ns = 20000 + sim_below(sim, 200000);
    static const uint64_t widths[] = {100000, 2 * MILLISECOND, 10 * MILLISECOND, 40 * MILLISECOND};
    profile->delay_max_ns = profile->delay_min_ns + 1 + sim_below(sim, widths[sim_below(sim, 4)]);
    profile->stall_one_in = sim_one_in(sim, 2) ? 0 : 50 + (unsigned)sim_below(sim, 500);
    profile->stall_max_ns = 1 + sim_below(sim, 30 * MILLISECOND);
    profile->load_ns = SECOND + sim_below(sim, SECOND);
    profile->snapshot_gap_ns = 40 * MILLISECOND + sim_below(sim, 250 * MILLISECOND);
    if (sim_one_in(sim, 4)) return; /* nothing goes wrong, and nothing may be lost */
    profile->fault_gap_ns = 60 * MILLISECOND + sim_below(sim, 500 * MILLISECOND);
    profile->resets = !sim_one_in(sim, 4);
    profile->partitions = sim_one_in(sim, 2);
    profile->crashes = sim_one_in(sim, 2);
    profile->leaves = sim_one_in(sim, 4);
    profile->disks = sim_one_in(sim, 2);
    if (profile->partitions || profile->crashes) profile->load_ns += 2 * SECOND;
}

/* ---- one fault ------------------------------------------------------------------------------- */

static unsigned draw_other(struct sim *sim, unsigned machine) {
    unsigned other = (unsigned)sim_below(sim, sim->machine_count - 1);
    return other >= machine ? other + 1 : other;
}

static void fault_reset(struct sim *sim) {
    unsigned a = (unsigned)sim_below(sim, sim->machine_count);
    unsigned b = draw_other(sim, a);
    sim_trace(sim, "the connections of n%u and n%u break", a + 1, b + 1);
    sim->report->resets++;
    network_reset(sim->network, a, b);
}

static void heal(struct sim *sim) {
    sim->heal_ns = UINT64_MAX;
    bool reset = sim_one_in(sim, 2);
    for (unsigned a = 0; a < sim->machine_count; a++)
        for (unsigned b = 0; b < sim->machine_count; b++) {
            if (a == b || !network_is_blocked(sim->network, a, b)) continue;
            if (reset) network_reset(sim->network, a, b);
            network_block(sim->network, a, b, false);
        }
    sim_trace(sim, "the partition heals");
}

static void fault_partition(struct sim *sim) {
    if (sim->heal_ns != UINT64_MAX) return;
    uint64_t sides = 1 + sim_below(sim, (1u << sim->machine_count) - 2);
    bool one_way = sim_one_in(sim, 4);
    for (unsigned a = 0; a < sim->machine_count; a++)
        for (unsigned b = 0; b < sim->machine_count; b++) {
            bool left = (sides >> a & 1) != 0, right = (sides >> b & 1) != 0;
            if (left && !right) network_block(sim->network, a, b, true);
            if (!left && right && !one_way) network_block(sim->network, a, b, true);
        }
    static const uint64_t lengths[] = {100 * MILLISECOND, SECOND, 4 * SECOND};
    sim->heal_ns = sim->now_ns + sim_below(sim, lengths[sim_below(sim, 3)]);
    sim->report->partitions++;
    sim_trace(sim, "a partition: sides %#" PRIx64 "%s", sides, one_way ? ", one way" : "");
}

static unsigned up_count(const struct sim *sim) {
    unsigned count = 0;
    for (unsigned i = 0; i < sim->machine_count; i++)
        if (machine_is_up(&sim->machines[i])) count++;
    return count;
}

static void fault_crash(struct sim *sim) {
    struct machine *machine = &sim->machines[sim_below(sim, sim->machine_count)];
    if (machine->node == NULL || (machine_is_up(machine) && up_count(sim) < 2)) return;
    sim->report->crashes++;
    machine_crash(machine, (storage_crash)sim_below(sim, 3));
    machine->boot_ns =
        sim->now_ns + sim_below(sim, sim_one_in(sim, 2) ? 50 * MILLISECOND : 3 * SECOND);
}

static void fault_leave(struct sim *sim) {
    struct machine *machine = &sim->machines[sim_below(sim, sim->machine_count)];
    if (!machine_is_up(machine) || up_count(sim) < 2) return;
    sim_trace(sim, "%s leaves", machine->name);
    sim->report->leaves++;
    machine->leaving = true;
    tr_node_stop(machine->node);
}

static void fault_disk(struct sim *sim) {
    struct machine *machine = &sim->machines[sim_below(sim, sim->machine_count)];
    sim->report->disk_faults++;
    switch (sim_below(sim, 4)) {
        case 0:
            machine->disk_slow = !machine->disk_slow;
            break;
        case 1:
            storage_memory_fail(machine->disk, 1 + sim_below(sim, 20),
                                sim_one_in(sim, 2) ? EIO : ENOSPC);
            break;
        case 2:
            storage_memory_set_transfer_max(machine->disk, 1 + sim_below(sim, 2000));
            break;
        default:
            storage_memory_set_capacity(machine->disk,
                                        sim_one_in(sim, 2) ? 0 : 1 + sim_below(sim, 40000));
            break;
    }
    sim_trace(sim, "the disk of %s goes wrong, or right again", machine->name);
}

/* ---- when ------------------------------------------------------------------------------------ */

static void draw_fault(struct sim *sim) {
    const struct profile *profile = &sim->profile;
    switch (sim_below(sim, 8)) {
        case 0:
        case 1:
        case 2:
            if (profile->resets) fault_reset(sim);
            break;
        case 3:
            if (profile->partitions) fault_partition(sim);
            break;
        case 4:
        case 5:
            if (profile->crashes) fault_crash(sim);
            break;
        case 6:
            if (profile->leaves) fault_leave(sim);
            break;
        default:
            if (profile->disks) fault_disk(sim);
            break;
    }
}

void faults_step(struct sim *sim) {
    if (sim->now_ns >= sim->heal_ns) heal(sim);
    for (unsigned i = 0; i < sim->machine_count; i++) {
        struct machine *machine = &sim->machines[i];
        if (machine->node != NULL && machine->node->stage == NODE_STOPPED) {
            machine_crash(machine, STORAGE_CRASH_KEEPS);
            machine->boot_ns = sim->now_ns + sim_below(sim, SECOND);
        }
        if (machine->node == NULL && sim->now_ns >= machine->boot_ns) {
            storage_memory_fail(machine->disk, 0,
                                0); /* a node that cannot write its life does not start */
            storage_memory_set_capacity(machine->disk, 0);
            machine_boot(machine);
        }
    }
    if (!sim->faults_on || sim->now_ns < sim->fault_due_ns) return;
    sim->fault_due_ns = sim->now_ns + 1 + sim_below(sim, 2 * sim->profile.fault_gap_ns);
    draw_fault(sim);
}

void faults_end(struct sim *sim) {
    sim->faults_on = false;
    sim->profile.stall_one_in = 0;
    if (sim->heal_ns != UINT64_MAX) heal(sim);
    for (unsigned i = 0; i < sim->machine_count; i++) {
        struct machine *machine = &sim->machines[i];
        machine->disk_slow = false;
        storage_memory_fail(machine->disk, 0, 0);
        storage_memory_set_capacity(machine->disk, 0);
        if (machine->node == NULL) machine->boot_ns = sim->now_ns;
    }
}
