/*
 * record_json.h - bodies and types as JSON, for the command line and whoever reads snapshots.
 *
 * A record is an object by field name. Integers are JSON integers, above INT64_MAX decimal
 * strings; bytes are base64; text that is not UTF-8 shows U+FFFD; NaN and infinities are null; a
 * pid is text; a request is {"from": PID, "id": N}. JSON from users is outside data (I5): what
 * does not fit is refused with the field's path. Any thread may call, if the callbacks allow it.
 */
#ifndef TROUPE_RECORD_JSON_H
#define TROUPE_RECORD_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <troupe.h>

#include "node/record.h"

/* How pids are written and read. A NULL `record_pids *` writes and reads the bare numbers,
 * "SPACE/SLOT.GENERATION" with the space as 16 hexadecimal digits, and "-" for nobody. */
typedef struct record_pids {
    void *context;
    /* Writes the pid as text, cut to `out_bytes`. */
    void (*format)(void *context, tr_pid pid, char *out, size_t out_bytes);
    /* Reads a pid; false when the text is none. */
    bool (*parse)(void *context, const char *text, tr_pid *pid_out);
} record_pids;

/* Returns the body as an object, the caller's (json_decref). */
json_t *record_to_json(const record_type *type, const void *body, const record_pids *pids);

/* Makes a body from an object (NULL: all zero) in one block, the caller's (mem_free). Fields that
 * are missing become zero. Whoever parses the text rejects duplicate keys (JSON_REJECT_DUPLICATES),
 * as the object shows only the last. `limits` may be NULL. Errors: TR_EDATA for an unknown field
 * (the hint names the nearest), a wrong type, a number out of range, a text too long; `*error` (may
 * be NULL) names the path. */
tr_status record_from_json(const record_type *type, const json_t *json, const record_pids *pids,
                           const record_limits *limits, void **block_out, tr_error *error);

/* Returns the fields as [{"name", "kind", "count"?, "record"?, "fields"?}], the caller's: count for
 * arrays, char[N] and uint8_t[N]; record and fields for nested records; a list's kind is "list of
 * KIND". */
json_t *record_type_to_json(const record_type *type);

#endif
