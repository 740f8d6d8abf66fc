/*
 * grammar.c - every command with its arguments, flags, examples and words of help.
 */
#include "node/cli/grammar.h"

#include "node/cli/commands.h"

static const struct flag global_flags[] = {
    {"output", 'o', false, false, FLAG_CHOICE, "table|json", "TROUPE_OUTPUT",
     "how data is printed [table]"},
    {"no-headers", 0, false, false, FLAG_SWITCH, NULL, NULL, "tables without their first line"},
    {"watch", 0, false, false, FLAG_DURATION_OPT, "TIME", NULL, "run again every so often [2s]"},
    {"timeout", 0, false, false, FLAG_DURATION, "TIME", "TROUPE_TIMEOUT",
     "how long to wait [5s; 30s for up, down, node and snapshot commands]"},
    {"dir", 0, false, false, FLAG_TEXT, "DIR", "TROUPE_DIR",
     "the cluster's folder [$XDG_STATE_HOME/troupe/CLUSTER]"},
    {"cluster", 0, false, false, FLAG_TEXT, "NAME", "TROUPE_CLUSTER",
     "the cluster whose folder is meant [troupe]"},
    {"endpoint", 0, false, false, FLAG_TEXT, "NAME@ENDPOINT", "TROUPE_ENDPOINT",
     "talk to this node's control endpoint, n1@tcp://10.0.0.1:7102"},
    {"keys", 0, false, false, FLAG_TEXT, "DIR", "TROUPE_KEYS", "the folder of keys [DIR/keys]"},
    {"key", 0, false, false, FLAG_TEXT, "NAME", "TROUPE_KEY",
     "whose key to show: operate.NAME or observe.NAME [operate.local]"},
    {"insecure", 0, false, false, FLAG_SWITCH, NULL, NULL,
     "no encryption, on loopback only; for up, and with --endpoint"},
    {"color", 0, false, false, FLAG_CHOICE, "auto|always|never", NULL,
     "colours [auto: on a terminal, unless NO_COLOR is set]"},
    {"quiet", 'q', false, false, FLAG_SWITCH, NULL, NULL, "data and errors only"},
    {"help", 'h', false, false, FLAG_SWITCH, NULL, NULL, "help on the command"},
    {"version", 0, false, false, FLAG_SWITCH, NULL, NULL, "the program's version"},
    {0},
};

static const struct flag up_flags[] = {
    {"load", 'l', true, false, FLAG_TEXT, "FILE.so", NULL,
     "offer the behaviors of a shared object on each node; may be repeated"},
    {"name", 0, false, false, FLAG_TEXT, "CLUSTER", NULL, "the cluster's name [troupe]"},
    {"workers", 'w', false, false, FLAG_COUNT, "N", NULL,
     "worker threads of each node [one a core]"},
    {"set", 0, true, false, FLAG_TEXT, "KEY=VALUE", NULL,
     "any other setting of the nodes, as in `trouped --help`; may be repeated"},
    {"checkpoint-every", 0, false, true, FLAG_DURATION, "TIME", NULL, NULL},
    {"restore", 0, false, true, FLAG_TEXT, "SNAPSHOT", NULL, NULL},
    {0},
};

static const struct flag spawn_flags[] = {
    {"on", 0, false, false, FLAG_TEXT, "NODE", NULL,
     "the node [any; --count spreads over all that offer the behavior]"},
    {"name", 'n', false, false, FLAG_TEXT, "NAME", NULL, "a name, unique in the cluster"},
    {"state", 's', false, false, FLAG_TEXT, "JSON", NULL,
     "the initial state, field by name; - reads stdin, @FILE a file [all zero]"},
    {"count", 'c', false, false, FLAG_COUNT, "N", NULL,
     "how many; they are named NAME-0, NAME-1, ..."},
    {"mailbox-low", 0, false, false, FLAG_COUNT, "N", NULL, "below it, muted senders go on"},
    {"mailbox-high", 0, false, false, FLAG_COUNT, "N", NULL, "above it, senders are muted"},
    {"mailbox-hard", 0, false, false, FLAG_COUNT, "N", NULL, "above it, a send is refused"},
    {0},
};

static const struct flag message_flags[] = {
    {"trace", 0, false, false, FLAG_TEXT, "ID", NULL,
     "a trace id of 32 hexadecimal digits [a new one]"},
    {0},
};

static const struct flag actor_list_flags[] = {
    {"node", 0, false, false, FLAG_TEXT, "NODE", NULL, "on this node only"},
    {"behavior", 'b', false, false, FLAG_TEXT, "NAME", NULL, "of this behavior only"},
    {"sort", 0, false, false, FLAG_CHOICE, "mailbox|rate|restarts", NULL,
     "largest first; rate takes two readings, a second apart"},
    {"top", 0, false, false, FLAG_COUNT, "N", NULL,
     "the first N only; sorted by mailbox unless --sort"},
    {"tree", 0, false, true, FLAG_SWITCH, NULL, NULL, NULL},
    {0},
};

static const struct flag snapshot_flags[] = {
    {"snapshots", 0, true, false, FLAG_TEXT, "DIR", NULL,
     "a folder of snapshots; repeated when parts are in several [DIR/snapshots]"},
    {0},
};

static const struct flag snapshot_show_flags[] = {
    {"snapshots", 0, true, false, FLAG_TEXT, "DIR", NULL,
     "a folder of snapshots; repeated when parts are in several [DIR/snapshots]"},
    {"node", 0, false, false, FLAG_TEXT, "NODE", NULL, "what this node recorded only"},
    {"limit", 0, false, false, FLAG_COUNT, "N", NULL,
     "at most N actors and N messages [20 in a table, all as JSON]"},
    {0},
};

static const struct flag logs_flags[] = {
    {"trace", 0, false, false, FLAG_TEXT, "ID", NULL, "lines that carry this trace id only"},
    {"node", 0, false, false, FLAG_TEXT, "NODE", NULL, "of this node only"},
    {"follow", 'f', false, false, FLAG_SWITCH, NULL, NULL, "go on with new lines as they come"},
    {"lines", 'n', false, false, FLAG_COUNT, "N", NULL,
     "the last N lines [200; with --trace, all]"},
    {0},
};

static const struct flag dead_flags[] = {
    {"node", 0, false, false, FLAG_TEXT, "NODE", NULL, "of this node only"},
    {"limit", 0, false, false, FLAG_COUNT, "N", NULL, "the latest N only"},
    {0},
};

static const struct flag bench_flags[] = {
    {"runs", 0, false, false, FLAG_COUNT, "N", NULL, "measured runs of each workload [5]"},
    {"warmup", 0, false, false, FLAG_COUNT, "N", NULL, "runs before them that do not count [1]"},
    {"list", 0, false, false, FLAG_SWITCH, NULL, NULL, "the workloads, and what each measures"},
    {"calibrate", 0, false, false, FLAG_SWITCH, NULL, NULL, "only how fast the machine is now"},
    {0},
};

static const struct command commands[] = {
    {NULL, "up", "[N]", "launch N nodes on this machine and wait until all have joined",
     "troupe up 3 --load build/examples/bank.so\n"
     "troupe up 1 --insecure --dir /tmp/c1\n"
     "troupe up                             # the nodes of a stopped cluster, as they were\n",
     "Makes the cluster's folder: keys, configuration files, logs. The nodes are n1, n2, ...; "
     "ports are picked. "
     "Without N, the stopped nodes of the folder are launched again; with N and in a new folder, N "
     "new ones (3 unless told).",
     up_flags, cmd_up},
    {NULL, "down", "", "stop the nodes of the folder, cleanly",
     "troupe down\ntroupe down --timeout 2m\n",
     "Each node leaves its cluster and ends; keys, logs and snapshots stay. What has not ended in "
     "time is named, "
     "and left running.",
     NULL, cmd_down},
    {NULL, "status", "", "members, uptime, actors, message rates",
     "troupe status\ntroupe status --watch\ntroupe status -o json\n",
     "Rates are measured over a fifth of a second.", NULL, cmd_status},
    {"node", "list", "", "the members of the cluster", "troupe node list\n", NULL, NULL,
     cmd_node_list},
    {"node", "show", "NAME", "one member, with its counters", "troupe node show n2\n", NULL, NULL,
     cmd_node_show},
    {"node", "stop", "NAME", "let a node leave the cluster and end", "troupe node stop n2\n", NULL,
     NULL, cmd_node_stop},
    {"node", "kill", "NAME", "end a node's process at once (SIGKILL)", "troupe node kill n2\n",
     "Only nodes launched from this folder; a process that merely has the same number is never "
     "touched.",
     NULL, cmd_node_kill},
    {"node", "start", "NAME", "launch a stopped or killed node again", "troupe node start n2\n",
     "With its configuration as it was; it joins through any node that runs.", NULL,
     cmd_node_start},
    {"behavior", "list", "", "what each node offers", "troupe behavior list\n", NULL, NULL,
     cmd_behavior_list},
    {"behavior", "show", "NAME", "the records a behavior takes, field by field",
     "troupe behavior show account\n", NULL, NULL, cmd_behavior_show},
    {NULL, "spawn", "BEHAVIOR", "start actors",
     "troupe spawn account --name alice --state '{\"cents\": 100}'\n"
     "troupe spawn account --name acc --count 1000\n"
     "troupe spawn teller --on n2\n",
     NULL, spawn_flags, cmd_spawn},
    {NULL, "send", "TARGET RECORD [JSON]", "send a message",
     "troupe send alice deposit '{\"cents\": 5}'\n"
     "troupe send n2/17.3 deposit @deposit.json\n"
     "echo '{\"cents\": 5}' | troupe send alice deposit -\n",
     "TARGET is a name or a pid. Fields that are left out are zero.", message_flags, cmd_send},
    {NULL, "ask", "TARGET RECORD [JSON]", "send a request and print its reply",
     "troupe ask alice get\ntroupe ask alice get --timeout 200ms -o json\n", NULL, message_flags,
     cmd_ask},
    {"actor", "list", "", "actors of all nodes",
     "troupe actor list --behavior account\ntroupe actor list --top 10\n", NULL, actor_list_flags,
     cmd_actor_list},
    {"actor", "show", "TARGET", "one actor, with its state", "troupe actor show alice\n",
     "The state is read in the actor's own turn.", NULL, cmd_actor_show},
    {"actor", "stop", "TARGET", "let an actor end", "troupe actor stop alice\n", NULL, NULL,
     cmd_actor_stop},
    {"snapshot", "create", "", "take a consistent snapshot of the whole cluster",
     "troupe snapshot create\ntroupe snapshot create --timeout 2m -o json\n",
     "Actors go on working meanwhile.", NULL, cmd_snapshot_create},
    {"snapshot", "list", "", "the snapshots there are", "troupe snapshot list\n", NULL,
     snapshot_flags, cmd_snapshot_list},
    {"snapshot", "show", "ID", "a snapshot's actors and messages in flight",
     "troupe snapshot show latest\ntroupe snapshot show s000003-n1 -o json\n",
     "Reads the files: no node need run. `latest` is the newest.", snapshot_show_flags,
     cmd_snapshot_show},
    {"snapshot", "verify", "ID", "check that a snapshot is whole, unaltered and consistent",
     "troupe snapshot verify latest\n", NULL, snapshot_flags, cmd_snapshot_verify},
    {"snapshot", "sum", "ID RECORD.FIELD...", "a total over all actors and messages in flight",
     "troupe snapshot sum latest account.cents deposit.cents\n", NULL, snapshot_flags,
     cmd_snapshot_sum},
    {NULL, "logs", "", "log lines of all nodes, in the order of time",
     "troupe logs --trace 4bf92f3577b34da6a3ce929d0e0e4736\ntroupe logs --node n2 -f\n", NULL,
     logs_flags, cmd_logs},
    {"dead", "list", "", "dead letters: what could not be delivered, and why", "troupe dead list\n",
     NULL, dead_flags, cmd_dead_list},
    {NULL, "bench", "[WORKLOAD...]", "measure this build on this machine",
     "troupe bench                         # all workloads, 5 runs each\n"
     "troupe bench pingpong counting --runs 9\n"
     "troupe bench --list\n"
     "troupe bench --calibrate             # near or far?\n"
     "taskset -c 0 troupe bench pingpong   # on one core\n"
     "troupe bench pairs:1 pairs:1000      # of any size: pairs, mailbox, actors, state\n",
     "Each run is a process of its own, with at most 5 minutes (--timeout), in a temporary folder "
     "beneath $TMPDIR that is removed afterwards. Figures are the median over the runs, with the "
     "smallest and the largest. Before and after each run the time is measured that a cache line "
     "takes from one core to another: near is below 80 ns, far above. On a virtual machine it "
     "changes at times, and much else with it; only runs of one state, the one that most runs saw, "
     "are counted, and a run during which it changed is repeated. Keep the machine otherwise idle.",
     bench_flags, cmd_bench},
    {"keys", "list", "", "the public keys of the folder", "troupe keys list\n", NULL, NULL,
     cmd_keys_list},
    {"keys", "make", "NAME", "make a pair of keys",
     "troupe keys make n4                  # for a node on another machine\n"
     "troupe keys make observe.grafana     # for a control program that only looks\n",
     "A node's keys have its name; a control program's begin with `operate.` or `observe.`. The "
     "other side needs NAME.pub, "
     "and SIGHUP to read it.",
     NULL, cmd_keys_make},
    {NULL, "completion", "SHELL", "completion for a shell (bash)",
     "source <(troupe completion bash)\n", NULL, NULL, cmd_completion},
    {NULL, "version", "", "the program's version", "troupe version -o json\n", NULL, NULL,
     cmd_version},
    {NULL, "help", "[COMMAND...]", "help on a command", "troupe help spawn\n", NULL, NULL,
     cmd_help},

    {"actor", "kill", "", NULL, NULL, NULL, NULL, NULL},
    {"actor", "watch", "", NULL, NULL, NULL, NULL, NULL},
    {"snapshot", "diff", "", NULL, NULL, NULL, NULL, NULL},
    {"snapshot", "restore", "", NULL, NULL, NULL, NULL, NULL},
    {"snapshot", "remove", "", NULL, NULL, NULL, NULL, NULL},
    {"snapshot", "check", "", NULL, NULL, NULL, NULL, NULL},
    {"dead", "show", "", NULL, NULL, NULL, NULL, NULL},
    {"dead", "replay", "", NULL, NULL, NULL, NULL, NULL},
    {"dead", "purge", "", NULL, NULL, NULL, NULL, NULL},
    {"trace", "list", "", NULL, NULL, NULL, NULL, NULL},
    {"trace", "show", "", NULL, NULL, NULL, NULL, NULL},
    {"trace", "export", "", NULL, NULL, NULL, NULL, NULL},
    {NULL, "top", "", NULL, NULL, NULL, NULL, NULL},
    {"keys", "allow", "", NULL, NULL, NULL, NULL, NULL},
    {"keys", "revoke", "", NULL, NULL, NULL, NULL, NULL},
};

static const struct grammar troupe = {
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
    .flags = global_flags,
};

const struct grammar *grammar_troupe(void) {
    return &troupe;
}
