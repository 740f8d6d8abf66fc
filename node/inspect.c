#include "node/inspect.h"

#include <string.h>

#include "node/json.h"
#include "node/runtime.h"

enum { LISTED_MAX = 100 }; /* asks and timers each */

TR_RECORD_DEFINE(inspection, TR_FIELD(inspection, json));

static json_int_t left_ms(const struct timer *timer, uint64_t now_ns) {
    return timer->deadline_ns <= now_ns ? 0 : (json_int_t)((timer->deadline_ns - now_ns) / 1000000);
}

static json_t *list_asks(tr_actor *actor, uint64_t now_ns) {
    json_t *list = json_array();
    size_t cursor = 0;
    struct pending_ask *ask;
    while (actor->extra != NULL && json_array_size(list) < LISTED_MAX &&
           (ask = map_u64_next(&actor->extra->asks, &cursor, NULL)) != NULL) {
        char to[TR_PID_TEXT_MAX];
        tr_pid_text(actor, ask->target, to, sizeof to);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:b, s:I}", "to", to, "record", ask->request->name, "hold",
                            ask->hold, "left_ms", left_ms(&ask->timer, now_ns)));
    }
    return list;
}

static json_t *list_timers(tr_actor *actor, uint64_t now_ns) {
    json_t *list = json_array();
    size_t cursor = 0;
    struct timer *timer;
    while (actor->extra != NULL && json_array_size(list) < LISTED_MAX &&
           (timer = map_u64_next(&actor->extra->timers, &cursor, NULL)) != NULL)
        json_array_append_new(list, json_pack("{s:s, s:I}", "record", timer->type->name, "left_ms",
                                              left_ms(timer, now_ns)));
    return list;
}

void inspect_answer(tr_actor *actor, const tr_message *request) {
    struct runtime *runtime = actor->runtime;
    const record_type *type;
    if (record_table_intern(runtime->records, &inspection_record, &type, NULL) != TR_OK) return;
    record_pids pids = json_pids(runtime);
    json_t *contents = actor->behavior->state == NULL
                           ? json_null()
                           : record_to_json(actor->behavior->state, actor->state, &pids);
    uint64_t now_ns = runtime_now_ns(runtime);
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I}}", "contents", contents, "asks",
                  list_asks(actor, now_ns), "timers", list_timers(actor, now_ns), "marks", "low",
                  (json_int_t)actor->limits->low, "high", (json_int_t)actor->limits->high, "hard",
                  (json_int_t)actor->limits->hard, "refused",
                  (json_int_t)atomic_load_explicit(&actor->refused, memory_order_relaxed));
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text == NULL) return;
    struct inspection inspection = {{text, (uint32_t)strlen(text)}};
    actor_send(actor, request->from, MESSAGE_REPLY | MESSAGE_EXEMPT, request->serial, type,
               &inspection, NULL, NULL);
    free(text);
}
