/*
 * folder.h - the cluster's folder: its keys, its snapshots, and the nodes launched from it.
 *
 * DIR/cluster.json says what `troupe up` made; DIR/nodes/NAME/node.json, written by the daemon,
 * says where a node is reached and which process it is. A folder of a lone daemon has node.json in
 * DIR itself. CONTROL.md section 4 lists the files. All of these block on the disk; one thread.
 */
#ifndef TROUPE_CLI_FOLDER_H
#define TROUPE_CLI_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "node/cli/args.h"
#include "node/cli/failure.h"
#include "node/cli/process.h"

enum { FOLDER_NAME_BYTES = 64 };

/* Texts are the folder's own. */
struct folder {
    char *path;
    char *keys;
    char *snapshots;
    char *cluster; /* the cluster's name */
    bool insecure; /* made without encryption */
    bool exists;   /* there is a cluster.json, or a node.json of a lone daemon */
};

/* A node that was launched from the folder, now or earlier. Texts are its own. */
struct local_node {
    char name[FOLDER_NAME_BYTES];
    char *path;      /* its own folder */
    bool configured; /* has a trouped.ini, so that it can be started again */
    bool carded;     /* has a node.json: it runs, or ended without cleaning up */
    bool running;    /* exactly that process still runs */
    char *endpoint;  /* of node.json; NULL without one */
    char *control;
    bool insecure;
    struct process process; /* of node.json */
};

struct local_nodes {
    struct local_node *items; /* by name, n2 before n10 */
    size_t count;
};

/* Finds the folder that a command line means: --dir, $TROUPE_DIR, or
 * $XDG_STATE_HOME/troupe/CLUSTER ($HOME/.local/state when that is unset; CLUSTER is `cluster`,
 * else $TROUPE_CLUSTER, else "troupe"), and reads its cluster.json. That it does not exist is
 * fine. Errors: TR_ECONFIG (no home), TR_EDATA. */
tr_status folder_open(struct folder *folder, const struct args *args, const char *cluster,
                      struct failure *failure);
void folder_close(struct folder *folder);

/* Makes the folder and its sub-folders and writes cluster.json. Errors: TR_EIO. */
tr_status folder_save(struct folder *folder, struct failure *failure);

/* Lists the nodes. A node.json that cannot be read counts as none. */
void folder_nodes(const struct folder *folder, struct local_nodes *nodes_out);
void local_nodes_free(struct local_nodes *nodes);

/* Returns the node of that name, or NULL. */
struct local_node *local_nodes_find(const struct local_nodes *nodes, const char *name);
size_t local_nodes_running(const struct local_nodes *nodes);

/* The folder of a node of that name, and a file in it; the caller's (mem_free). */
char *folder_node_path(const struct folder *folder, const char *name);

/* Compares names with numbers in them by their numbers; for sorting. */
int folder_compare_names(const char *a, const char *b);

#endif
