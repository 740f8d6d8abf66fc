/*
 * account_main.c - a program of one's own that is a node: account.c linked in, without a daemon.
 *
 * Opens a node, offers the behavior, and speaks with an actor from a plain thread, through a port.
 * The node keeps its keys in the folder it is given.
 */
#include <stdio.h>
#include <string.h>
#include <troupe.h>

extern const tr_behavior purse_behavior; /* of account.c */

/* The records to speak with it: known by name and fields, so describing them again is enough. */
struct deposit {
    int64_t cents;
};
struct get {
    char unused;
};
struct balance {
    int64_t cents;
};
TR_RECORD(deposit, TR_FIELD(deposit, cents));
TR_RECORD(get);

enum { WAIT_MS = 5000 };

static int failed(const char *what, tr_status status, const tr_error *error) {
    const char *why = error->message[0] != '\0' ? error->message : tr_status_text(status);
    fprintf(stderr, "account: %s: %s\n", what, why);
    if (error->hint[0] != '\0') fprintf(stderr, "  fix: %s\n", error->hint);
    return 1;
}

static int use_purse(tr_port *port) {
    tr_error error = {.status = TR_OK};
    tr_pid purse;
    tr_status status =
        tr_port_spawn(port, "purse", NULL, TR_SPAWN(.name = "mine"), WAIT_MS, &purse, &error);
    if (status != TR_OK) return failed("spawn", status, &error);

    for (int64_t cents = 1; cents <= 100; cents++) {
        status = tr_port_send(port, purse, WAIT_MS, deposit, .cents = cents);
        if (status != TR_OK) return failed("deposit", status, &error);
    }
    tr_message *reply;
    status = tr_port_ask(port, purse, WAIT_MS, &reply, get);
    if (status != TR_OK) return failed("get", status, &error);
    bool understood = strcmp(tr_record_name(reply), "balance") == 0;
    const struct balance *balance = tr_body(reply);
    if (understood)
        printf("the purse holds %" PRId64 " cents after 100 deposits\n", balance->cents);
    tr_message_free(reply);
    return understood ? 0 : failed("get", TR_EDATA, &error);
}

static int run(tr_node *node) {
    tr_error error = {.status = TR_OK};
    tr_status status = tr_node_offer(node, &purse_behavior, &error);
    if (status == TR_OK) status = tr_node_start(node, &error);
    if (status == TR_OK) status = tr_node_wait_up(node, WAIT_MS, &error);
    if (status != TR_OK) return failed("node", status, &error);

    tr_port *port;
    status = tr_port_open(node, &port);
    if (status != TR_OK) return failed("port", status, &error);
    int code = use_purse(port);
    tr_port_close(port);
    return code;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: account FOLDER\n");
        return 64;
    }
    tr_node *node;
    tr_error error = {.status = TR_OK};
    tr_node_options options = {.name = "solo", .dir = argv[1], .log_level = TR_WARN};
    tr_status status = tr_node_open(&options, &node, &error);
    if (status != TR_OK) return failed("node", status, &error);
    int code = run(node);
    tr_node_close(node);
    return code;
}
