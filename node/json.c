#include "node/json.h"

#include "node/base/error.h"
#include "node/base/memory.h"

static void format_pid(void *context, tr_pid pid, char *out, size_t out_bytes) {
    struct runtime *runtime = context;
    runtime->router->pid_text(runtime->router_context, pid, out, out_bytes);
}

static bool parse_pid(void *context, const char *text, tr_pid *pid_out) {
    struct runtime *runtime = context;
    return runtime->router->pid_parse(runtime->router_context, text, pid_out);
}

record_pids json_pids(struct runtime *runtime) {
    return (record_pids){.context = runtime, .format = format_pid, .parse = parse_pid};
}

tr_status json_record_body(struct runtime *runtime, const record_type *type, const char *text,
                           size_t bytes, void **body_out, tr_error *error) {
    json_error_t where;
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL)
        return error_set(error, TR_EDATA, NULL, "JSON for %s, line %d, column %d: %s", type->name,
                         where.line, where.column, where.text);
    record_pids pids = json_pids(runtime);
    tr_status status = record_from_json(type, json, &pids, NULL, body_out, error);
    json_decref(json);
    return status;
}
