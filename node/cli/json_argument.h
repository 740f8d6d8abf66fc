/*
 * json_argument.h - a JSON object given on the command line: as text, "-" for stdin, @FILE.
 *
 * At most 4 MiB are read; duplicate keys, other values than an object and bytes behind it are
 * refused. One thread.
 */
#ifndef TROUPE_CLI_JSON_ARGUMENT_H
#define TROUPE_CLI_JSON_ARGUMENT_H

#include <jansson.h>

#include "node/cli/failure.h"

enum { JSON_ARGUMENT_BYTES_MAX = 4 << 20 };

/* Reads the object that `text` is or names; `*object_out` is the caller's. `what` names it in
 * messages ("--state", "JSON"). Errors: TR_EDATA with line and column, TR_ENOENT (no such file),
 * TR_ETOOBIG, TR_EIO. */
tr_status json_argument_read(const char *text, const char *what, json_t **object_out,
                             struct failure *failure);

#endif
