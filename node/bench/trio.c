#include "node/bench/trio.h"

#include <stdio.h>

const char *const trio_names[TRIO_NODES] = {"b1", "b2", "b3"};

static tr_status start_other(struct workload_run *run, const struct child_role *role,
                             struct trio *trio, int index) {
    char dir[4096];
    int length = snprintf(dir, sizeof dir, "%s/%s", run->dir, trio_names[index + 1]);
    if (length < 0 || (size_t)length >= sizeof dir) return TR_EINVAL;
    struct child_options options = {.role = role->name,
                                    .name = trio_names[index + 1],
                                    .dir = dir,
                                    .seed = tr_node_endpoint(trio->here.node),
                                    .security = TR_SECURITY_NONE};
    return child_start(run, &options, &trio->others[index]);
}

tr_status trio_start(struct workload_run *run, const struct child_role *role,
                     struct trio *trio_out) {
    struct trio made = {0};
    tr_status status = workload_node_start(run, role->behaviors, &made.here);
    if (status != TR_OK) return status;
    for (int i = 0; i < TRIO_NODES - 1 && status == TR_OK; i++)
        status = start_other(run, role, &made, i);
    if (status != TR_OK) {
        trio_stop(&made);
        return status;
    }
    *trio_out = made;
    return TR_OK;
}

void trio_stop(struct trio *trio) {
    for (int i = 0; i < TRIO_NODES - 1; i++)
        if (trio->others[i].pid != 0) child_stop(&trio->others[i]);
    workload_node_stop(&trio->here);
}
