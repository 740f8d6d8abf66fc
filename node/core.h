/*
 * core.h - who does the core's work: its own thread, or a worker that has nothing else to do.
 *
 * The core is a role, and what is said to be the core thread's belongs to whoever has it. Its
 * thread has it as a rule, and sleeps with it in the driver. But when that thread and a worker both
 * look around for what comes in next, one of them is enough: the thread offers the core and stands
 * by. The worker then takes turns at it between two looks for work: it runs what a frame has woken,
 * and sends what that sends, without a second thread that must be woken in between.
 *
 * While the core is offered nobody is bound to be there (the worker may run a handler for seconds),
 * so the thread looks now and then whether turns are taken, and takes the core back if they are
 * not: after 125 us, and ever more rarely while all goes well, up to every 8 ms, since each look
 * takes the processor from those that answer. It is told at once when a worker turns to other work,
 * parks, or wants something that another thread must do.
 */
#ifndef TROUPE_CORE_H
#define TROUPE_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

struct core {
    pthread_mutex_t mutex;    /* whoever holds it has the role */
    _Atomic uint32_t offered; /* 1: the thread stands by, workers may take turns; a futex */
    _Atomic uint64_t turns;   /* that workers have taken, ever */
    uint64_t due_ns;          /* when node_step wants to be called next; of the role */
    bool waited_shortly;      /* the thread, the last time */
    pthread_t thread;
};

void core_init(struct core *core);
void core_fini(struct core *core);

/* Starts and joins the thread, which ends when the node's stage is NODE_STOPPED. Errors: TR_EIO no
 * thread can be had. */
tr_status core_start(tr_node *node, tr_error *error);
void core_join(tr_node *node);

/* A worker that looks around takes a turn, if the core is offered: takes in what has come and does
 * what is due. True when something came. */
bool core_take_turn(tr_node *node);

/* Asks for the core's thread, if it stands by: the caller takes no turns any more. Any thread. */
void core_recall(tr_node *node);

#endif
