/*
 * storage.c - the queue of jobs, one lock around two lists.
 */
#include "node/storage.h"

#include <pthread.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/memory.h"

struct storage {
    storage_files files;
    storage_notify *notify;
    void *notify_context;
    pthread_mutex_t mutex; /* guards all below; held across no call of a job */
    pthread_cond_t waiting_or_stopped;
    struct list waiting;
    struct list finished;
    bool running; /* a job is between the lists */
    bool stopped;
};

struct storage *storage_open(const storage_files *files, storage_notify *notify, void *context) {
    struct storage *storage = mem_zalloc(1, sizeof *storage);
    storage->files = *files;
    storage->notify = notify;
    storage->notify_context = context;
    check(pthread_mutex_init(&storage->mutex, NULL) == 0);
    check(pthread_cond_init(&storage->waiting_or_stopped, NULL) == 0);
    list_init(&storage->waiting);
    list_init(&storage->finished);
    return storage;
}

/* Takes the oldest job that has run, or with `all` also one that waits; NULL when there is none. */
static storage_job *take_finished(struct storage *storage, bool all) {
    pthread_mutex_lock(&storage->mutex);
    list_node *node = list_pop_front(&storage->finished);
    if (node == NULL && all) node = list_pop_front(&storage->waiting);
    pthread_mutex_unlock(&storage->mutex);
    return node == NULL ? NULL : container_of(node, storage_job, link);
}

void storage_close(struct storage *storage) {
    /* A completion may submit another job: that one, too, is completed without having run. */
    for (storage_job *job; (job = take_finished(storage, true)) != NULL;) job->complete(job);
    check(!storage->running);
    pthread_cond_destroy(&storage->waiting_or_stopped);
    pthread_mutex_destroy(&storage->mutex);
    mem_free(storage);
}

const storage_files *storage_files_of(const struct storage *storage) {
    return &storage->files;
}

void storage_submit(struct storage *storage, storage_job *job) {
    job->ran = false;
    job->link = (list_node){0};
    pthread_mutex_lock(&storage->mutex);
    list_push_back(&storage->waiting, &job->link);
    pthread_cond_signal(&storage->waiting_or_stopped);
    pthread_mutex_unlock(&storage->mutex);
}

bool storage_step(struct storage *storage) {
    pthread_mutex_lock(&storage->mutex);
    list_node *node = list_pop_front(&storage->waiting);
    if (node != NULL) storage->running = true;
    pthread_mutex_unlock(&storage->mutex);
    if (node == NULL) return false;

    storage_job *job = container_of(node, storage_job, link);
    job->run(job, &storage->files);
    job->ran = true;

    pthread_mutex_lock(&storage->mutex);
    list_push_back(&storage->finished, &job->link);
    storage->running = false;
    pthread_mutex_unlock(&storage->mutex);
    if (storage->notify != NULL) storage->notify(storage->notify_context);
    return true;
}

bool storage_wait(struct storage *storage) {
    pthread_mutex_lock(&storage->mutex);
    while (list_empty(&storage->waiting) && !storage->stopped) {
        pthread_cond_wait(&storage->waiting_or_stopped, &storage->mutex);
    }
    bool waits = !list_empty(&storage->waiting);
    pthread_mutex_unlock(&storage->mutex);
    return waits;
}

void storage_stop(struct storage *storage) {
    pthread_mutex_lock(&storage->mutex);
    storage->stopped = true;
    pthread_cond_broadcast(&storage->waiting_or_stopped);
    pthread_mutex_unlock(&storage->mutex);
}

size_t storage_poll_completions(struct storage *storage) {
    size_t count = 0;
    for (storage_job *job; (job = take_finished(storage, false)) != NULL; count++) {
        job->complete(job);
    }
    return count;
}

bool storage_busy(struct storage *storage) {
    pthread_mutex_lock(&storage->mutex);
    bool busy =
        storage->running || !list_empty(&storage->waiting) || !list_empty(&storage->finished);
    pthread_mutex_unlock(&storage->mutex);
    return busy;
}
