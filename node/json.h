/*
 * json.h - JSON text to bodies, with pids as this node writes them.
 */
#ifndef TROUPE_JSON_H
#define TROUPE_JSON_H

#include "node/record_json.h"
#include "node/runtime.h"

/* How this node writes and reads pids in JSON; `runtime` is the callbacks' context. Within a
 * reclaim section. */
record_pids json_pids(struct runtime *runtime);

/* Reads a JSON object into a body of `type`, the caller's (mem_free). Errors: TR_EDATA, `error`
 * says where. */
tr_status json_record_body(struct runtime *runtime, const record_type *type, const char *text,
                           size_t bytes, void **body_out, tr_error *error);

#endif
