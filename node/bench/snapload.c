#include "node/bench/snapload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/bench/disk.h"
#include "node/bench/trio.h"

enum {
    ACCOUNTS = 300, /* a third on each node */
    CENTS = 1000000,
    PHASE_MS = 2500, /* with snapshots, without, with, ... */
    PHASES = 8,
    ASKERS = 32,     /* threads that ask: under load an answer takes long, and 100 are needed */
    ASKS_MAX = 65536 /* of one asker in one kind of phase */
};

/* ---- the bank's records, as node/examples/bank.c has them ------------------------------------ */

struct account {
    int64_t cents;
    uint64_t transfers;
};
struct get {
    char unused;
};
struct run {
    tr_text prefix;
    uint32_t count;
};
struct stop {
    char unused;
};
struct report {
    uint64_t sent;
    uint64_t refused;
    uint32_t accounts;
    bool running;
};
TR_RECORD(account, TR_FIELD(account, cents), TR_FIELD(account, transfers));
TR_RECORD(get);
TR_RECORD(run, TR_FIELD(run, prefix), TR_FIELD(run, count));
TR_RECORD(stop);

/* ---- one measurement ------------------------------------------------------------------------- */

/* The two kinds of phase. */
enum side { WITHOUT, WITH, SIDES };

/* A thread with a port of its own that asks one account after the other. */
struct asker {
    struct load *load;
    pthread_t thread;
    tr_port *port;
    uint32_t next; /* account */
    enum side side;
    uint64_t *asks_ns[SIDES];
    size_t asks[SIDES];
    tr_status status;
};

struct load {
    struct workload_run *run;
    struct trio trio;
    tr_pid accounts[ACCOUNTS], tellers[TRIO_NODES];
    struct asker askers[ASKERS];
    double transfers[SIDES], seconds[SIDES];
    uint64_t snapshots, in_flight;
    _Atomic uint64_t until_ns; /* the phase's end */
    tr_status status;          /* of the thread that takes snapshots */
};

static bool runs(const struct load *load) {
    return workload_now_ns() < atomic_load(&load->until_ns);
}

static void *take_snapshots(void *argument) {
    struct load *load = argument;
    tr_snapshot_info info;
    while (runs(load) && load->status == TR_OK) {
        load->status =
            tr_snapshot(load->trio.here.node, WORKLOAD_WAIT_MS, &info, &load->run->error);
        if (load->status != TR_OK) break;
        load->snapshots++;
        load->in_flight += info.in_flight;
    }
    return NULL;
}

static void *ask_in_turn(void *argument) {
    struct asker *asker = argument;
    struct load *load = asker->load;
    size_t *asks = &asker->asks[asker->side];
    while (runs(load) && *asks < ASKS_MAX && asker->status == TR_OK) {
        tr_message *reply;
        tr_pid account = load->accounts[asker->next++ % ACCOUNTS];
        uint64_t began_ns = workload_now_ns();
        asker->status = tr_port_ask(asker->port, account, WORKLOAD_WAIT_MS, &reply, get);
        if (asker->status != TR_OK) break;
        tr_message_free(reply);
        asker->asks_ns[asker->side][(*asks)++] = workload_now_ns() - began_ns;
    }
    return NULL;
}

/* The transfers that all tellers have had accepted so far. */
static tr_status count_sent(struct load *load, double *sent_out) {
    double sent = 0;
    for (int i = 0; i < TRIO_NODES; i++) {
        tr_message *reply;
        tr_status status =
            tr_port_ask(load->trio.here.port, load->tellers[i], WORKLOAD_WAIT_MS, &reply, get);
        if (status != TR_OK)
            return error_set(&load->run->error, status, NULL, "a teller does not answer");
        sent += (double)((const struct report *)tr_body(reply))->sent;
        tr_message_free(reply);
    }
    *sent_out = sent;
    return TR_OK;
}

/* Starts who asks and who takes snapshots, and waits until the phase is over for all of them. */
static tr_status run_threads(struct load *load, enum side side) {
    pthread_t taker;
    int started = 0;
    bool takes = side == WITH && pthread_create(&taker, NULL, take_snapshots, load) == 0;
    for (; started < ASKERS; started++) {
        struct asker *asker = &load->askers[started];
        asker->side = side;
        if (pthread_create(&asker->thread, NULL, ask_in_turn, asker) != 0) break;
    }
    tr_status status = TR_OK;
    for (int i = 0; i < started; i++) {
        pthread_join(load->askers[i].thread, NULL);
        if (load->askers[i].status != TR_OK) status = load->askers[i].status;
    }
    if (takes) pthread_join(taker, NULL);
    if (started < ASKERS || takes != (side == WITH))
        return error_set(&load->run->error, TR_EIO, NULL, "no thread can be had");
    if (status != TR_OK)
        return error_set(&load->run->error, status, NULL, "an account does not answer");
    return load->status;
}

static tr_status run_phase(struct load *load, enum side side) {
    double before, after;
    tr_status status = count_sent(load, &before);
    if (status != TR_OK) return status;
    uint64_t began_ns = workload_now_ns();
    atomic_store(&load->until_ns, began_ns + PHASE_MS * 1000000ull);
    status = run_threads(load, side);
    if (status == TR_OK) status = count_sent(load, &after);
    if (status != TR_OK) return status;
    load->transfers[side] += after - before;
    load->seconds[side] += (double)(workload_now_ns() - began_ns) / 1e9;
    return TR_OK;
}

/* ---- the bank -------------------------------------------------------------------------------- */

static tr_status open_accounts(struct load *load) {
    for (int i = 0; i < ACCOUNTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "acc-%d", i);
        struct account state = {.cents = CENTS};
        tr_status status = tr_port_spawn(
            load->trio.here.port, "account", &account_record,
            TR_SPAWN(.node = trio_names[i % TRIO_NODES], .name = name, .state = &state),
            WORKLOAD_WAIT_MS, &load->accounts[i], &load->run->error);
        if (status != TR_OK) return status;
    }
    return TR_OK;
}

static tr_status start_tellers(struct load *load) {
    static const char prefix[] = "acc";
    for (int i = 0; i < TRIO_NODES; i++) {
        tr_status status =
            tr_port_spawn(load->trio.here.port, "teller", NULL, TR_SPAWN(.node = trio_names[i]),
                          WORKLOAD_WAIT_MS, &load->tellers[i], &load->run->error);
        if (status != TR_OK) return status;
        tr_message *reply;
        status = tr_port_ask(load->trio.here.port, load->tellers[i], WORKLOAD_WAIT_MS, &reply, run,
                             .prefix = {prefix, sizeof prefix - 1}, .count = ACCOUNTS);
        if (status != TR_OK) return status;
        bool found = ((const struct report *)tr_body(reply))->accounts == ACCOUNTS;
        tr_message_free(reply);
        if (!found)
            return error_set(&load->run->error, TR_EFAILED, NULL,
                             "the teller on %s has not found all accounts", trio_names[i]);
    }
    return TR_OK;
}

/* Ended before their nodes are, so that none of them sends into a cluster that is going. */
static void stop_tellers(struct load *load) {
    for (int i = 0; i < TRIO_NODES; i++) {
        tr_message *reply;
        if (tr_pid_is_none(load->tellers[i])) continue;
        if (tr_port_ask(load->trio.here.port, load->tellers[i], WORKLOAD_WAIT_MS, &reply, stop) ==
            TR_OK)
            tr_message_free(reply);
    }
}

/* ---- the workload ---------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double p99_us(const struct load *load, enum side side) {
    size_t count = 0;
    uint64_t *all = mem_zalloc((size_t)ASKERS * ASKS_MAX, sizeof *all);
    for (int i = 0; i < ASKERS; i++) {
        const struct asker *asker = &load->askers[i];
        memcpy(all + count, asker->asks_ns[side], asker->asks[side] * sizeof *all);
        count += asker->asks[side];
    }
    qsort(all, count, sizeof *all, compare);
    double result = count == 0 ? 0 : (double)all[count * 99 / 100] / 1000;
    mem_free(all);
    return result;
}

static void report(const struct load *load) {
    struct workload_run *run = load->run;
    double per_s[SIDES], slow_us[SIDES];
    for (enum side side = WITHOUT; side < SIDES; side++) {
        per_s[side] = load->transfers[side] / load->seconds[side];
        slow_us[side] = p99_us(load, side);
    }
    workload_report(run, "throughput_ratio", "x", per_s[WITH] / per_s[WITHOUT]);
    workload_report(run, "p99_ratio", "x", slow_us[WITH] / slow_us[WITHOUT]);
    workload_report(run, "transfers_per_s", "/s", per_s[WITHOUT]);
    workload_report(run, "p99_us", "us", slow_us[WITHOUT]);
    workload_report(run, "transfers_per_s_with", "/s", per_s[WITH]);
    workload_report(run, "p99_us_with", "us", slow_us[WITH]);
    workload_report(run, "snapshots_per_s", "/s", (double)load->snapshots / load->seconds[WITH]);
    workload_report(run, "in_flight", "messages",
                    (double)load->in_flight / (double)(load->snapshots + (load->snapshots == 0)));
    disk_note(run);
}

/* Alternating, so that a machine that gets slower or faster meanwhile decides nothing. */
static tr_status measure(struct load *load) {
    tr_status status = run_phase(load, WITHOUT); /* until mailboxes are as full as they will be */
    load->transfers[WITHOUT] = load->seconds[WITHOUT] = 0;
    for (int i = 0; i < ASKERS; i++) load->askers[i].asks[WITHOUT] = 0;
    for (int i = 0; i < PHASES && status == TR_OK; i++)
        status = run_phase(load, i % 2 == 0 ? WITHOUT : WITH);
    if (status == TR_OK) report(load);
    return status;
}

static tr_status open_askers(struct load *load) {
    tr_status status = TR_OK;
    for (uint32_t i = 0; i < ASKERS && status == TR_OK; i++) {
        struct asker *asker = &load->askers[i];
        asker->load = load;
        asker->next = i * (ACCOUNTS / ASKERS);
        for (enum side side = WITHOUT; side < SIDES; side++)
            asker->asks_ns[side] = mem_zalloc(ASKS_MAX, sizeof *asker->asks_ns[side]);
        status = tr_port_open(load->trio.here.node, &asker->port);
    }
    return status;
}

static void close_askers(struct load *load) {
    for (int i = 0; i < ASKERS; i++) {
        if (load->askers[i].port != NULL) tr_port_close(load->askers[i].port);
        for (enum side side = WITHOUT; side < SIDES; side++)
            mem_free(load->askers[i].asks_ns[side]);
    }
}

tr_status snapload_run(struct workload_run *run) {
    static const struct child_role bank = {"bank", tr_exported_behaviors};
    struct load *load = mem_zalloc(1, sizeof *load);
    load->run = run;
    tr_status status = trio_start(run, &bank, &load->trio);
    if (status == TR_OK) {
        status = open_accounts(load);
        if (status == TR_OK) status = open_askers(load);
        if (status == TR_OK) status = start_tellers(load);
        if (status == TR_OK) status = measure(load);
        stop_tellers(load);
        close_askers(load);
        trio_stop(&load->trio);
    }
    mem_free(load);
    return status;
}
