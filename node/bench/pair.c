#include "node/bench/pair.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PATH_ROOM = 512, PROBE_MS = 1 };

uint64_t pair_peak_bytes(pid_t process) {
    char path[64], line[256];
    uint64_t kilobytes = 0;
    if (process == 0)
        snprintf(path, sizeof path, "/proc/self/status");
    else
        snprintf(path, sizeof path, "/proc/%ld/status", (long)process);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %" SCNu64, &kilobytes) == 1) break;
    fclose(file);
    return kilobytes * 1024;
}

/* The folders of a run in plaintext or with CURVE. */
struct folders {
    char here[PATH_ROOM], other[PATH_ROOM], keys[PATH_ROOM];
};

static struct folders folders_of(const struct workload_run *run, tr_security security) {
    struct folders made;
    const char *kind = security == TR_SECURITY_CURVE ? "curve" : "plain";
    snprintf(made.here, sizeof made.here, "%s/%s/b1", run->dir, kind);
    snprintf(made.other, sizeof made.other, "%s/%s/b2", run->dir, kind);
    snprintf(made.keys, sizeof made.keys, "%s/%s/keys", run->dir, kind);
    return made;
}

static tr_status open_node(const char *name, const char *dir, const char *keys_dir,
                           tr_security security, tr_node **node_out, tr_error *error) {
    tr_node_options options = {.name = name,
                               .dir = dir,
                               .keys_dir = keys_dir,
                               .security = security,
                               .log_level = TR_ERROR};
    return tr_node_open(&options, node_out, error);
}

/* Opens and closes the other node once, so that both nodes' keys are there before either reads the
 * folder. */
static tr_status make_keys(const struct folders *folders, tr_security security, tr_error *error) {
    if (security != TR_SECURITY_CURVE) return TR_OK;
    tr_node *node = NULL;
    tr_status status = open_node("b2", folders->other, folders->keys, security, &node, error);
    if (status == TR_OK) tr_node_close(node);
    return status;
}

static tr_status start_here(const struct folders *folders, tr_security security,
                            const tr_behavior *const *behaviors, struct workload_node *node_out,
                            tr_error *error) {
    struct workload_node made = {NULL, NULL};
    tr_status status = open_node("b1", folders->here, folders->keys, security, &made.node, error);
    for (; status == TR_OK && *behaviors != NULL; behaviors++)
        status = tr_node_offer(made.node, *behaviors, error);
    if (status == TR_OK) status = tr_node_start(made.node, error);
    if (status == TR_OK) status = tr_node_wait_up(made.node, WORKLOAD_WAIT_MS, error);
    if (status == TR_OK) status = tr_port_open(made.node, &made.port);
    if (status == TR_OK)
        *node_out = made;
    else if (made.node != NULL)
        tr_node_close(made.node);
    return status;
}

struct nothing {
    char unused;
};
TR_RECORD(nothing);

/* The other node is up when it says so; that this one has heard it too is seen by a spawn. */
static tr_status await_member(tr_port *port, const tr_behavior *behavior, tr_error *error) {
    tr_pid pid;
    tr_message *none;
    tr_status status = TR_ENOENT;
    for (int i = 0; status == TR_ENOENT && i < WORKLOAD_WAIT_MS / PROBE_MS; i++) {
        status = tr_port_spawn(port, behavior->name, NULL, TR_SPAWN(.node = "b2"), WORKLOAD_WAIT_MS,
                               &pid, error);
        if (status == TR_ENOENT) (void)tr_port_receive(port, &nothing_record, PROBE_MS, &none);
    }
    return status == TR_OK ? tr_port_stop(port, pid) : status;
}

tr_status pair_start(struct workload_run *run, tr_security security,
                     const tr_behavior *const *behaviors, const struct child_role *role,
                     struct pair *pair_out) {
    struct pair made = {0};
    struct folders folders = folders_of(run, security);
    tr_status status = make_keys(&folders, security, &run->error);
    if (status == TR_OK)
        status = start_here(&folders, security, behaviors, &made.here, &run->error);
    if (status != TR_OK) return status;
    char seed[PATH_ROOM];
    snprintf(seed, sizeof seed, "b1@%s", tr_node_endpoint(made.here.node));
    struct child_options options = {.role = role->name,
                                    .name = "b2",
                                    .dir = folders.other,
                                    .seed = seed,
                                    .security = security,
                                    .keys_dir = folders.keys};
    status = child_start(run, &options, &made.other);
    if (status == TR_OK) status = await_member(made.here.port, role->behaviors[0], &run->error);
    if (status != TR_OK) {
        pair_stop(&made);
        return status;
    }
    *pair_out = made;
    return TR_OK;
}

void pair_stop(struct pair *pair) {
    if (pair->other.pid != 0) child_stop(&pair->other);
    workload_node_stop(&pair->here);
}
