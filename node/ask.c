#include "node/ask.h"

#include "node/base/memory.h"
#include "node/pressure.h"
#include "node/runtime.h"
#include "node/worker.h"

enum { TIMEOUT_DEFAULT_MS = 5000 };

static tr_status copy_context(struct runtime *runtime, struct pending_ask *ask,
                              const tr_ask_options *options) {
    if (options->context_record == NULL || options->context == NULL) return TR_OK;
    tr_status status =
        record_table_intern(runtime->records, options->context_record, &ask->context_type, NULL);
    if (status != TR_OK) return TR_EDATA;
    ask->context = record_copy(ask->context_type, options->context, NULL);
    return ask->context == NULL ? TR_EDATA : TR_OK;
}

tr_status ask_open(tr_actor *asker, const tr_message *request, const tr_ask_options *options) {
    static const tr_ask_options defaults = {0};
    if (options == NULL) options = &defaults;
    struct pending_ask *ask = mem_zalloc(1, sizeof *ask);
    if (copy_context(asker->runtime, ask, options) != TR_OK) {
        mem_free(ask);
        return TR_EDATA;
    }
    ask->id = request->serial;
    ask->target = request->to;
    ask->request = request->kind == MESSAGE_SPAWN ? asker->runtime->spawn_request : request->type;
    ask->hold = options->hold;
    tr_message *token = message_new(0);
    token->kind = MESSAGE_ASK_TIMEOUT;
    token->to = request->from;
    token->reference = ask->id;
    token->trace = request->trace;
    ask->timer.message = token;
    uint64_t timeout_ms = options->timeout_ms == 0 ? TIMEOUT_DEFAULT_MS : options->timeout_ms;
    struct actor_extra *extra = actor_extra(asker);
    map_u64_put(&extra->asks, ask->id, ask);
    worker_add_timer(asker->worker, &ask->timer, timeout_ms);
    if (ask->hold) {
        extra->hold = ask->id;
        pressure_hold(asker);
    }
    return TR_OK;
}

struct pending_ask *ask_take(tr_actor *asker, uint64_t id) {
    if (asker->extra == NULL) return NULL;
    struct pending_ask *ask = map_u64_remove(&asker->extra->asks, id);
    if (ask == NULL) return NULL;
    timers_remove(&ask->timer);
    if (asker->extra->hold == id) {
        asker->extra->hold = 0;
        pressure_unhold(asker);
    }
    return ask;
}

void ask_close(struct pending_ask *ask) {
    message_free(ask->timer.message);
    mem_free(ask->context);
    mem_free(ask);
}

void asks_free(struct actor_extra *extra) {
    size_t cursor = 0;
    for (struct pending_ask *ask; (ask = map_u64_next(&extra->asks, &cursor, NULL)) != NULL;) {
        timers_remove(&ask->timer);
        ask_close(ask);
    }
    map_u64_fini(&extra->asks);
}
