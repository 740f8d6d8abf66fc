/*
 * core.h - who does the core's work: its own thread, or a worker that has nothing else to do.
 *
 * The core is a role, and what is said to be the core thread's belongs to whoever has it. Its
 * thread has it as a rule, and sleeps with it in the driver. But when that thread and a worker both
 * look around for what comes in next, one of them is enough: the thread offers the core and stands
 * by. The worker then takes turns at it between two looks for work: it runs what a frame has woken,
 * and sends what that sends, without a second thread that must be woken in between.
 *
 * While the core is offered nobody is bound to be there: the worker may run a handler for seconds.
 * So only those take turns that came back within 100 us the last time, and the thread looks now and
 * then how long ago the last turn was, and takes the core back: after 125 us, and more rarely while
 * all goes well, up to every 2 ms, since each look takes the processor from those that answer. It
 * is called back at once when the worker parks, finds work of another kind, or handles another
 * message after one that sent; when another thread sends or has a command; and for snapshots, whose
 * work can last.
 */
#ifndef TROUPE_CORE_H
#define TROUPE_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

struct core {
    pthread_mutex_t mutex;      /* whoever holds it has the role */
    _Atomic uint32_t offered;   /* 1: the thread stands by, workers may take turns; a futex */
    _Atomic uint64_t turned_ns; /* when a worker's last turn ended */
    uint64_t watch_ns;          /* how long to stand by at first; 16 times that at most */
    uint64_t due_ns;            /* when node_step wants to be called next; of the role */
    bool waited_shortly;        /* the thread, the last time */
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
