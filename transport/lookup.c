/*
 * lookup.c - one thread for each look-up.
 */
#include "transport/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "node/base/memory.h"

/* Shared by the thread and the one who asked; whoever lets go last frees it. What is behind `done`
 * belongs to the thread until `done` is true, and changes no more then. */
struct lookup {
    atomic_int users;
    atomic_bool done;
    int eventfd;
    tr_status status;
    struct endpoint endpoint;
    tr_error error;
};

void lookup_release(struct lookup *lookup) {
    if (lookup == NULL) return;
    /* Acquire and release: whoever frees must come after all that the other did with it. */
    if (atomic_fetch_sub_explicit(&lookup->users, 1, memory_order_acq_rel) > 1) return;
    close(lookup->eventfd);
    mem_free(lookup);
}

static void *run_lookup(void *context) {
    struct lookup *lookup = context;
    lookup->status = endpoint_make_numeric(&lookup->endpoint, &lookup->error);
    /* Release: who sees `done` sees the outcome. */
    atomic_store_explicit(&lookup->done, true, memory_order_release);
    uint64_t one = 1;
    (void)!write(lookup->eventfd, &one, sizeof one);
    lookup_release(lookup);
    return NULL;
}

/* Starts a detached thread that takes no signals: those are for the threads of the program. */
static bool start_thread(struct lookup *lookup) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int code = pthread_create(&thread, &attributes, run_lookup, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return code == 0;
}

struct lookup *lookup_start(const struct endpoint *endpoint, int eventfd) {
    /* A copy, since the thread may outlive the one who asked and its descriptors. */
    int copy = fcntl(eventfd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return NULL;
    struct lookup *lookup = mem_zalloc(1, sizeof *lookup);
    atomic_init(&lookup->users, 2);
    atomic_init(&lookup->done, false);
    lookup->eventfd = copy;
    lookup->endpoint = *endpoint;
    if (!start_thread(lookup)) {
        close(copy);
        mem_free(lookup);
        errno = EAGAIN;
        return NULL;
    }
    return lookup;
}

bool lookup_done(const struct lookup *lookup, tr_status *status_out, struct endpoint *endpoint_out,
                 tr_error *error_out) {
    /* Acquire: pairs with the thread's release. */
    if (!atomic_load_explicit(&lookup->done, memory_order_acquire)) return false;
    *status_out = lookup->status;
    if (lookup->status == TR_OK) {
        *endpoint_out = lookup->endpoint;
    } else {
        *error_out = lookup->error;
    }
    return true;
}
