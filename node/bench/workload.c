/*
 * workload.c - figures, clock, memory, and the node that most workloads start.
 */
#include "node/bench/workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "node/base/check.h"
#include "node/base/clock.h"

void workload_report(struct workload_run *run, const char *metric, const char *unit, double value) {
    check(run->figure_count < WORKLOAD_FIGURES_MAX);
    run->figures[run->figure_count++] = (struct figure){metric, unit, value};
}

void workload_note(struct workload_run *run, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->note, sizeof run->note, format, arguments);
    va_end(arguments);
}

uint64_t workload_now_ns(void) {
    return clock_monotonic_ns();
}

uint64_t workload_resident_bytes(void) {
    unsigned long long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2) resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

tr_status workload_node_start(struct workload_run *run, const tr_behavior *const *behaviors,
                              struct workload_node *node_out) {
    tr_node_options options = {0};
    return workload_node_start_with(run, &options, behaviors, node_out);
}

tr_status workload_node_start_with(struct workload_run *run, const tr_node_options *given,
                                   const tr_behavior *const *behaviors,
                                   struct workload_node *node_out) {
    tr_node_options options = *given;
    options.name = "b1";
    options.dir = run->dir;
    options.security = TR_SECURITY_NONE;
    options.log_level = TR_ERROR;
    struct workload_node made = {NULL, NULL};
    tr_status status = tr_node_open(&options, &made.node, &run->error);
    for (; status == TR_OK && *behaviors != NULL; behaviors++)
        status = tr_node_offer(made.node, *behaviors, &run->error);
    if (status == TR_OK) status = tr_node_start(made.node, &run->error);
    if (status == TR_OK) status = tr_node_wait_up(made.node, WORKLOAD_WAIT_MS, &run->error);
    if (status == TR_OK) status = tr_port_open(made.node, &made.port);
    if (status != TR_OK) {
        tr_node_close(made.node);
        return status;
    }
    *node_out = made;
    return TR_OK;
}

void workload_node_stop(struct workload_node *node) {
    tr_port_close(node->port);
    tr_node_close(node->node);
}
