#include "node/deadletter.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "node/base/hex.h"
#include "node/base/log_limiter.h"
#include "node/base/memory.h"
#include "node/post.h"
#include "node/recording.h"
#include "node/runtime.h"
#include "node/spawn.h"

enum { LOGGED_MAX = 10, LOG_INTERVAL_NS = 1000000000 }; /* lines in that time */

struct deadletters {
    pthread_mutex_t mutex; /* losing messages is no hot path */
    uint64_t last;
    uint64_t counts[DEADLETTER_REASONS];
    log_limiter limiter;
    struct deadletter ring[DEADLETTERS_KEPT];
};

static const struct {
    const char *text;
    tr_status status;
} REASONS[] = {
#define DEADLETTER_ROW_(name, text, status) {text, status},
    DEADLETTER_LIST(DEADLETTER_ROW_)
#undef DEADLETTER_ROW_
};

const char *deadletter_text(enum deadletter_reason reason) {
    return REASONS[reason].text;
}

struct deadletters *deadletters_new(void) {
    struct deadletters *letters = mem_zalloc(1, sizeof *letters);
    pthread_mutex_init(&letters->mutex, NULL);
    log_limiter_init(&letters->limiter, LOGGED_MAX, LOG_INTERVAL_NS);
    return letters;
}

void deadletters_free(struct deadletters *letters) {
    if (letters == NULL) return;
    log_limiter_fini(&letters->limiter);
    pthread_mutex_destroy(&letters->mutex);
    mem_free(letters);
}

static struct deadletter keep(struct deadletters *letters, const tr_message *dropped,
                              enum deadletter_reason reason, uint64_t wall_ns) {
    letters->counts[reason]++;
    struct deadletter *kept = &letters->ring[letters->last % DEADLETTERS_KEPT];
    *kept = (struct deadletter){.number = ++letters->last,
                                .reason = reason,
                                .from = dropped->from,
                                .to = dropped->to,
                                .trace = dropped->trace,
                                .wall_ns = wall_ns};
    snprintf(kept->record, sizeof kept->record, "%s",
             dropped->kind == MESSAGE_STOP   ? "stop"
             : message_name(dropped) == NULL ? ""
                                             : message_name(dropped));
    return *kept;
}

static void log_letter(struct runtime *runtime, const struct deadletter *letter) {
    if (letter->reason == DEADLETTER_CLOSING || !log_enabled(runtime->environment->logger, TR_WARN))
        return;
    char from[TR_PID_TEXT_MAX], to[TR_PID_TEXT_MAX], trace[33];
    runtime->router->pid_text(runtime->router_context, letter->from, from, sizeof from);
    runtime->router->pid_text(runtime->router_context, letter->to, to, sizeof to);
    hex_encode(letter->trace.id, sizeof letter->trace.id, trace);
    log_context context = {.trace = trace, .component = "deadletter"};
    log_write_limited(runtime->environment->logger, &runtime->deadletters->limiter,
                      runtime_now_ns(runtime), TR_WARN, &context,
                      "dead letter: %s from %s to %s: %s", letter->record, from, to,
                      deadletter_text(letter->reason));
}

void deadletter_answer(struct producer *producer, tr_actor *context, const tr_message *request,
                       tr_status status) {
    struct runtime *runtime = producer->runtime;
    struct tr_ask_failed failed = {.status = status, .target = request->to};
    if (request->type != NULL)
        snprintf(failed.record, sizeof failed.record, "%s", request->type->name);
    tr_message *answer;
    if (message_of(runtime->ask_failed, &failed, UINT32_MAX, &answer) != TR_OK) return;
    answer->flags = MESSAGE_REPLY;
    answer->reference = request->serial;
    answer->to = request->from;
    answer->trace = request->trace;
    post_system(producer, context, &answer);
}

void deadletter_drop(struct producer *producer, tr_actor *context, tr_message **dropped,
                     enum deadletter_reason reason) {
    struct runtime *runtime = producer->runtime;
    tr_message *item = *dropped;
    *dropped = NULL;
    bool handled = reason == DEADLETTER_UNHANDLED || reason == DEADLETTER_MISMATCH;
    if ((item->kind == MESSAGE_TIMER || item->kind == MESSAGE_ASK_TIMEOUT) &&
        !handled) { /* ended with its actor */
        message_free(item);
        return;
    }
    /* In an actor's turn its colour decides on which side of a cut the message died; elsewhere the
     * node's E does, and for what is newer than an actor that ended before it could turn: what was
     * sent outside dies outside, and is answered from there (I6). */
    if (context != NULL && item->colour > actor_colour(context)) context = NULL;
    uint64_t colour = context != NULL ? actor_colour(context) : runtime_epoch(runtime);
    recording_dead_letter(producer, item, colour, deadletter_text(reason));
    runtime_observe_message(runtime, OBSERVE_DEAD_LETTER, item, colour, deadletter_text(reason));
    struct deadletters *letters = runtime->deadletters;
    uint64_t wall_ns = environment_wall_ns(runtime->environment);
    pthread_mutex_lock(&letters->mutex);
    struct deadletter kept = keep(letters, item, reason, wall_ns);
    pthread_mutex_unlock(&letters->mutex);
    bool own_spawn =
        item->kind == MESSAGE_SPAWN && item->origin == 0 && (item->flags & MESSAGE_ASK) == 0;
    if (own_spawn)
        spawn_lost(producer, item, deadletter_text(reason));
    else
        log_letter(runtime, &kept);
    if ((item->flags & MESSAGE_ASK) != 0)
        deadletter_answer(producer, context, item, REASONS[reason].status);
    message_free(item);
}

size_t deadletters_list(struct deadletters *letters, uint64_t after, struct deadletter *out,
                        size_t max) {
    pthread_mutex_lock(&letters->mutex);
    uint64_t oldest = letters->last > DEADLETTERS_KEPT ? letters->last - DEADLETTERS_KEPT : 0;
    if (after < oldest) after = oldest;
    if (letters->last - after > max) after = letters->last - max;
    size_t count = 0;
    for (uint64_t number = after; number < letters->last; number++)
        out[count++] = letters->ring[number % DEADLETTERS_KEPT];
    pthread_mutex_unlock(&letters->mutex);
    return count;
}

void deadletters_counts(struct deadletters *letters, uint64_t *counts) {
    pthread_mutex_lock(&letters->mutex);
    memcpy(counts, letters->counts, sizeof letters->counts);
    pthread_mutex_unlock(&letters->mutex);
}
