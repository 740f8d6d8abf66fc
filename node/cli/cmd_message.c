/*
 * cmd_message.c - send and ask.
 */
#include <string.h>

#include "node/base/hex.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/json_argument.h"

static const struct output_column send_columns[] = {
    {"TO", "pid", OUTPUT_VALUE}, {"TRACE", "trace_id", OUTPUT_VALUE}, {0}};

static const struct output_column ask_columns[] = {{"RECORD", "record", OUTPUT_VALUE},
                                                   {"BODY", "body", OUTPUT_COMPACT},
                                                   {"TRACE", "trace_id", OUTPUT_VALUE},
                                                   {0}};

static const char *text_of(json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

/* {target, record, body, trace, timeout_ms}; the caller's. */
static tr_status message_arguments(struct app *app, uint64_t timeout_ms, json_t **arguments_out) {
    const char *body_text = args_word(app->args, 2), *trace = args_text(app->args, "trace");
    json_t *body = NULL;
    uint8_t id[16];
    if (trace != NULL && !hex_decode(trace, id, sizeof id))
        return failure_set(&app->failure, TR_EINVAL, NULL,
                           "--trace: `%s` is not 32 hexadecimal digits", trace);
    if (body_text != NULL) {
        tr_status status = json_argument_read(body_text, "JSON", &body, &app->failure);
        if (status != TR_OK) return status;
    }
    json_t *arguments = json_pack("{s:s, s:s, s:I}", "target", args_word(app->args, 0), "record",
                                  args_word(app->args, 1), "timeout_ms", (json_int_t)timeout_ms);
    if (arguments == NULL) {
        json_decref(body);
        return failure_set(&app->failure, TR_EDATA, NULL, "target and record must be UTF-8");
    }
    if (body != NULL) json_object_set_new(arguments, "body", body);
    if (trace != NULL) json_object_set_new(arguments, "trace", json_string(trace));
    *arguments_out = arguments;
    return TR_OK;
}

/* `*data_out` is the caller's. */
static tr_status exchange(struct app *app, const char *op, json_t **data_out) {
    uint64_t timeout_ms = args_duration_ms(app->args, "timeout", APP_CALL_MS);
    struct remote *remote = NULL;
    json_t *arguments = NULL;
    tr_status status = message_arguments(app, timeout_ms, &arguments);
    if (status == TR_OK) status = remote_open(app, &remote);
    struct remote_call call = {.op = op, .args = arguments, .timeout_ms = timeout_ms};
    if (status == TR_OK) status = remote_call(remote, &call, data_out);
    json_decref(arguments);
    remote_close(remote);
    return status;
}

tr_status cmd_send(struct app *app) {
    json_t *data = NULL;
    tr_status status = exchange(app, "send", &data);
    if (status != TR_OK) return status;
    output_data(&app->output, "Send", data, data, send_columns);
    output_note(&app->output, "sent %s to %s", args_word(app->args, 1), args_word(app->args, 0));
    output_next(&app->output, "troupe logs --trace %s", text_of(data, "trace_id"));
    json_decref(data);
    return TR_OK;
}

tr_status cmd_ask(struct app *app) {
    json_t *data = NULL;
    tr_status status = exchange(app, "ask", &data);
    if (status != TR_OK) return status;
    output_data(&app->output, "Ask", data, data, ask_columns);
    output_next(&app->output, "troupe logs --trace %s", text_of(data, "trace_id"));
    json_decref(data);
    return TR_OK;
}
