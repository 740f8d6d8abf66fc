/*
 * node_config.h - the configuration file that a launched daemon reads: DIR/nodes/NAME/trouped.ini.
 *
 * Written once by `troupe up`, kept for later launches. What cannot stand in an INI value (line
 * breaks, " ;") is refused. One thread.
 */
#ifndef TROUPE_CLI_NODE_CONFIG_H
#define TROUPE_CLI_NODE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "node/cli/failure.h"
#include "node/cli/folder.h"

/* Texts are borrowed for the call. */
struct node_config {
    const char *name;
    uint16_t port;            /* for other nodes */
    uint16_t control_port;    /* for the control program */
    uint64_t workers;         /* 0: the daemon's default */
    const char *const *loads; /* absolute paths */
    size_t load_count;
    const char *const *settings; /* KEY=VALUE */
    size_t setting_count;
};

/* Makes the node's folder and writes its trouped.ini. Errors: TR_EINVAL a value that cannot
 * stand in the file, TR_EIO. */
tr_status node_config_write(const struct folder *folder, const struct node_config *config,
                            struct failure *failure);

/* Removes what makes a folder a node of the cluster (trouped.ini, node.json); its log stays. */
void node_config_retire(const struct local_node *node);

#endif
