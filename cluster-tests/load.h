/*
 * load.h - the actors whose messages the simulator's cuts go through; written with <troupe.h>
 * alone.
 *
 * One root a node spawns the rest: accounts that move money, tellers that order transfers by name,
 * an asker that holds, a breeder of children here and elsewhere, a sink with a small mailbox and a
 * flooder that overruns sinks, a caster with one long handler, a planter that spawns elsewhere
 * without waiting for word and hands the pids to couriers. They work until a deadline.
 * What a deposit is worth follows from its receiver's pid (load_amount), so that the oracle knows
 * it.
 */
#ifndef TROUPE_CLUSTER_TESTS_LOAD_H
#define TROUPE_CLUSTER_TESTS_LOAD_H

#include <troupe.h>

enum { LOAD_ACCOUNT_CENTS = 100000 };

/* An account's state and the money on its way. */
struct account {
    int64_t cents;
    uint64_t transfers;
};
struct deposit {
    int64_t cents;
};

/* How a root is born. */
struct root {
    uint64_t deadline_ns; /* by tr_now */
    uint32_t index, nodes;
    uint32_t accounts; /* on each node */
    uint32_t pause_us; /* between two acts of each busy actor, on average */
};

TR_RECORD_DECLARE(account);
TR_RECORD_DECLARE(deposit);
TR_RECORD_DECLARE(root);
TR_RECORD_DECLARE(transfer);
TR_RECORD_DECLARE(get);
struct transfer {
    tr_pid to;
};
struct get {
    char unused;
};

/* What every node offers; ends with NULL. */
extern const tr_behavior *const load_behaviors[];
extern const tr_behavior load_root, load_account;

/* The cents of every deposit to that account. */
int64_t load_amount(tr_pid to);

#endif
