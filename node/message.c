#include "node/message.h"

#include <string.h>

#include "node/base/block.h"
#include "node/record_codec.h"

tr_status message_of(const record_type *type, const void *body, uint32_t bytes_max,
                     tr_message **message_out) {
    record_size size = {0, 0};
    if (type != NULL && record_measure(type, body, &size) != TR_OK) return TR_EDATA;
    if (size.block_bytes > bytes_max) return TR_ETOOBIG;
    tr_message *made = message_new(size.block_bytes);
    made->type = type;
    if (type != NULL) record_flatten(type, body, made->body);
    *message_out = made;
    return TR_OK;
}

tr_message *message_converted(const tr_message *item, const record_type *type, size_t body_bytes) {
    tr_message *made = block_alloc(sizeof(tr_message) + body_bytes);
    *made = *item;
    made->type = type;
    made->body_bytes = (uint32_t)body_bytes;
    record_convert(item->type, item->body, type, made->body, body_bytes);
    return made;
}

void tr_message_free(tr_message *message) {
    message_free(message);
}

const void *tr_body(const tr_message *message) {
    return message->body;
}

const void *tr_context(const tr_message *message) {
    return message->context;
}

tr_pid tr_sender(const tr_message *message) {
    return message->from;
}

const char *tr_record_name(const tr_message *message) {
    return message->type == NULL ? "" : message->type->name;
}

tr_trace tr_trace_of(const tr_message *message) {
    return message->trace;
}

tr_request tr_request_of(const tr_message *message) {
    if ((message->flags & MESSAGE_ASK) == 0) return (tr_request){{0, 0, 0}, 0};
    return (tr_request){message->from, message->serial};
}

bool tr_pid_equal(tr_pid a, tr_pid b) {
    return a.space == b.space && a.slot == b.slot && a.generation == b.generation;
}

bool tr_pid_is_none(tr_pid pid) {
    return pid.space == 0 && pid.slot == 0 && pid.generation == 0;
}
